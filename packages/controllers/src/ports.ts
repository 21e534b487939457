import type { Resource } from "@plimsoll/core";
import type { ConnectionRecord, PushRecord } from "@plimsoll/db";

/** What an installation decides. */
export interface ControllerSettings {
  /** Apps are reached below it: `<app>-<namespace>.<appsDomain>`. */
  readonly appsDomain: string;
  /** How the ingress is reached from outside: `https`, or `http` with its port. */
  readonly appsScheme: "http" | "https";
  /** Absent: the scheme's own. */
  readonly appsPort?: number;
  /** Host names that no app may have. */
  readonly reservedHosts?: readonly string[];
}

/** How a push ended: the branch moves when its release is live. `reason` completes "main was not moved: …". */
export type PushEnd = { readonly state: "live" } | { readonly state: "refused"; readonly reason: string };

/** What controllers ask of parts of the server that stand beside them. All idempotent: after a crash they are asked again. */
export interface ControllerPorts {
  /**
   * Moves the branch of a live push by compare-and-set, or cleans up after a refused one, and answers what is to be recorded: a branch
   * that moved meanwhile turns `live` into `refused`.
   */
  finishPush(push: PushRecord, end: PushEnd): Promise<PushEnd>;
  /**
   * Looks at the repository that an app is connected to: fetches its branch and asks for a build where there is a new commit. What fails is
   * noted with the connection and not thrown. Absent: nothing is connected.
   */
  lookAtConnection?(connection: ConnectionRecord, signal: AbortSignal): Promise<void>;
  /** Tells the other side what became of the commit, where it has not been told. Answers whether there will be more to tell. */
  reportConnection?(connection: ConnectionRecord): Promise<boolean>;
  /** An app is gone but for its record: its repository can go too. */
  appDeleted?(app: Resource<"App">): Promise<void>;
}
