import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Loop } from "./loop.ts";

describe("Loop", () => {
  it("never runs twice at once and runs again for triggers that came meanwhile", async () => {
    let running = 0;
    let most = 0;
    let passes = 0;
    const loop = new Loop(
      async () => {
        most = Math.max(most, ++running);
        passes++;
        await sleep(10);
        running--;
      },
      () => undefined,
    );
    for (let i = 0; i < 5; i++) loop.trigger();
    await sleep(50);
    expect({ most, passes }).toEqual({ most: 1, passes: 2 });
    await loop.stop();
  });

  it("goes on after a pass that failed", async () => {
    const errors: unknown[] = [];
    let passes = 0;
    const loop = new Loop(
      async () => {
        if (passes++ === 0) throw new Error("first");
      },
      (error) => errors.push(error),
    );
    loop.trigger();
    await sleep(5);
    loop.trigger();
    await sleep(5);
    expect({ passes, errors: errors.length }).toEqual({ passes: 2, errors: 1 });
  });

  it("begins a pass in time when asked to, once, and none when it is stopped", async () => {
    let passes = 0;
    const loop = new Loop(
      async () => {
        // The server is away when it is asked first: the pass itself asks for the next.
        if (passes++ === 0) loop.triggerWithin(20);
      },
      () => undefined,
    );
    loop.triggerWithin(10);
    loop.triggerWithin(10);
    await expect.poll(() => passes).toBe(2);
    await sleep(60);
    expect(passes).toBe(2);
    loop.triggerWithin(10);
    await loop.stop();
    await sleep(30);
    expect(passes).toBe(2);
  });
});
