/**
 * Build:       pending ─▶ placed ─▶ running ─▶ succeeded
 *                 │          │         ├─────▶ failed
 *                 └──────────┴─────────┴─────▶ cancelled | superseded      (running ─▶ pending again when its host is lost)
 *
 * Deployment:  starting ─▶ draining ─▶ complete
 *                 ├──────────────────▶ failed        (never ready: the old release stays)
 *                 └─────────┴────────▶ superseded    (a newer deployment of the app took over)
 *
 * Instance:    scheduled ─▶ preparing ─▶ starting ─▶ ready ⇄ unready ─▶ stopping ─▶ stopped
 *                                           └─▶ backoff ─▶ starting       (it exited; restarted with growing pauses)
 *                                           ├─▶ finished                  (a release command: it ended, and is not started again)
 *                                                                          lost: its host has not been heard of
 */
export const BUILD_PHASES = ["pending", "placed", "running", "succeeded", "failed", "cancelled", "superseded"] as const;
export type BuildPhase = (typeof BUILD_PHASES)[number];

export const DEPLOYMENT_PHASES = ["starting", "draining", "complete", "failed", "superseded"] as const;
export type DeploymentPhase = (typeof DEPLOYMENT_PHASES)[number];

export const INSTANCE_PHASES = [
  "scheduled",
  "preparing",
  "starting",
  "ready",
  "unready",
  "backoff",
  "stopping",
  "stopped",
  "failed",
  "lost",
  "finished",
] as const;
export type InstancePhase = (typeof INSTANCE_PHASES)[number];

export function isBuildOver(phase: BuildPhase): boolean {
  switch (phase) {
    case "succeeded":
    case "failed":
    case "cancelled":
    case "superseded":
      return true;
    case "pending":
    case "placed":
    case "running":
      return false;
  }
}

export function isDeploymentOver(phase: DeploymentPhase): boolean {
  switch (phase) {
    case "complete":
    case "failed":
    case "superseded":
      return true;
    case "starting":
    case "draining":
      return false;
  }
}

/** Nothing of it is left on its host. */
export function isInstanceGone(phase: InstancePhase): boolean {
  return phase === "stopped";
}
