import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_RESTART_POLICY, failuresAfter, planRestart } from "./restart.ts";

const at = "2026-01-01T00:00:00.000Z";
const exited = (failuresInRow: number) => ({
  failuresInRow,
  lastExit: { code: 1, outOfMemory: false, monitorLost: false, at },
});
const pauseAfter = (failuresInRow: number) => {
  const plan = planRestart(exited(failuresInRow), Date.parse(at));
  return plan.kind === "restart" ? 0 : plan.untilMs - Date.parse(at);
};

describe("restart plan", () => {
  it("restarts at once what ran long, and waits twice as long after every quick failure, up to a minute", () => {
    expect([0, 1, 2, 3, 4, 8, 100].map(pauseAfter)).toEqual([0, 500, 1_000, 2_000, 4_000, 60_000, 60_000]);
  });

  it("restarts when the pause is over, counted from the exit", () => {
    expect(planRestart(exited(2), Date.parse(at) + 999).kind).toBe("wait");
    expect(planRestart(exited(2), Date.parse(at) + 1_000)).toEqual({ kind: "restart" });
  });

  it("never waits longer for fewer failures, and waits for no longer than it may", () => {
    fc.assert(
      fc.property(fc.nat(2_000), (failures) => {
        expect(pauseAfter(failures)).toBeLessThanOrEqual(pauseAfter(failures + 1));
        expect(pauseAfter(failures)).toBeLessThanOrEqual(DEFAULT_RESTART_POLICY.maxMs);
      }),
    );
  });

  it("counts short runs, and forgets them after one that lasted", () => {
    expect(failuresAfter(3, 1_000)).toBe(4);
    expect(failuresAfter(3, DEFAULT_RESTART_POLICY.stableMs)).toBe(0);
  });
});
