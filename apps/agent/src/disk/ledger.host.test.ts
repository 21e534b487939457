import { createHash } from "node:crypto";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LayerStore } from "@plimsoll/containers";
import type { DiskEntry, DiskKind } from "@plimsoll/contracts";
import type { Digest } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DiskUsers, readLedger } from "./ledger.ts";
import { DiskSizes } from "./sizes.ts";

const KIB = 1024;
const MINUTE_MS = 60_000;
/** What a ledger may differ from du by: a cache mount's own note, files that were written between the two. */
const TOLERANCE = 64 * KIB;

describe("the disk ledger of a host", () => {
  let root: string;
  let layers: LayerStore;
  let now: number;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "plimsoll-ledger-"));
    layers = new LayerStore(join(root, "layers"));
    now = Date.now();
  });
  afterEach(async () => {
    await layers.settled();
    rmSync(root, { recursive: true, force: true });
  });

  const put = (path: string, bytes: number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), Buffer.alloc(bytes, 1));
  };
  /** A sealed layer of one file; `from` makes that file a hard link to another layer's. */
  const layer = async (name: string, bytes: number, from?: Digest): Promise<Digest> => {
    const { upperDir, discard } = layers.temporary();
    const file = join(upperDir, from === undefined ? name : "linked");
    if (from === undefined) writeFileSync(file, Buffer.alloc(bytes, name));
    else {
      linkSync(join(layers.dirOf(from), nameOf.get(from) ?? ""), file);
      writeFileSync(join(upperDir, name), "");
    }
    const { digest } = await layers.seal(upperDir);
    nameOf.set(digest, name);
    await discard();
    return digest;
  };
  const nameOf = new Map<Digest, string>();
  const du = async () => Number((await run(["du", "-s", "-B1", "-x", root])).stdout.split("\t")[0]);
  const sumOf = (entries: readonly DiskEntry[], kind?: DiskKind) =>
    entries.filter((entry) => kind === undefined || entry.kind === kind).reduce((sum, { bytes }) => sum + bytes, 0);
  const users = (more: Partial<DiskUsers> = {}): DiskUsers => ({
    baseLayers: new Set(),
    images: [],
    cachedBy: new Map(),
    instances: [],
    ...more,
  });
  const image = (name: string, ...digests: Digest[]) => ({
    digest: `sha256:${createHash("sha256").update(name).digest("hex")}` as Digest,
    layers: digests.map((digest) => ({ digest })),
  });
  const key = "ab".repeat(32);

  it("names an owner for every byte, and their sum is what du counts", async () => {
    const [base, app, cached, lost] = [
      await layer("base", 900 * KIB),
      await layer("app", 300 * KIB),
      await layer("cached", 200 * KIB),
      await layer("lost", 100 * KIB),
    ];
    put(`images/${key}.json`, 1_000);
    put("logs/ns_a/ins_1/log", 40 * KIB);
    put("logs/ns_b/ins_gone/log", 8 * KIB);
    put("snapshots/ins_1/1/upper/data", 500 * KIB);
    put(`build-cache/namespaces/ns_a/steps/ab/${"c".repeat(62)}`, 100);
    put(`build-cache/namespaces/ns_a/mounts/${key}/0/data/npm`, 700 * KIB);
    put("build-cache/code/v24/x", 30 * KIB);
    put("mirrors/app_1.git/objects/pack/p", 250 * KIB);
    put("layers/tmp/1-2-abcdef/fs/half", 60 * KIB);
    put("identity.json", 300);
    put("holiday/pictures/1.jpg", 2_000 * KIB);
    put("layers/README", 12 * KIB);
    put("logs/ns_a/lost+found/x", 20 * KIB);
    symlinkSync("/usr", join(root, "usr"));
    const one = image("shop", base, app);
    const entries = await readLedger(
      root,
      new DiskSizes(root),
      users({
        baseLayers: new Set([base]),
        images: [one],
        cachedBy: new Map([
          [app, new Set(["ns_a"])],
          [cached, new Set(["ns_b", "ns_a"])],
        ]),
        instances: [{ uid: "ins_1", namespaceUid: "ns_a", app: "shop" }],
      }),
      now,
    );
    expect(Math.abs(sumOf(entries) - (await du()))).toBeLessThan(TOLERANCE);
    // The control: each kind has a part in it that the tolerance does not hide, or the platform's own small files.
    const told = Object.fromEntries(
      entries.map(({ kind, bytes, items: _, ...who }) => [`${kind} ${JSON.stringify(who)}`, Math.round(bytes / KIB / 10) * 10]),
    );
    const near = (kib: number) => expect.closeTo(kib, -1.6);
    expect(told).toMatchObject({
      "base-layers {}": near(900),
      [`layers {"images":["${one.digest}"],"owners":[{"namespaceUid":"ns_a"}]}`]: near(300),
      'layers {"owners":[{"namespaceUid":"ns_b"},{"namespaceUid":"ns_a"}]}': near(200),
      "layers {}": near(100),
      'logs {"owners":[{"namespaceUid":"ns_a","app":"shop"}]}': near(40),
      'logs {"owners":[{"namespaceUid":"ns_b"}]}': near(10),
      'instances {"owners":[{"namespaceUid":"ns_a","app":"shop"}]}': near(500),
      'cache-mounts {"owners":[{"namespaceUid":"ns_a"}]}': near(700),
      'repositories {"appUid":"app_1"}': near(250),
      "scratch {}": near(60),
      "foreign {}": near(2_030),
    });
    expect(layers.has(lost)).toBe(true);
    for (const foreign of ["holiday/pictures/1.jpg", "layers/README", "logs/ns_a/lost+found/x"])
      expect(readFileSync(join(root, foreign)).length).toBeGreaterThan(0);
  });

  it("counts a file that two layers link once, also when the layer that had it first goes", async () => {
    const sizes = new DiskSizes(root);
    const first = await layer("first", 800 * KIB);
    const before = await readLedger(root, sizes, users(), now);
    const copy = await layer("copy", 0, first);
    now += MINUTE_MS;
    const linked = await readLedger(root, sizes, users(), now);
    expect(Math.abs(sumOf(linked) - (await du()))).toBeLessThan(TOLERANCE);
    expect(sumOf(linked, "layers") - sumOf(before, "layers")).toBeLessThan(TOLERANCE);
    // The control: each alone has it.
    const alone = await run(["du", "-s", "-B1", join(root, "layers", copy.slice(7))]);
    expect(Number(alone.stdout.split("\t")[0])).toBeGreaterThan(800 * KIB);
    await layers.remove(first);
    now += 60 * MINUTE_MS;
    const left = await readLedger(root, sizes, users(), now);
    expect(sumOf(left, "layers")).toBeGreaterThan(800 * KIB);
    expect(Math.abs(sumOf(left) - (await du()))).toBeLessThan(TOLERANCE);
  });

  it("counts a linked file for the image that needs it, not for the stage that it came from", async () => {
    const [stage, other] = [await layer("stage", 800 * KIB), await layer("other", 4 * KIB)];
    const copy = await layer("copy", 0, stage);
    const entries = await readLedger(root, new DiskSizes(root), users({ images: [image("shop", copy)] }), now);
    const ofImage = entries.find(({ images }) => images !== undefined);
    expect(ofImage?.bytes).toBeGreaterThan(800 * KIB);
    expect(sumOf(entries, "layers") - (ofImage?.bytes ?? 0)).toBeLessThan(100 * KIB);
    expect(layers.has(other)).toBe(true);
    // The control: without the image, and in the cache, it is the stage's.
    const anew = await readLedger(root, new DiskSizes(root), users({ cachedBy: new Map([[stage, new Set(["ns_a"])]]) }), now);
    expect(anew.find(({ owners }) => owners !== undefined)?.bytes).toBeGreaterThan(800 * KIB);
  });

  it("walks what is sealed once, also over a restart, and what changes after a rest", async () => {
    const digest = await layer("sealed", 400 * KIB);
    put("snapshots/ins_1/1/upper/data", 100 * KIB);
    const sizes = new DiskSizes(root);
    const first = await readLedger(root, sizes, users(), now);
    // Nobody may do this; it shows who looks.
    put(`layers/${digest.slice(7)}/fs/more`, 400 * KIB);
    put("snapshots/ins_1/1/upper/more", 100 * KIB);
    const soon = await readLedger(root, sizes, users(), now);
    expect([sumOf(soon, "layers"), sumOf(soon, "instances")]).toEqual([sumOf(first, "layers"), sumOf(first, "instances")]);
    now += 60 * MINUTE_MS;
    const later = await readLedger(root, new DiskSizes(root), users(), now);
    expect(sumOf(later, "layers")).toBe(sumOf(first, "layers"));
    expect(sumOf(later, "instances") - sumOf(first, "instances")).toBeGreaterThan(90 * KIB);
  });
});
