import { expect, it } from "vitest";
import { backoffMs } from "./backoff.ts";

it("waits longer after each try, never more than 20 s, and spreads clients", () => {
  const middle = Array.from({ length: 12 }, (_, attempt) => backoffMs(attempt, () => 0.5));
  expect(middle.slice(0, 4)).toEqual([300, 600, 1_200, 2_400]);
  expect(middle.at(-1)).toBe(15_000);
  expect(backoffMs(50, () => 1)).toBeLessThan(20_000);
  expect(backoffMs(3, () => 0)).toBeLessThan(backoffMs(3, () => 1));
});
