import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

describe("turns", () => {
  it("are so many at once for each key, the rest in order; another key waits for none of them, and a failure gives its turn on", async () => {
    const turns = new Turns(2);
    const order: string[] = [];
    const gates = new Map<string, () => void>();
    const work = (key: string, name: string, fails = false) =>
      turns.run(key, async () => {
        order.push(name);
        await new Promise<void>((resolve) => gates.set(name, resolve));
        if (fails) throw new Error(name);
      });
    const open = async (name: string) => {
      gates.get(name)?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const all = [work("slow", "a"), work("slow", "b", true), work("slow", "c"), work("slow", "d"), work("other", "e")];
    const settled = Promise.allSettled(all);
    expect(order).toEqual(["a", "b", "e"]);
    await open("b");
    expect(order).toEqual(["a", "b", "e", "c"]);
    for (const name of ["a", "c", "e"]) await open(name);
    expect(order.at(-1)).toBe("d");
    await open("d");
    expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"]);
  });
});
