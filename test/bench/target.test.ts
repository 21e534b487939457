import { describe, expect, it } from "vitest";
import { judge, parseTarget } from "./target.ts";

describe("a target", () => {
  it("is read as conditions that all have to hold; a bare one is about the ratio", () => {
    expect(parseTarget("<=0.33")).toEqual([{ measure: "ratio", atMost: 0.33 }]);
    expect(parseTarget("<=1.0, p50<=1000, dropped<=0")).toEqual([
      { measure: "ratio", atMost: 1 },
      { measure: "p50", atMost: 1000 },
      { measure: "dropped", atMost: 0 },
    ]);
  });

  it.each(["", "0.5", "<=", ">=2", "p99<=3", "<=1,", "<=1e3", "p50<=-1"])("is refused when it says %j", (text) =>
    expect(() => parseTarget(text)).toThrow(/is no condition/),
  );
});

describe("the verdict", () => {
  it("is met at the limit itself, and missed just above it", () => {
    expect(judge("<=0.5", { ratio: 0.5 })).toEqual({ ok: true, misses: [] });
    expect(judge("<=0.5", { ratio: 0.5001 })).toEqual({ ok: false, misses: ["ratio 0.5001 > 0.5"] });
  });

  it("names every condition that is missed", () => {
    expect(judge("<=1.0, p50<=1000, dropped<=0", { ratio: 1.2, p50: 1310, dropped: 1 })).toEqual({
      ok: false,
      misses: ["ratio 1.2 > 1", "p50 1310 > 1000", "dropped 1 > 0"],
    });
  });

  it("is open without the peer, unless something else was missed", () => {
    expect(judge("<=1.0, p50<=1000", { p50: 900 })).toEqual({ ok: undefined, misses: [] });
    expect(judge("<=1.0, p50<=1000", { p50: 1100 }).ok).toBe(false);
  });

  it("is never met by what is no number", () => {
    expect(judge("<=1.0", { ratio: Number.NaN }).ok).toBe(false);
  });
});
