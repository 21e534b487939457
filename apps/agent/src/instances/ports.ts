import type { Image } from "@plimsoll/core";

/** The wire of an instance: its network namespace, attached to its platform namespace's network. */
export interface InstanceWire {
  /** Ensures the network namespace and an address; answers both. Idempotent: an attached instance keeps its address. */
  attach(instanceUid: string, namespaceUid: string): Promise<{ readonly netnsPath: string; readonly address: string }>;
  /** Takes it away. Idempotent. */
  detach(instanceUid: string, namespaceUid: string): Promise<void>;
  /** The address of an attached instance. */
  addressOf(instanceUid: string): string | undefined;
}

/** Where layers come from when this host does not have them. */
export interface ImageFetcher {
  /** Resolves when every layer and the image are in this host's stores. Concurrent calls for one layer fetch it once. */
  ensure(image: Image): Promise<void>;
}
