import { type InstanceObservation, planRestart } from "@plimsoll/containers";
import type { InstanceAssignment } from "@plimsoll/contracts";

/**
 * What to do with one instance, from what is wanted and what is (invariant 2: whatever woke us).
 *
 * wanted \ is        nothing      created   running   exited
 * running            launch       start     probe     restart | wait (backoff)
 * draining           gone         start     probe     remove           (it takes no new requests: no reason to restart it)
 * stopped, unknown   gone         remove    remove    remove           (remove: stop signal, grace, kill, clean up)
 * task               launch *     start     watch     finished         (* vanished where it had begun: it runs once)
 */
export type InstanceStep =
  | { readonly kind: "launch" }
  | { readonly kind: "start" }
  | { readonly kind: "probe" }
  | { readonly kind: "watch" }
  | { readonly kind: "finished" }
  | { readonly kind: "vanished" }
  | { readonly kind: "restart" }
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "remove" }
  | { readonly kind: "gone" };

/** Pure: the next step for an instance. */
export function planInstance(
  wanted: Pick<InstanceAssignment, "desired" | "task"> | undefined,
  is: Pick<InstanceObservation, "state" | "failuresInRow" | "lastExit"> | undefined,
  nowMs: number,
): InstanceStep {
  const desired = wanted?.desired ?? "stopped";
  if (desired === "stopped") return is === undefined ? { kind: "gone" } : { kind: "remove" };
  if (wanted?.task !== undefined) return planTask(wanted.task, is);
  if (is === undefined) return desired === "running" ? { kind: "launch" } : { kind: "gone" };
  switch (is.state) {
    case "created":
      return { kind: "start" };
    case "running":
      return { kind: "probe" };
    case "exited": {
      if (desired === "draining") return { kind: "remove" };
      const plan = planRestart(is, nowMs);
      return plan.kind === "restart" ? { kind: "restart" } : { kind: "wait", untilMs: plan.untilMs };
    }
  }
}

function planTask({ started }: NonNullable<InstanceAssignment["task"]>, is: Pick<InstanceObservation, "state"> | undefined): InstanceStep {
  if (is === undefined) return { kind: started ? "vanished" : "launch" };
  switch (is.state) {
    case "created":
      return { kind: "start" };
    case "running":
      return { kind: "watch" };
    case "exited":
      return { kind: "finished" };
  }
}
