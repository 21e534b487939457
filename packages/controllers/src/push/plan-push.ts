import type { Resource } from "@plimsoll/core";
import type { PushRecord } from "@plimsoll/db";
import type { PushEnd } from "../ports.ts";

export interface PushWorld {
  readonly push: PushRecord;
  readonly appExists: boolean;
  /** undefined: not recorded yet, or removed with its app. */
  readonly build: Resource<"Build"> | undefined;
  readonly deployment: Resource<"Deployment"> | undefined;
}

const SUPERSEDED: PushEnd = { state: "refused", reason: "superseded by a newer push" };

/** How the push ended; undefined while it has not. Live means that its release serves, or did before a newer one took over. */
export function planPush({ push, appExists, build, deployment }: PushWorld): PushEnd | undefined {
  if (push.state !== "open") return undefined;
  if (!appExists) return { state: "refused", reason: "the app was deleted" };
  if (deployment !== undefined) return endOfDeployment(deployment);
  if (build === undefined) return push.buildUid === undefined ? undefined : { state: "refused", reason: "its build was removed" };
  switch (build.status.phase) {
    case "failed":
      return { state: "refused", reason: "build failed" };
    case "cancelled":
      return { state: "refused", reason: "build cancelled" };
    case "superseded":
      return SUPERSEDED;
    case "pending":
    case "placed":
    case "running":
    case "succeeded":
      return undefined;
  }
}

function endOfDeployment({ spec, status }: Resource<"Deployment">): PushEnd | undefined {
  switch (status.phase) {
    case "starting":
      return undefined;
    case "draining":
    case "complete":
      return { state: "live" };
    case "failed":
      if (status.command?.state === "failed") return { state: "refused", reason: `the release command of v${spec.release} failed` };
      return { state: "refused", reason: `release v${spec.release} never became ready` };
    case "superseded":
      return status.readyAt === undefined ? SUPERSEDED : { state: "live" };
  }
}
