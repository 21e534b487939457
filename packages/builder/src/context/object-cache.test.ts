import { describe, expect, it } from "vitest";
import { ObjectCache } from "./object-cache.ts";

const blob = (bytes: number) => ({ type: "blob" as const, content: Buffer.alloc(bytes) });

describe("ObjectCache", () => {
  it("knows an object of the repository that it was read from, and of no other", () => {
    const cache = new ObjectCache();
    const known = blob(1);
    cache.put("/a.git", "1", known);
    expect(cache.get("/a.git", "1")).toBe(known);
    expect(cache.get("/b.git", "1")).toBeUndefined();
  });

  it("stays within its bytes: what was of no use for longest goes first, and what is large is not kept", () => {
    const cache = new ObjectCache(100_000);
    for (const id of ["1", "2", "3"]) cache.put("/a.git", id, blob(32_000));
    cache.get("/a.git", "1");
    cache.put("/a.git", "4", blob(32_000));
    expect(["1", "2", "3", "4"].filter((id) => cache.get("/a.git", id) !== undefined)).toEqual(["1", "3", "4"]);
    cache.put("/a.git", "large", blob(33_000));
    expect(cache.get("/a.git", "large")).toBeUndefined();
  });
});
