import type { Resource, Status } from "@plimsoll/core";
import type { EventNote } from "@plimsoll/db";
import type { HostState } from "../host-states.ts";
import type { Failure } from "./verdict.ts";

/** Everything about an app that its rollout depends on, read at one moment. */
export interface RolloutWorld {
  readonly nowMs: number;
  /** Since when this process has heard hosts without a gap. */
  readonly observedSinceMs: number;
  readonly app: Resource<"App">;
  readonly releases: ReadonlyMap<number, Resource<"Release">>;
  /** Deployments that are not over, oldest first. */
  readonly open: readonly Resource<"Deployment">[];
  /** The newest of all. */
  readonly latest: Resource<"Deployment"> | undefined;
  readonly instances: readonly Resource<"Instance">[];
  readonly hosts: readonly HostState[];
  readonly urls: readonly string[];
  /** What ingress hosts have counted for the app so far; undefined where none says. */
  readonly traffic: Traffic | undefined;
  /** Why the quota has no room for the instance of a release command that is to be placed; absent: it has. */
  readonly noRoomForCommand?: string;
}

export interface Traffic {
  readonly total: number;
  readonly failed: number;
}

export interface NewInstance {
  readonly process: string;
  readonly release: Resource<"Release">;
  readonly ordinal: number;
  readonly hostUid: string;
  /** It runs the release's command. */
  readonly task?: true;
}

/** What is to be done, all of it in one transaction. Empty lists: nothing. */
export interface RolloutPlan {
  readonly deployments: readonly { readonly deployment: Resource<"Deployment">; readonly status: Status<"Deployment"> }[];
  readonly create: readonly NewInstance[];
  /** Out of every router first: they serve, or have served. */
  readonly drain: readonly Resource<"Instance">[];
  /** Draining, but the version that routers have to acknowledge was not noted yet. */
  readonly noteDrainVersion: readonly Resource<"Instance">[];
  readonly stop: readonly Resource<"Instance">[];
  /** On a host that is lost: what it says when it comes back decides nothing. */
  readonly lose: readonly Resource<"Instance">[];
  /** Nothing is left of them. */
  readonly remove: readonly Resource<"Instance">[];
  /** Their commands ended well. */
  readonly commandRan: readonly Resource<"Release">[];
  /** Deployments whose command takes nothing of the quota any more. */
  readonly settleCommands: readonly Resource<"Deployment">[];
  readonly removeReleases: readonly Resource<"Release">[];
  /** What ingress hosts route is another than before. */
  readonly routing: boolean;
  /** A deployment has just ended: old history can go. */
  readonly prune: boolean;
  readonly events: readonly { readonly regarding: Resource; readonly note: EventNote }[];
  readonly status: Status<"App">;
  /** When to look again if nothing happens; absent: never. */
  readonly againInMs: number | undefined;
}

/** What the target becomes, before anything is placed. */
export type Transition =
  | { readonly phase: "draining" }
  | { readonly phase: "complete" }
  | { readonly phase: "failed"; readonly failure: Failure };

export interface Unplaced {
  readonly process: string;
  readonly ordinal: number;
  readonly release: number;
  readonly waitsFor: "a host" | "room in the quota";
  readonly reason: string;
}
