import { describe, expect, it } from "vitest";
import type { BuildEvent } from "./build.ts";
import { waterfall } from "./waterfall.ts";

const step = (index: number, label: string, stage = "a") => ({ index, stage, label, line: index + 1 });
const plan = (...steps: ReturnType<typeof step>[]): BuildEvent => ({ type: "plan", atMs: 0, dockerfile: "Dockerfile", target: "a", steps });

describe("waterfall", () => {
  it("places what ran on the build's time, and adds up what the cache saved", () => {
    const events: BuildEvent[] = [
      plan(step(0, "FROM x"), step(1, "RUN a"), step(2, "RUN b"), step(3, "RUN c")),
      { type: "step-done", atMs: 5, step: 0, outcome: "cached", durationMs: 0 },
      { type: "step-done", atMs: 9, step: 1, outcome: "cached", durationMs: 0, savedMs: 12_000 },
      { type: "step-started", atMs: 10, step: 2 },
      { type: "step-started", atMs: 20, step: 3 },
      { type: "step-done", atMs: 110, step: 2, outcome: "done", durationMs: 100 },
      { type: "step-done", atMs: 140, step: 3, outcome: "failed", durationMs: 120 },
      { type: "failed", atMs: 150, failure: { reason: "command", message: "no" } },
    ];
    const { rows, ...sums } = waterfall(events);
    expect(sums).toEqual({ totalMs: 150, ranMs: 220, savedMs: 12_000, cached: 2 });
    expect(rows.map(({ label, outcome, startMs, endMs, savedMs }) => [label, outcome, startMs, endMs, savedMs])).toEqual([
      ["FROM x", "cached", 5, 5, undefined],
      ["RUN a", "cached", 9, 9, 12_000],
      ["RUN b", "done", 10, 110, undefined],
      ["RUN c", "failed", 20, 140, undefined],
    ]);
  });

  it("knows what runs, what waits, and what was stopped with the build", () => {
    const events: BuildEvent[] = [
      plan(step(0, "RUN a"), step(1, "RUN b")),
      { type: "step-started", atMs: 10, step: 0 },
      { type: "notice", atMs: 50, text: "" },
    ];
    expect(waterfall(events).rows.map(({ outcome, endMs }) => [outcome, endMs])).toEqual([
      ["running", 50],
      ["waiting", 50],
    ]);
    const stopped = waterfall([...events, { type: "failed", atMs: 60, failure: { reason: "timeout", message: "no" } }]);
    expect(stopped.rows.map(({ outcome }) => outcome)).toEqual(["failed", "waiting"]);
  });

  it("is of the last try, and of nothing where there was none", () => {
    const again = waterfall([plan(step(0, "RUN old")), { type: "step-started", atMs: 900, step: 0 }, plan(step(0, "RUN new"))]);
    expect([again.totalMs, again.rows.map(({ label, outcome }) => `${label} ${outcome}`)]).toEqual([0, ["RUN new waiting"]]);
    expect(waterfall([])).toEqual({ rows: [], totalMs: 0, ranMs: 0, savedMs: 0, cached: 0 });
  });
});
