import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@plimsoll/config";
import { ImageStore, LayerStore } from "@plimsoll/containers";
import { AppError, type Image, type ImageConfig, type PackageList } from "@plimsoll/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PackageLister } from "./package-lister.ts";

const CONFIG: ImageConfig = {
  architecture: "amd64",
  os: "linux",
  env: [],
  entrypoint: [],
  cmd: [],
  user: "",
  workingDir: "/",
  exposedPorts: [],
  labels: {},
};

describe("the packages that a host is to list", () => {
  let dir: string;
  let layers: LayerStore;
  let images: ImageStore;
  let told: [image: string, names: readonly string[] | undefined][];
  let answer: () => Promise<void>;
  const open: PackageLister[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-lister-"));
    layers = new LayerStore(join(dir, "layers"));
    images = new ImageStore(join(dir, "images"), layers);
    told = [];
    answer = async () => undefined;
  });
  afterEach(async () => {
    for (const lister of open.splice(0)) await lister.close();
    await layers.settled();
    rmSync(dir, { recursive: true, force: true });
  });

  const lister = (restMs = 0) => {
    const api = {
      packages: async (image: string, list: PackageList | undefined) => {
        await answer();
        told.push([image, list?.packages.map(({ name }) => name)]);
      },
    };
    const made = new PackageLister({ api, layers, images, log: createLogger("test"), restMs });
    open.push(made);
    return made;
  };
  const image = async (name: string): Promise<Image> => {
    const temporary = layers.temporary();
    const place = join(temporary.upperDir, "app/node_modules", name);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "package.json"), JSON.stringify({ name, version: "1.0.0" }));
    const layer = await layers.seal(temporary.upperDir);
    await temporary.discard();
    return images.put(CONFIG, [layer]);
  };
  const until = (count: number) => expect.poll(() => told.length, { timeout: 20_000 }).toBe(count);

  it("are told one after the other, with what came to be wanted meanwhile", async () => {
    const [a, b, c] = [await image("a"), await image("b"), await image("c")];
    const one = lister();
    one.apply([a.digest, b.digest]);
    answer = async () => one.apply([b.digest, c.digest]);
    await until(3);
    expect(told.map(([, names]) => names)).toEqual([["a"], ["b"], ["c"]]);
  });

  it("are told again when the server did not take them, by the next word of it, and by an agent that was killed meanwhile", async () => {
    const { digest } = await image("a");
    const one = lister();
    let failures = 1;
    answer = async () => {
      if (failures-- > 0) throw new AppError("unavailable", "away");
    };
    one.apply([digest]);
    await expect.poll(() => failures, { timeout: 20_000 }).toBe(0);
    expect(told).toEqual([]);
    await expect
      .poll(
        () => {
          one.apply([digest]);
          return told.length;
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0);
    await one.close();
    // Ended in the middle, it tells nothing; the next one begins anew.
    told = [];
    const ended = lister(60_000);
    ended.apply([digest]);
    await ended.close();
    ended.apply([digest]);
    expect(told).toEqual([]);
    lister().apply([digest]);
    await until(1);
    expect(told[0]?.[1]).toEqual(["a"]);
  });

  it("of an image that is not here any more are not listed, and the server is told so", async () => {
    const gone = `sha256:${"ab".repeat(32)}`;
    const torn = await image("a");
    for (const layer of torn.layers) await layers.remove(layer.digest);
    lister().apply([gone, torn.digest, "nonsense"]);
    await until(3);
    expect(told.map(([, names]) => names)).toEqual([undefined, undefined, undefined]);
  });

  it("hold the image's layers while they are read, and no longer", async () => {
    const { digest, layers: its } = await image("a");
    const [layer] = its;
    const held: boolean[] = [];
    const watch = setInterval(() => held.push(layer !== undefined && layers.held().has(layer.digest)), 5);
    lister().apply([digest]);
    await until(1);
    clearInterval(watch);
    expect(held).toContain(true);
    expect(layers.held().size).toBe(0);
  });
});
