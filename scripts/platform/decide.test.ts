import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, failuresAfter, pauseMs, type Sight, STABLE_AFTER_MS } from "./decide.ts";

const running: Sight = {
  wanted: true,
  alive: true,
  current: true,
  failures: 0,
  endedAtMs: undefined,
  stoppingSinceMs: undefined,
  graceMs: 1_000,
  nowMs: 50_000,
};

describe("decide", () => {
  it("leaves alone what runs as it should", () => {
    expect(decide(running)).toEqual({ act: "nothing" });
  });

  it("starts what never ran, and restarts at once what ended for the first time", () => {
    expect(decide({ ...running, alive: false })).toEqual({ act: "start" });
    expect(decide({ ...running, alive: false, failures: 1, endedAtMs: 50_000 })).toEqual({ act: "start" });
  });

  it("waits longer each time for what keeps ending", () => {
    expect(decide({ ...running, alive: false, failures: 3, endedAtMs: 50_000 })).toEqual({ act: "wait", untilMs: 51_000 });
    expect(decide({ ...running, alive: false, failures: 3, endedAtMs: 49_000 })).toEqual({ act: "start" });
  });

  it("asks what is of old code to stop, then kills it when its grace is over", () => {
    expect(decide({ ...running, current: false })).toEqual({ act: "ask-to-stop" });
    expect(decide({ ...running, current: false, stoppingSinceMs: 49_500 })).toEqual({ act: "wait", untilMs: 50_500 });
    expect(decide({ ...running, current: false, stoppingSinceMs: 49_000 })).toEqual({ act: "kill" });
  });

  it("stops and forgets what is not wanted any more", () => {
    expect(decide({ ...running, wanted: false })).toEqual({ act: "ask-to-stop" });
    expect(decide({ ...running, wanted: false, alive: false })).toEqual({ act: "forget" });
  });

  it("never starts what lives, and never stops what does not", () => {
    const sight = fc.record({
      wanted: fc.boolean(),
      alive: fc.boolean(),
      current: fc.boolean(),
      failures: fc.nat(50),
      endedAtMs: fc.option(fc.nat(), { nil: undefined }),
      stoppingSinceMs: fc.option(fc.nat(), { nil: undefined }),
      graceMs: fc.nat(20_000),
      nowMs: fc.nat(),
    });
    fc.assert(
      fc.property(sight, (any) => {
        const { act } = decide(any);
        if (any.alive) expect(["start", "forget"]).not.toContain(act);
        else expect(["ask-to-stop", "kill"]).not.toContain(act);
      }),
    );
  });
});

describe("pauses", () => {
  it("are none for the first end, then half a second doubled, and never more than half a minute", () => {
    expect([1, 2, 3, 4, 20].map(pauseMs)).toEqual([0, 500, 1_000, 2_000, 30_000]);
  });

  it("start over after a long run or a stop that was asked for", () => {
    expect(failuresAfter({ failures: 5, ranForMs: 20, askedFor: false })).toBe(6);
    expect(failuresAfter({ failures: 5, ranForMs: STABLE_AFTER_MS, askedFor: false })).toBe(1);
    expect(failuresAfter({ failures: 5, ranForMs: 20, askedFor: true })).toBe(0);
  });
});
