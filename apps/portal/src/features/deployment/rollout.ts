import type { InstancePhase, Resource } from "@plimsoll/core";
import { inOrder } from "#features/app/instance-order.ts";
import type { RolloutState } from "#ui/state-looks.ts";

/** What a rollout is made of, as the tree shows it. */
export type RolloutStep =
  | { readonly kind: "instance"; readonly id: string; readonly state: RolloutState; readonly instance: Resource<"Instance"> }
  | { readonly kind: "drain"; readonly id: "drain"; readonly state: RolloutState; readonly release: number; readonly left: number };

/** The steps of a deployment: each instance of its release, then the end of the release before. */
export function rolloutSteps(deployment: Resource<"Deployment">, instances: readonly Resource<"Instance">[]): RolloutStep[] {
  const { phase, previousRelease } = deployment.status;
  const over = phase === "complete" || phase === "failed" || phase === "superseded";
  const steps: RolloutStep[] = inOrder(instances)
    .filter(({ spec, status }) => spec.release === deployment.spec.release && spec.task !== true && status.phase !== "stopped")
    .map((instance) => ({
      kind: "instance",
      id: instance.metadata.name,
      state: instanceState(instance.status.phase, over),
      instance,
    }));
  if (previousRelease !== undefined && previousRelease !== deployment.spec.release && phase !== "failed") {
    const left = instances.filter((one) => one.spec.release === previousRelease && one.status.phase !== "stopped").length;
    const state: RolloutState = phase === "draining" ? "running" : phase === "complete" ? "done" : "waiting";
    steps.push({ kind: "drain", id: "drain", state, release: previousRelease, left });
  }
  return steps;
}

function instanceState(phase: InstancePhase, over: boolean): RolloutState {
  switch (phase) {
    case "scheduled":
      return "waiting";
    case "preparing":
    case "starting":
    case "unready":
    case "stopping":
    case "lost":
      return "running";
    case "ready":
    case "finished":
      return "done";
    case "backoff":
      return over ? "failed" : "running";
    case "stopped":
    case "failed":
      return "failed";
  }
}
