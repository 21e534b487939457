import type { Resource, Status } from "@plimsoll/core";
import type { EventNote } from "@plimsoll/db";
import type { RolloutPlan, RolloutWorld, Transition } from "./rollout-world.ts";
import { displayName } from "./verdict.ts";
import type { Census } from "./wanted.ts";

/** What of this step people may want to know later. */
export function rolloutEvents(
  { app }: RolloutWorld,
  serving: number | undefined,
  target: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  census: Census,
  status: Status<"App">,
): RolloutPlan["events"] {
  const events: { regarding: Resource; note: EventNote }[] = [];
  if (serving !== undefined && serving !== app.status.release)
    events.push({ regarding: app, note: { type: "normal", reason: "Released", message: `v${serving} is live.` } });
  if (target !== undefined && transition?.phase === "failed") {
    const { instance, reason } = transition.failure;
    const message = `v${target.spec.release} was not released: ${instance} ${reason}.`;
    events.push({ regarding: app, note: { type: "warning", reason: "DeploymentFailed", message } });
  }
  // Told here and not where hosts are looked at: which of the two comes first is open, and here is who has lost something.
  for (const host of new Set(census.lost.map(({ spec }) => spec.host))) {
    const message = `Host ${host} has not been heard of for more than a minute and counts as lost; what ran there is replaced.`;
    events.push({ regarding: app, note: { type: "warning", reason: "HostLost", message } });
  }
  for (const { spec } of census.lost) {
    const message = `${displayName(spec)} was lost with host ${spec.host}, which is silent; it is replaced on another.`;
    events.push({ regarding: app, note: { type: "warning", reason: "InstanceLost", message } });
  }
  for (const { spec, status: last } of census.broken) {
    const message = `${displayName(spec)} was given up by host ${spec.host}: ${last.message ?? "it did not say why"}; it is replaced.`;
    events.push({ regarding: app, note: { type: "warning", reason: "InstanceReplaced", message } });
  }
  if (status.message !== undefined && status.message !== app.status.message && / waits for (a host|room)/.test(status.message))
    events.push({ regarding: app, note: { type: "warning", reason: "Unplaced", message: status.message } });
  return events;
}
