import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Turns } from "./turns.ts";

describe("turns", () => {
  it("run so many of one key at once, in order, and other keys beside them", async () => {
    const turns = new Turns(2, 10);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const all = Array.from({ length: 6 }, (_, at) =>
      turns.run("a", async () => {
        order.push(at);
        most = Math.max(most, ++running);
        await sleep(2);
        running--;
        if (at === 1) throw new Error("its own affair");
        return at;
      }),
    );
    expect(await turns.run("b", async () => "beside")).toBe("beside");
    const settled = await Promise.allSettled(all);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled", "fulfilled"]);
    expect({ most, order }).toEqual({ most: 2, order: [0, 1, 2, 3, 4, 5] });
  });

  it("refuse when too many wait", async () => {
    const turns = new Turns(1, 1);
    const gate = Promise.withResolvers<void>();
    const both = [turns.run("a", () => gate.promise), turns.run("a", () => gate.promise)];
    await expect(turns.run("a", async () => undefined)).rejects.toThrow(/Too many changes/);
    gate.resolve();
    await Promise.all(both);
    expect(await turns.run("a", async () => 1)).toBe(1);
  });
});
