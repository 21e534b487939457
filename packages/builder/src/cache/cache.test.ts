import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "@plimsoll/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StepKey } from "../plan/keys.ts";
import { FirstSeen } from "./first-seen.ts";
import { StepCache } from "./step-cache.ts";

const key = (letter: string) => letter.repeat(64) as StepKey;
const layer = (letter: string) => ({ digest: `sha256:${letter.repeat(64)}` as Digest, sizeBytes: 3 });

describe("builder cache files", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-builder-cache-"));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("give back what was put, layer or none, also to another process's eyes", () => {
    new StepCache(dir).put(key("a"), { layer: layer("1") });
    new StepCache(dir).put(key("b"), { layer: null });
    expect(new StepCache(dir).get(key("a"))).toEqual({ layer: layer("1") });
    expect(new StepCache(dir).get(key("b"))).toEqual({ layer: null });
    expect(new StepCache(dir).get(key("c"))).toBeUndefined();
  });

  it("are collected by last use, torn and half-written ones at once", () => {
    const cache = new StepCache(dir);
    const old = new Date(1_000_000_000_000);
    for (const letter of ["a", "b"]) {
      cache.put(key(letter), { layer: layer(letter) });
      utimesSync(join(dir, letter.repeat(2), letter.repeat(62)), old, old);
    }
    cache.get(key("b"));
    mkdirSync(join(dir, "cc"));
    writeFileSync(join(dir, "cc", "c".repeat(62)), '{"layer":{"dig');
    writeFileSync(join(dir, ".new-1-1"), "x");
    utimesSync(join(dir, ".new-1-1"), old, old);
    expect(cache.get(key("c"))).toBeUndefined();
    expect(cache.collect(new Date(Date.now() - 60_000))).toEqual({
      removed: 2,
      entries: [{ key: key("b"), layer: layer("b"), lastUseMs: expect.closeTo(Date.now(), -4) }],
    });
    expect(readdirSync(dir).sort()).toEqual(["aa", "bb", "cc"]);
    expect(new StepCache(join(dir, "nothing")).collect(new Date())).toEqual({ removed: 0, entries: [] });
  });

  it("keep the time of a file version from its first build on, whatever is torn", () => {
    const file = join(dir, "x", "times");
    const first = new FirstSeen(file);
    expect(first.timeOf("a", "1", 100)).toBe(100);
    expect(first.timeOf("a", "2", 200)).toBe(200);
    first.save();
    writeFileSync(file, "0123", { flag: "a" });
    const second = new FirstSeen(file);
    expect([second.timeOf("a", "1", 300), second.timeOf("b", "1", 300)]).toEqual([100, 300]);
    second.save();
    expect(new FirstSeen(file).timeOf("b", "1", 400)).toBe(300);
  });
});
