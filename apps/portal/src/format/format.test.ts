import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plim, plimLines, quoted } from "./plim.ts";
import { bytesAsTyped, bytesIn, byteUnit, DIMENSIONS, parseQuantity, quantityAsTyped, share } from "./quantity.ts";
import { ageOf, durationOf } from "./time.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

describe("times", () => {
  it.each([
    [-5_000, "now", 0],
    [59_999, "seconds", 59],
    [12 * 60_000, "minutes", 12],
    [2 * 3_600_000, "hours", 2],
    [25 * 3_600_000, "days", 1],
    [400 * 86_400_000, "months", 13],
    [900 * 86_400_000, "years", 2],
  ] as const)("%i ms ago is %s %i", (ms, unit, count) => expect(ageOf(ms)).toEqual({ unit, count }));

  it("cuts durations to what matters", () => {
    expect(durationOf(3_649)).toEqual({ form: "tenths", seconds: 3.6 });
    expect(durationOf(9_990)).toEqual({ form: "seconds", seconds: 10 });
    expect(durationOf(3_649, true)).toEqual({ form: "seconds", seconds: 3 });
    expect(durationOf(192_000)).toEqual({ form: "minutes", minutes: 3, seconds: 12 });
    expect(durationOf(2 * 3_600_000 + 5 * 60_000)).toEqual({ form: "hours", hours: 2, minutes: 5 });
  });
});

describe("quantities", () => {
  it("show bytes in the unit that fits", () => {
    expect([byteUnit(512 * MIB), bytesIn("MiB", 512 * MIB), byteUnit(1.5 * GIB), bytesIn("GiB", 1.5 * GIB)]).toEqual([
      "MiB",
      512,
      "GiB",
      1.5,
    ]);
  });

  it.each([
    ["cpuMillis", "1.5", 1_500],
    ["cpuMillis", "250m", 250],
    ["memoryBytes", "3GiB", 3 * GIB],
    ["memoryBytes", "512 mb", 512 * MIB],
    ["memoryBytes", "1,5 G", 1.5 * GIB],
    ["instances", "4", 4],
    ["instances", "1.5", undefined],
    ["memoryBytes", "3 apples", undefined],
    ["builds", "-1", undefined],
    ["cpuMillis", "", undefined],
  ] as const)("reads %s %s", (dimension, text, amount) => expect(parseQuantity(dimension, text)).toBe(amount));

  it("stand in a field so that they are read back exactly", () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIMENSIONS), fc.nat(2 ** 31), (dimension, amount) => {
        expect(parseQuantity(dimension, quantityAsTyped(dimension, amount))).toBe(amount);
      }),
    );
    expect(bytesAsTyped(3 * GIB)).toBe("3GiB");
    expect(bytesAsTyped(1.25 * GIB)).toBe("1.25GiB");
    expect(bytesAsTyped(0)).toBe("0");
  });

  it("call a quota of nothing that is used full", () => {
    expect([share(1, 0), share(0, 0), share(1, 2)]).toEqual([1, 0, 0.5]);
  });
});

describe("plim lines", () => {
  it("are what the CLI takes", () => {
    const here = plimLines();
    expect(here.scale("shop", "web", 3)).toBe("plim scale shop web=3");
    expect(here.rollback("shop", 12)).toBe("plim rollback shop v12");
    expect(here.rollback("shop", undefined)).toBe("plim rollback shop");
    expect(here.logs("shop")).toBe("plim logs shop -f");
    expect(here.env("shop", "GREETING", "it's me")).toBe("plim env shop 'GREETING=it'\\''s me'");
    expect(plimLines("acme/store").buildLog("shop", 212)).toBe("plim logs shop --build 212 -n acme/store");
    expect(plim.quota("acme", "store", { memoryBytes: 3 * GIB, cpuMillis: 1_500 })).toBe("plim quota set acme/store cpu=1.5 memory=3GiB");
  });

  it("quote what a shell would read otherwise", () => {
    expect(quoted("$(rm -rf /)")).toBe("'$(rm -rf /)'");
    expect(quoted("")).toBe("''");
    expect(quoted("a-b_c/d:8080")).toBe("a-b_c/d:8080");
  });
});
