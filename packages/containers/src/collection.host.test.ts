import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest, Image, LayerRef } from "@plimsoll/core";
import { listNetworkNamespaces, removeNetworkNamespace } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageStore } from "./image-store.ts";
import { InstanceRuntime } from "./instance-runtime.ts";
import { LayerStore } from "./layer-store.ts";
import { type TestRig, testRig } from "./test-rig.ts";

const HOUR_MS = 3_600_000;
/** Everything that is here now has been for longer than any grace. */
const longAfter = () => ({ nowMs: Date.now() + 2 * HOUR_MS });
const NOTHING: ReadonlySet<Digest> = new Set();

describe("collection of images and layers", () => {
  let rig: TestRig;
  let runtime: InstanceRuntime;

  beforeEach(async () => {
    rig = await testRig();
    runtime = await InstanceRuntime.open(rig);
  });
  afterEach(async () => {
    await runtime.collect(new Set(), new Set());
    await runtime.close();
    for (const key of listNetworkNamespaces(rig.layout)) await removeNetworkNamespace(rig.layout, key);
    await rig.dispose();
  });

  const layer = async (text: string): Promise<LayerRef> => {
    const temporary = rig.layers.temporary();
    const file = join(temporary.upperDir, "content");
    writeFileSync(file, text);
    // A layer's digest counts its files' times: the same text is the same layer only with the same time.
    for (const path of [file, temporary.upperDir]) utimesSync(path, 1_000, 1_000);
    const sealed = await rig.layers.seal(temporary.upperDir);
    await temporary.discard();
    return sealed;
  };
  const imageOf = async (...layers: readonly LayerRef[]): Promise<Image> => {
    const { digest, config } = await rig.image();
    await rig.images.remove(digest);
    return rig.images.put(config, layers);
  };
  const here = (...layers: readonly LayerRef[]) => layers.map(({ digest }) => rig.layers.has(digest));

  it("leaves everything its grace, counted from the last time that it was wanted, and then takes what nobody names", async () => {
    const [bottom, one] = [await layer("bottom"), await layer("one")];
    const image = await imageOf(bottom, one);
    const collectAt = (nowMs: number) => rig.images.collect(NOTHING, { nowMs });
    // A release of what was just built may be on its way to the server.
    expect(await collectAt(Date.now() + 0.9 * HOUR_MS)).toEqual({ images: 0, layers: 0, bytes: 0 });
    for (const { digest } of [bottom, one]) age(digest);
    expect(await collectAt(Date.now())).toMatchObject({ images: 0, layers: 0 });
    expect(here(bottom, one)).toEqual([true, true]);
    // The control: as old as its layers, nothing of it stays.
    utimesSync(join(rig.layout.imagesDir, `${image.digest.slice(7)}.json`), 0, 0);
    expect(await collectAt(Date.now())).toMatchObject({ images: 1, layers: 2, bytes: bottom.sizeBytes + one.sizeBytes });
    expect(rig.images.get(image.digest)).toBeUndefined();
    expect(here(bottom, one)).toEqual([false, false]);
    await expect(imageOf(bottom)).rejects.toMatchObject({ code: "not_found" });
  });

  const age = (digest: Digest) => utimesSync(join(rig.layout.layersDir, digest.slice(7), "layer.json"), 0, 0);

  it("counts a layer as new that lands again, from a build or from another host", async () => {
    const [built, fetched, old] = [await layer("built"), await layer("fetched"), await layer("old")];
    for (const { digest } of [built, fetched, old]) age(digest);
    await layer("built");
    await rig.layers.importArchive(fetched.digest, rig.layers.exportArchive(fetched.digest));
    await rig.images.collect(new Set([rig.layer.digest]));
    expect(here(built, fetched, old)).toEqual([true, true, false]);
  });

  it("keeps what a rollback needs, down to the layers that it shares with nothing else", async () => {
    const [bottom, v1, v2] = [await layer("bottom"), await layer("v1"), await layer("v2")];
    const [first, second] = [await imageOf(bottom, v1), await imageOf(bottom, v2)];
    expect(await rig.images.collect(new Set([first.digest, second.digest]), longAfter())).toMatchObject({ images: 0 });
    expect(rig.images.get(first.digest)).toEqual(first);
    expect(here(bottom, v1, v2)).toEqual([true, true, true]);
    // The control: the release is pruned, and with it goes what was only its own.
    expect(await rig.images.collect(new Set([second.digest]), longAfter())).toEqual({ images: 1, layers: 1, bytes: v1.sizeBytes });
    expect(here(bottom, v1, v2)).toEqual([true, false, true]);
  });

  it("keeps single layers that are named, as a build cache does", async () => {
    const [cached, other] = [await layer("cached"), await layer("other")];
    await rig.images.collect(new Set([cached.digest]), longAfter());
    expect(here(cached, other)).toEqual([true, false]);
  });

  /** A program that looks for a file of its image when it is told to end. */
  const LOOKS = "trap 'cat /content || echo gone; exit 0' TERM; echo up; while :; do sleep 0.02; done";
  const log = (id: string) => runtime.tailLog("ns", id, 10).map(({ text }) => text);
  const running = async (id: string, image: Image) => {
    await runtime.run({ ...(await rig.instance(id, LOOKS)), image });
    await expect.poll(() => log(id), { timeout: 20_000 }).toContain("up");
  };

  it("keeps what an instance here stands on, though nothing else names it: while it runs, ends, or waits for its restart", async () => {
    const content = await layer("content\n");
    await running("i1", await imageOf(rig.layer, content));
    expect(await rig.images.collect(NOTHING, longAfter())).toMatchObject({ layers: 0 });
    expect(rig.images.list()).toEqual([]);
    await rig.layers.remove(content.digest);
    expect(here(rig.layer, content)).toEqual([true, true]);
    await runtime.stop("i1");
    expect(log("i1")).toContain("content");
    expect(await rig.images.collect(NOTHING, longAfter())).toMatchObject({ layers: 0 });
    expect(await runtime.restart("i1")).toMatchObject({ state: "running", run: 2 });
    // A new agent finds the instance again, and its layers are held from then on.
    await runtime.close();
    const layers = new LayerStore(rig.layout.layersDir);
    runtime = await InstanceRuntime.open({ ...rig, layers });
    const images = new ImageStore(rig.layout.imagesDir, layers);
    expect(await images.collect(NOTHING, longAfter())).toMatchObject({ layers: 0 });
    await runtime.remove("i1");
    expect(await images.collect(NOTHING, longAfter())).toMatchObject({ layers: 2 });
    expect(here(rig.layer, content)).toEqual([false, false]);
  });

  it("control: where nobody held them, files would vanish under the running program", async () => {
    const content = await layer("content\n");
    await running("i1", await imageOf(rig.layer, content));
    // A store that knows of no instance.
    const images = new ImageStore(rig.layout.imagesDir, new LayerStore(rig.layout.layersDir));
    expect(await images.collect(new Set([rig.layer.digest]), longAfter())).toMatchObject({ layers: 1 });
    await runtime.stop("i1");
    expect(log("i1")).toContain("gone");
  });

  it("never takes a file that is not its own", async () => {
    const { layersDir, imagesDir, snapshotsDir, logsDir } = rig.layout;
    const hex = "ab".repeat(32);
    const foreign = [
      join(layersDir, "README"),
      join(layersDir, "lost+found/x"),
      join(layersDir, hex, "not-a-layer"),
      join(layersDir, "tmp/notes"),
      join(imagesDir, "README.json"),
      join(imagesDir, ".hidden"),
      join(imagesDir, "backup/x"),
      join(snapshotsDir, "README"),
      join(logsDir, "README"),
      join(logsDir, ".old/x/y"),
      join(logsDir, "ns/lost+found/x"),
    ];
    for (const path of foreign) {
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "mine");
    }
    const ours = await layer("ours");
    const cutOff = join(imagesDir, `.${"0f".repeat(8)}`);
    writeFileSync(cutOff, "{");
    await rig.layers.collectTemporary();
    await runtime.collect(new Set());
    await rig.images.collect(NOTHING, longAfter());
    for (const path of foreign) expect(existsSync(path) && readFileSync(path, "utf8"), path).toBe("mine");
    // The control: what is their own goes.
    expect([here(ours), existsSync(cutOff), readdirSync(join(layersDir, "tmp"))]).toEqual([[false], false, ["notes"]]);
  });

  it("takes away a layer whose record a power cut has torn, and goes on", async () => {
    const [torn, whole] = [await layer("torn"), await layer("whole")];
    const dir = join(rig.layout.layersDir, torn.digest.slice(7));
    expect(existsSync(join(dir, "durable"))).toBe(false);
    writeFileSync(join(dir, "layer.json"), "");
    expect(rig.layers.list().map(({ digest }) => digest)).not.toContain(torn.digest);
    await rig.images.collect(NOTHING, longAfter());
    expect(here(whole)).toEqual([false]);
    await new LayerStore(rig.layout.layersDir).collectTemporary();
    expect(existsSync(dir)).toBe(false);
    expect(await layer("torn")).toEqual(torn);
  });
});
