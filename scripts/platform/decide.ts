/**
 * What a supervisor does about one process, decided from what it wants and sees. Pure.
 *
 * ```
 *               start                    ended
 *   absent ───────────────▶ running ───────────────▶ absent (the next start waits longer each time)
 *      ▲                       │ not wanted, or other than wanted
 *      │        ended          ▼          after its grace
 *      └──────────────────  stopping ───────────────▶ killed
 * ```
 */
export interface Sight {
  readonly wanted: boolean;
  readonly alive: boolean;
  /** Whether it was started from the program, settings and code that are wanted now. */
  readonly current: boolean;
  /** Ends in a row that came soon after the start. */
  readonly failures: number;
  readonly endedAtMs: number | undefined;
  /** When it was asked to stop. */
  readonly stoppingSinceMs: number | undefined;
  readonly graceMs: number;
  readonly nowMs: number;
}

export type Decision =
  | { readonly act: "nothing" }
  | { readonly act: "start" }
  | { readonly act: "wait"; readonly untilMs: number }
  | { readonly act: "ask-to-stop" }
  | { readonly act: "kill" }
  | { readonly act: "forget" };

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Having run so long, an end counts as the first one. */
export const STABLE_AFTER_MS = 10_000;

export function decide(sight: Sight): Decision {
  if (!sight.alive) {
    if (!sight.wanted) return { act: "forget" };
    const untilMs = (sight.endedAtMs ?? Number.NEGATIVE_INFINITY) + pauseMs(sight.failures);
    return sight.nowMs >= untilMs ? { act: "start" } : { act: "wait", untilMs };
  }
  if (sight.stoppingSinceMs !== undefined) {
    const killAtMs = sight.stoppingSinceMs + sight.graceMs;
    return sight.nowMs >= killAtMs ? { act: "kill" } : { act: "wait", untilMs: killAtMs };
  }
  return sight.wanted && sight.current ? { act: "nothing" } : { act: "ask-to-stop" };
}

/** The first restart is at once; then 0.5 s, doubled each time, at most 30 s. */
export function pauseMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (failures - 2), LONGEST_PAUSE_MS);
}

/** The count after one more end. An end that was asked for is no failure. */
export function failuresAfter(end: { failures: number; ranForMs: number; askedFor: boolean }): number {
  if (end.askedFor) return 0;
  return end.ranForMs >= STABLE_AFTER_MS ? 1 : end.failures + 1;
}
