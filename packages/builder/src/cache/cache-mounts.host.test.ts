import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CacheMount } from "../plan/actions.ts";
import { CacheMounts, cacheMountKey } from "./cache-mounts.ts";

const MOUNT: CacheMount = {
  type: "cache",
  target: "/cache",
  id: "/cache",
  sharing: "shared",
  readOnly: false,
  source: "/",
  mode: 0o1770,
  uid: 1000,
  gid: 1001,
};

describe("cache mounts", () => {
  let root: string;
  let mounts: CacheMounts;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "plimsoll-cache-mounts-"));
    mounts = new CacheMounts(root);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const never = new AbortController().signal;
  const acquire = (sharing: CacheMount["sharing"], namespaceUid = "ns", fill?: (directory: string) => Promise<void>) =>
    mounts.acquire({ namespaceUid, key: cacheMountKey(MOUNT, undefined) }, { ...MOUNT, sharing }, never, fill);

  it("are made once with their mode and owner, kept, and another one in each namespace", async () => {
    const first = await acquire("shared");
    expect(statSync(first.directory)).toMatchObject({ uid: 1000, gid: 1001 });
    expect(statSync(first.directory).mode & 0o7777).toBe(0o1770);
    writeFileSync(join(first.directory, "file"), "x");
    first.release();
    const again = await acquire("locked");
    expect(readdirSync(again.directory)).toEqual(["file"]);
    const other = await acquire("locked", "ns-other");
    expect(readdirSync(other.directory)).toEqual([]);
    for (const one of [again, other]) one.release();
    expect(cacheMountKey(MOUNT, ["sha256:a"])).not.toBe(cacheMountKey(MOUNT, undefined));
  });

  it("are shared by those who say so, another one for each who says private, and waited for by who says locked", async () => {
    const [a, b] = await Promise.all([acquire("shared"), acquire("shared")]);
    expect(a.directory).toBe(b.directory);
    const mine = await acquire("private");
    expect(mine.directory).not.toBe(a.directory);
    let locked = false;
    const waiting = acquire("locked").then((one) => {
      locked = true;
      return one;
    });
    a.release();
    a.release();
    mine.release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(locked).toBe(false);
    b.release();
    const held = await waiting;
    expect(held.directory).toBe(a.directory);
    held.release();
  });

  it("end a wait with the build that waits", async () => {
    const held = await acquire("locked");
    const controller = new AbortController();
    const place = { namespaceUid: "ns", key: cacheMountKey(MOUNT, undefined) };
    const waiting = mounts.acquire(place, { ...MOUNT, sharing: "locked" }, controller.signal);
    controller.abort(new Error("not wanted any more"));
    await expect(waiting).rejects.toThrow("not wanted any more");
    held.release();
  });

  it("are seen only when they are filled, by all who came meanwhile, and tried again when that failed", async () => {
    await expect(acquire("shared", "ns", () => Promise.reject(new Error("no source")))).rejects.toThrow("no source");
    const filled = Promise.withResolvers<void>();
    const fill = async (directory: string) => {
      await filled.promise;
      writeFileSync(join(directory, "begin"), "");
    };
    const both = [acquire("shared", "ns", fill), acquire("shared", "ns", fill)];
    filled.resolve();
    for (const one of await Promise.all(both)) {
      expect(readdirSync(one.directory)).toEqual(["begin"]);
      one.release();
    }
  });

  it("are measured without following what is in them, and removed where nobody uses them", async () => {
    const held = await acquire("shared");
    writeFileSync(join(held.directory, "file"), Buffer.alloc(1024 * 1024, 1));
    const outside = join(root, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "large"), Buffer.alloc(4 * 1024 * 1024, 1));
    symlinkSync(outside, join(held.directory, "link"));
    const [inUse] = await mounts.list("ns");
    expect(inUse).toMatchObject({ namespaceUid: "ns", inUse: true });
    expect(await mounts.remove(inUse?.name ?? "")).toBe(false);
    held.release();
    const [use] = await mounts.list("ns");
    expect(use?.sizeBytes).toBeGreaterThan(1024 * 1024);
    expect(use?.sizeBytes).toBeLessThan(2 * 1024 * 1024);
    const before = use?.lastUseMs;
    expect(await mounts.list("ns")).toEqual([use]);
    expect(await mounts.remove(use?.name ?? "")).toBe(true);
    expect(existsSync(join(outside, "large"))).toBe(true);
    await mounts.collect("ns");
    expect(readdirSync(join(root, "namespaces/ns"))).toEqual([]);
    expect(before).toBeGreaterThan(0);
  });

  it("leave nothing half-made or half-removed after an agent that ended", async () => {
    const held = await acquire("shared");
    held.release();
    const key = dirname(dirname(held.directory));
    mkdirSync(join(key, "1.new/data"), { recursive: true });
    mkdirSync(join(dirname(key), ".gone-abc-0/data"), { recursive: true });
    utimesSync(join(key, "0/meta.json"), 1, 1);
    writeFileSync(join(key, "0/meta.json"), '{"id":');
    const next = new CacheMounts(root);
    await next.collect("ns");
    expect(readdirSync(key)).toEqual(["0"]);
    expect(readdirSync(dirname(key))).toHaveLength(1);
    expect(await next.list("ns")).toMatchObject([{ sizeBytes: 0, lastUseMs: 0 }]);
  });
});
