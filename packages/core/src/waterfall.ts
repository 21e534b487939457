import type { BuildEvent } from "./build.ts";

/** A step of a build that is over (or still runs), on the build's own time. */
export interface WaterfallRow {
  readonly step: number;
  readonly stage: string;
  readonly label: string;
  readonly outcome: "cached" | "done" | "failed" | "running" | "waiting";
  /** Milliseconds since the build began. */
  readonly startMs: number;
  readonly endMs: number;
  /** What a cached step took when it ran, where that is known. */
  readonly savedMs?: number;
}

export interface Waterfall {
  readonly rows: readonly WaterfallRow[];
  readonly totalMs: number;
  /** What steps took that ran; side by side they take less time than that. */
  readonly ranMs: number;
  /** What the cache saved, as far as it is known. */
  readonly savedMs: number;
  readonly cached: number;
}

/** What ran when, by a build's events; those of its last try. Pure. */
export function waterfall(events: readonly BuildEvent[]): Waterfall {
  const begin = Math.max(
    0,
    events.findLastIndex(({ type }) => type === "plan"),
  );
  const own = events.slice(begin);
  const totalMs = Math.max(0, ...own.map(({ atMs }) => atMs));
  const isOver = own.some(({ type }) => type === "done" || type === "failed");
  const started = new Map<number, number>();
  const ended = new Map<number, Extract<BuildEvent, { type: "step-done" }>>();
  for (const event of own) {
    if (event.type === "step-started") started.set(event.step, event.atMs);
    if (event.type === "step-done") ended.set(event.step, event);
  }
  const plan = own[0]?.type === "plan" ? own[0].steps : [];
  const rows = plan.map(({ index, stage, label }): WaterfallRow => {
    const [from, end] = [started.get(index), ended.get(index)];
    const names = { step: index, stage, label };
    if (end !== undefined) {
      const startMs = end.outcome === "cached" ? end.atMs : (from ?? Math.max(0, end.atMs - end.durationMs));
      const saved = end.outcome === "cached" && end.savedMs !== undefined ? { savedMs: end.savedMs } : {};
      return { ...names, outcome: end.outcome, startMs, endMs: end.atMs, ...saved };
    }
    if (from === undefined) return { ...names, outcome: "waiting", startMs: totalMs, endMs: totalMs };
    // Whatever still ran was stopped with the build.
    return { ...names, outcome: isOver ? "failed" : "running", startMs: from, endMs: totalMs };
  });
  return {
    rows,
    totalMs,
    ranMs: rows.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0),
    savedMs: rows.reduce((sum, { savedMs }) => sum + (savedMs ?? 0), 0),
    cached: rows.filter(({ outcome }) => outcome === "cached").length,
  };
}
