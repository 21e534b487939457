import { describe, expect, it } from "vitest";
import { measurePairs } from "./pairs.ts";

describe("pairs", () => {
  it("are taken in turns, ours first, after one warm-up of each that does not count", async () => {
    const order: string[] = [];
    const take = (name: string, value: number) => async (index: number) => {
      order.push(`${name}${index}`);
      return value + index;
    };
    const pairs = await measurePairs(2, take("ours", 10), take("peer", 20));
    expect(order).toEqual(["ours-1", "peer-1", "ours0", "peer0", "ours1", "peer1"]);
    expect(pairs).toEqual({ ours: [10, 11], peer: [20, 21] });
  });

  it("have no peer's samples where there is no peer", async () => {
    expect(await measurePairs(2, async (index) => index, undefined)).toEqual({ ours: [0, 1] });
  });
});
