import type { Resource, Status } from "@plimsoll/core";
import { type Drains, drainMessage } from "./drains.ts";
import type { PlacedMissing } from "./place-missing.ts";
import type { RolloutWorld, Traffic, Transition } from "./rollout-world.ts";
import { displayName } from "./verdict.ts";

export function supersededStatus(
  { status, spec }: Resource<"Deployment">,
  by: Resource<"Deployment"> | undefined,
  nowMs: number,
): Status<"Deployment"> {
  const message = by === undefined ? `v${spec.release} was superseded.` : `v${spec.release} was superseded by v${by.spec.release}.`;
  return { ...status, phase: "superseded", message, finishedAt: iso(nowMs) };
}

/** The target's status after this step: the same object when nothing changes. */
export function targetStatus(
  world: RolloutWorld,
  target: Resource<"Deployment">,
  transition: Transition | undefined,
  { unplaced }: PlacedMissing,
  drains: Drains,
): Status<"Deployment"> {
  const { status } = target;
  const { message: _, ...rest } = status;
  switch (transition?.phase) {
    case undefined: {
      const first = unplaced[0];
      const message = first === undefined ? undefined : `${displayName(first)} waits for ${first.waitsFor}: ${first.reason}`;
      return message === status.message ? status : { ...rest, ...(message === undefined ? {} : { message }) };
    }
    case "failed": {
      const { failure } = transition;
      const kept = world.app.status.release === undefined ? "Nothing serves yet" : `v${world.app.status.release} never stopped serving`;
      const message = `v${target.spec.release} was not released: ${failure.instance} ${failure.reason}. ${kept}.`;
      return { ...rest, phase: "failed", message, failure, finishedAt: iso(world.nowMs) };
    }
    case "draining": {
      const message = drainMessage(drains);
      if (status.phase === "draining")
        return message === status.message ? status : { ...rest, ...(message === undefined ? {} : { message }) };
      return { ...rest, phase: "draining", readyAt: iso(world.nowMs), ...(message === undefined ? {} : { message }) };
    }
    case "complete": {
      const message = drainMessage(drains);
      return {
        ...rest,
        phase: "complete",
        readyAt: status.readyAt ?? iso(world.nowMs),
        finishedAt: iso(world.nowMs),
        ...(message === undefined ? {} : { message }),
        ...requestsSince(target, world.traffic),
      };
    }
  }
}

/** Where the counters stood when the deployment began, as a label: it must survive every process. */
export const TRAFFIC_LABEL = "plimsoll/requests-at-start";

export function trafficLabel({ total, failed }: Traffic): string {
  return `${total}.${failed}`;
}

function requestsSince({ metadata }: Resource<"Deployment">, now: Traffic | undefined): Pick<Status<"Deployment">, "requests"> {
  const [total, failed] = (metadata.labels[TRAFFIC_LABEL] ?? "").split(".").map(Number);
  if (now === undefined || total === undefined || failed === undefined) return {};
  // An ingress that was restarted counts from nought.
  if (now.total < total || now.failed < failed) return { requests: { ...now } };
  return { requests: { total: now.total - total, failed: now.failed - failed } };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
