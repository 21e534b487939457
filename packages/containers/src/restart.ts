import type { RunExit } from "./instance-state.ts";

export interface RestartPolicy {
  /** First pause; doubles with every failure in a row. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** A run of at least this length starts the count anew. */
  readonly stableMs: number;
}

export const DEFAULT_RESTART_POLICY: RestartPolicy = { initialMs: 500, maxMs: 60_000, stableMs: 60_000 };

export type RestartPlan = { readonly kind: "restart" } | { readonly kind: "wait"; readonly untilMs: number };

/**
 * When an exited instance is to be started again. Pure.
 *
 *     failures in a row   0    1      2    3    4    …
 *     pause               0    0.5 s  1 s  2 s  4 s  … 60 s
 *
 * The pause counts from the exit. A first run that ends at once is failure 1; one that lasted `stableMs` is none, and restarts at once.
 */
export function planRestart(
  exited: { readonly failuresInRow: number; readonly lastExit?: RunExit },
  nowMs: number,
  policy: RestartPolicy = DEFAULT_RESTART_POLICY,
): RestartPlan {
  if (exited.lastExit === undefined || exited.failuresInRow === 0) return { kind: "restart" };
  const pauseMs = Math.min(policy.maxMs, policy.initialMs * 2 ** (exited.failuresInRow - 1));
  const untilMs = Date.parse(exited.lastExit.at) + pauseMs;
  return untilMs <= nowMs ? { kind: "restart" } : { kind: "wait", untilMs };
}

/** The count after a run that ended: a short one adds to it, one that lasted clears it. Pure. */
export function failuresAfter(failuresBefore: number, ranMs: number, policy: RestartPolicy = DEFAULT_RESTART_POLICY): number {
  return ranMs >= policy.stableMs ? 0 : failuresBefore + 1;
}
