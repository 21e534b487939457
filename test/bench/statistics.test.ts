import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { median, percentile, rounded, summarize } from "./statistics.ts";

const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });

describe("summaries of samples", () => {
  it("have the middle one, or the mean of the two in the middle, in whatever order they came", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
  });

  it("have the nearest rank as a percentile", () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 95)).toBe(95);
    expect(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 95)).toBe(15);
    expect(percentile([3], 95)).toBe(3);
  });

  it("lie between the smallest and the largest, p95 not below p50", () => {
    fc.assert(
      fc.property(samples, (some) => {
        const { p50, p95, n } = summarize(some);
        expect(p50).toBeGreaterThanOrEqual(Math.min(...some));
        expect(p95).toBeLessThanOrEqual(Math.max(...some));
        expect(p95).toBeGreaterThanOrEqual(p50 - 1e-6);
        expect(n).toBe(some.length);
      }),
    );
  });

  it("are refused where nothing was measured", () => {
    expect(() => summarize([])).toThrow(/nothing/);
    expect(() => summarize([1, Number.NaN])).toThrow(/nothing/);
  });
});

describe("rounding", () => {
  it.each([
    [1234.5, 1235],
    [146.26, 146],
    [41.26, 41.3],
    [4.126, 4.13],
    [0.2849, 0.285],
    [0, 0],
  ])("%d is %d", (value, want) => expect(rounded(value)).toBe(want));
});
