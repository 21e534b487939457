import type { Digest } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CacheBudget, type LayerUse, layersToEvict } from "./budget.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const use = (letter: string, sizeBytes: number, lastUseMs: number, namespaceUid = "ns-a"): LayerUse => ({
  namespaceUid,
  digest: digest(letter),
  sizeBytes,
  lastUseMs,
});
const budget = (over: Partial<CacheBudget> = {}): CacheBudget => ({
  hostBytes: 100,
  namespaceBytes: 100,
  keepSinceMs: 1_000,
  inUse: new Set(),
  ...over,
});
const evicted = (uses: readonly LayerUse[], over: Partial<CacheBudget> = {}) =>
  layersToEvict(uses, budget(over))
    .map(({ namespaceUid, digest: { 7: letter } }) => `${namespaceUid} ${letter}`)
    .sort();

describe("a build cache's budget", () => {
  it("gives up what was not of use for longest, and no more than it must", () => {
    const uses = [use("a", 40, 1), use("b", 40, 3), use("c", 40, 2)];
    expect(evicted(uses)).toEqual(["ns-a a"]);
    expect(evicted(uses, { namespaceBytes: 50 })).toEqual(["ns-a a", "ns-a c"]);
    expect(evicted(uses, { hostBytes: 120, namespaceBytes: 120 })).toEqual([]);
  });

  it("counts a layer once, by its last use, however many entries and namespaces name it", () => {
    const uses = [use("a", 60, 1), use("a", 60, 9), use("b", 60, 5), use("a", 60, 2, "ns-b")];
    expect(evicted(uses)).toEqual(["ns-a b"]);
    expect(evicted([use("a", 60, 1), use("a", 60, 9, "ns-b"), use("b", 60, 12)])).toEqual(["ns-a a", "ns-b a"]);
  });

  it("holds each namespace to its share, so that one cannot push out the others", () => {
    const uses = [use("a", 30, 1, "ns-small"), use("b", 60, 5, "ns-large"), use("c", 60, 6, "ns-large")];
    expect(evicted(uses, { hostBytes: 110, namespaceBytes: 60 })).toEqual(["ns-large b"]);
    expect(evicted(uses, { hostBytes: 110, namespaceBytes: 110 })).toEqual(["ns-large b"]);
    // Negative control: without shares the one that builds least loses.
    expect(evicted(uses, { hostBytes: 120, namespaceBytes: 1_000 })).toEqual(["ns-small a"]);
  });

  it("leaves what a running build or an image uses, also where it stays too large for that", () => {
    const uses = [use("a", 90, 1), use("b", 90, 2), use("c", 90, 5_000)];
    expect(evicted(uses, { inUse: new Set([digest("a")]) })).toEqual(["ns-a b"]);
    expect(evicted(uses, { hostBytes: 0, namespaceBytes: 0 })).toEqual(["ns-a a", "ns-a b"]);
  });

  it("fits afterwards, unless all that is left has to stay; and what goes was of use before all that stays of its kind", () => {
    const uses = fc.array(
      fc
        .tuple(fc.constantFrom(..."abcdef"), fc.nat(2_000), fc.constantFrom("ns-a", "ns-b", "ns-c"))
        .map(([letter, lastUseMs, namespaceUid]) => use(letter, 10 + letter.charCodeAt(0), lastUseMs, namespaceUid)),
    );
    fc.assert(
      fc.property(uses, fc.nat(400), fc.nat(400), fc.subarray([..."abcdef"]), (all, hostBytes, namespaceBytes, used) => {
        const limits = budget({ hostBytes, namespaceBytes, inUse: new Set(used.map(digest)) });
        const gone = layersToEvict(all, limits);
        for (const one of gone) expect(limits.inUse.has(one.digest)).toBe(false);
        const isGone = (one: LayerUse) =>
          gone.some(({ namespaceUid, digest }) => namespaceUid === one.namespaceUid && digest === one.digest);
        const left = all.filter((one) => !isGone(one));
        const mayGo = (list: readonly LayerUse[]) => {
          const old = [...Map.groupBy(list, ({ digest }) => digest).values()];
          return old.some((same) => !limits.inUse.has(same[0]?.digest as Digest) && same.every(({ lastUseMs }) => lastUseMs < 1_000));
        };
        const bytes = (list: readonly LayerUse[]) =>
          [...new Map(list.map((one) => [one.digest, one])).values()]
            .filter((one) => !limits.inUse.has(one.digest))
            .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
        if (mayGo(left)) expect(bytes(left)).toBeLessThanOrEqual(hostBytes);
        for (const mine of Map.groupBy(left, ({ namespaceUid }) => namespaceUid).values())
          if (mayGo(mine)) expect(bytes(mine)).toBeLessThanOrEqual(namespaceBytes);
      }),
    );
  });
});
