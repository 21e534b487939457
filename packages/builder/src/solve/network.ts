import type { BuildNetworkPath } from "../execute/protocol.ts";

/**
 * A network for the commands of one build, of its own: it reaches the registries, and no instance, no host and no other build. Given by
 * whoever wires the host.
 */
export interface BuildNetwork {
  /** Its namespace is a child of the build's user namespace. Idempotent for one build. */
  acquire(request: {
    readonly buildId: string;
    readonly namespaceUid: string;
    readonly userNamespacePath: string;
  }): Promise<BuildNetworkPath>;
  /** Nothing there is no error. Called also for builds of an agent that is gone. */
  release(buildId: string): Promise<void>;
}

export type { BuildNetworkPath };
