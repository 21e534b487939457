import type { Digest } from "@plimsoll/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, imageOf } from "./testing/build-host.ts";

const DAY_MS = 24 * 3_600_000;
const FILES = { Dockerfile: "FROM busybox\nCOPY one /one\nCOPY two /two\n", one: "1", two: "2" };
const STEPS = ["COPY one /one", "COPY two /two"];

/** What the agent's collection does with a host's build cache, at a time when everything is older than any grace. */
describe("collection beside the build cache", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const collect = (cached: ReadonlySet<Digest>) => {
    const bases = [...host.bases.values()].map(({ digest }) => digest);
    return host.images.collect(new Set([...bases, ...cached]), { nowMs: Date.now() + DAY_MS });
  };

  it("keeps the steps of an image that nobody needs, so that the next build runs none", async () => {
    const image = imageOf(await host.build(FILES));
    expect(await collect((await host.builder.collect()).layers)).toMatchObject({ images: 1, layers: 0 });
    const again = await host.build(FILES);
    expect(again.steps.done).toEqual([]);
    expect(imageOf(again)).toEqual(image);
  });

  it("control: layers that the cache does not name go, and their steps run again to the same image", async () => {
    const image = imageOf(await host.build(FILES));
    expect(await collect(new Set())).toMatchObject({ images: 1, layers: 2 });
    expect(host.images.get(image.digest)).toBeUndefined();
    const again = await host.build(FILES);
    expect(again.steps.done).toEqual(STEPS);
    expect(imageOf(again)).toEqual(image);
  });

  it("takes steps that were of no use for too long with their layers, and leaves the base", async () => {
    const image = imageOf(await host.build(FILES));
    const { removedEntries, layers } = await host.builder.collect({ maxIdleMs: -1 });
    expect(removedEntries).toBeGreaterThanOrEqual(2);
    expect(image.layers.slice(1).filter(({ digest }) => layers.has(digest))).toEqual([]);
    expect(await collect(layers)).toMatchObject({ images: 1, layers: 2 });
    expect((await host.build(FILES)).steps).toMatchObject({ cached: ["FROM busybox"], done: STEPS });
  });
});
