import { describe, expect, it } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

describe("the rate limit", () => {
  it("lets a burst through, then one at a time, each key for itself", () => {
    let now = 0;
    const limiter = new RateLimiter({ burst: 3, perSecond: 2 }, () => now);
    const tries = (key: string) => {
      try {
        limiter.take(key);
        return true;
      } catch {
        return false;
      }
    };
    expect([tries("a"), tries("a"), tries("a"), tries("a"), tries("b")]).toEqual([true, true, true, false, true]);
    now += 499;
    expect(tries("a")).toBe(false);
    now += 1;
    expect([tries("a"), tries("a")]).toEqual([true, false]);
    now += 3_600_000;
    expect([tries("a"), tries("a"), tries("a"), tries("a")]).toEqual([true, true, true, false]);
  });

  it("says when to come back, and takes back what did not count", () => {
    const limiter = new RateLimiter({ burst: 1, perSecond: 0.1 }, () => 0);
    limiter.take("a");
    expect(() => limiter.take("a")).toThrow(/in 10 s/);
    limiter.refund("a");
    limiter.take("a");
  });
});
