import { describe, expect, it } from "vitest";
import { Recent } from "./recent.ts";

describe("Recent", () => {
  it("knows the last ones, for a while", async () => {
    const recent = new Recent<number>({ most: 2, maxAgeMs: 50 });
    for (const value of [1, 2, 3]) recent.put(`n${value}`, value);
    expect(["n1", "n2", "n3"].map((name) => recent.get(name))).toEqual([undefined, 2, 3]);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(recent.get("n3")).toBeUndefined();
    expect(recent.put("n3", 4)).toBe(4);
    expect(recent.get("n3")).toBe(4);
  });
});
