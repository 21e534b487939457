import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "@plimsoll/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildHost, imageOf, NAMESPACE } from "./testing/build-host.ts";

describe("a build cache that is too large", () => {
  let host: BuildHost;
  beforeEach(async () => {
    host = await BuildHost.open();
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const app = (name: string) => ({ Dockerfile: `FROM busybox\nCOPY ${name} /${name}\nRUN echo ${name} > /made\n`, [name]: name });
  const there = (image: Image) => image.layers.map(({ digest }) => host.layers.has(digest));
  const layersOf = (image: Image) => new Set(image.layers.map(({ digest }) => digest));

  /** As if everything in the cache had been of use last an hour ago, what was used later a little less long ago. */
  function letTimePass(minutes = 60): void {
    const steps = join(host.dir, "cache", "namespaces", NAMESPACE.uid, "steps");
    const then = new Date(Date.now() - minutes * 60_000);
    for (const group of readdirSync(steps))
      for (const name of readdirSync(join(steps, group))) utimesSync(join(steps, group, name), then, then);
  }

  it("gives up what was not of use for longest, and never what an image or a base uses", async () => {
    const [old, used] = [imageOf(await host.build(app("old"))), imageOf(await host.build(app("used")))];
    letTimePass(120);
    const recent = imageOf(await host.build(app("recent")));
    const own = recent.layers.slice(1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    letTimePass();
    // The last use of `recent` is the latest.
    await host.build(app("recent"));
    letTimePass(15);
    await host.build(app("recent"));
    expect((await host.builder.collect()).removedLayers).toBe(0);
    const { removedLayers, layers } = await host.builder.collect({ maxBytes: own, inUse: layersOf(used) });
    expect(removedLayers).toBe(2);
    expect([there(old), there(used), there(recent)]).toEqual([
      [true, false, false],
      [true, true, true],
      [true, true, true],
    ]);
    for (const { digest } of recent.layers) expect(layers.has(digest)).toBe(true);

    const [oldAgain, recentAgain] = [await host.build(app("old")), await host.build(app("recent"))];
    expect(oldAgain.steps.done).toHaveLength(2);
    expect(imageOf(oldAgain).layers[1]).toEqual(old.layers[1]);
    expect(recentAgain.steps.done).toEqual([]);
  });

  it("keeps every layer of a release that can be rolled back to, however full the cache is and when it is cleaned", async () => {
    const [v1, v2] = [imageOf(await host.build(app("v1"))), imageOf(await host.build(app("v2")))];
    letTimePass(600);
    // What the agent says of the images that the server wants kept.
    const inUse = layersOf(v1);
    const collectImages = async (cached: ReadonlySet<Image["digest"]>, keep: readonly Image[]) =>
      host.images.collect(new Set([...[...host.bases.values(), ...keep].map(({ digest }) => digest), ...cached]), {
        nowMs: Date.now() + 24 * 3_600_000,
      });
    for (const options of [
      { maxBytes: 0 },
      { maxBytes: 0, maxNamespaceBytes: 0 },
      { clean: new Set([NAMESPACE.uid]) },
      { maxIdleMs: -60_000 },
    ]) {
      const { layers } = await host.builder.collect({ ...options, inUse });
      await collectImages(layers, [v1]);
      expect(there(v1), JSON.stringify(options)).toEqual([true, true, true]);
    }
    expect(there(v2)).toEqual([true, false, false]);
    expect(host.images.get(v1.digest)).toEqual(v1);
    // The control: once it cannot be rolled back to any more, nothing of it stays.
    const { layers } = await host.builder.collect({ maxBytes: 0 });
    await collectImages(layers, []);
    expect(there(v1)).toEqual([true, false, false]);
  });

  it("keeps what has just been built, which nobody has had the time to run", async () => {
    const image = imageOf(await host.build(app("new")));
    await host.builder.collect({ maxBytes: 0 });
    expect(there(image)).toEqual([true, true, true]);
    letTimePass();
    await host.builder.collect({ maxBytes: 0 });
    expect(there(image)).toEqual([true, false, false]);
  });

  it("keeps what a running build stands on; the same is given up when it does not run", async () => {
    const first = { Dockerfile: "FROM busybox\nCOPY a /a\n", a: "a" };
    const base = imageOf(await host.build(first));
    letTimePass();
    const collected: Promise<unknown>[] = [];
    const second = await host.build(
      { ...first, Dockerfile: "FROM busybox\nCOPY a /a\nRUN sleep 1 && cat /a\nRUN cat /a > /b\n" },
      {
        onEvent: (event) => {
          if (event.type !== "step-started" || collected.length > 0) return;
          letTimePass();
          collected.push(host.builder.collect({ maxBytes: 0 }));
        },
      },
    );
    await Promise.all(collected);
    expect(collected).toHaveLength(1);
    const image = imageOf(second);
    expect(image.layers.slice(0, 2)).toEqual(base.layers);
    expect(there(image)).toEqual([true, true, true]);
    letTimePass();
    await host.builder.collect({ maxBytes: 0 });
    expect(there(image)).toEqual([true, false, false]);
  });
});
