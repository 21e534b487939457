import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildHost, imageOf, NAMESPACE } from "./testing/build-host.ts";

const FILES = { Dockerfile: "FROM busybox\nRUN --mount=type=cache,target=/c echo 1 > /c/one && echo made > /made\n" };

describe("a build cache that is cleaned", () => {
  let host: BuildHost;
  beforeEach(async () => {
    host = await BuildHost.open();
  });
  afterEach(() => host[Symbol.asyncDispose]());

  const namespaces = () => join(host.dir, "cache", "namespaces");
  const here = () => join(namespaces(), NAMESPACE.uid);

  it("forgets everything of the namespace that wants it and nothing of another; its next build runs anew to the same image", async () => {
    const other = { namespace: { uid: "ns-other", uidBase: NAMESPACE.uidBase } };
    const image = imageOf(await host.build(FILES));
    await host.build(FILES, { request: other });
    const { removedEntries, cachedBy } = await host.builder.collect({ clean: new Set([NAMESPACE.uid]) });
    expect(removedEntries).toBe(2);
    expect([...cachedBy.values()].flatMap((users) => [...users])).toEqual(["ns-other"]);
    expect(existsSync(join(here(), "mounts"))).toBe(true);
    const [mine, others] = [await host.build(FILES), await host.build(FILES, { request: other })];
    expect([mine.steps.done.length, others.steps.done.length]).toEqual([1, 0]);
    // The control: whoever did not ask keeps it.
    expect(imageOf(mine).layers).toHaveLength(image.layers.length);
    await host.builder.collect();
    expect((await host.build(FILES)).steps.done).toEqual([]);
  });

  it("never takes a file that is not its own, also when everything of it goes", async () => {
    await host.build(FILES);
    const foreign = [
      join(namespaces(), "README"),
      join(namespaces(), "lost+found/x"),
      join(namespaces(), "backup/x"),
      join(here(), "notes"),
      join(here(), "steps/README"),
      join(here(), "steps/ab/README"),
      join(here(), "first-seen/notes"),
    ];
    for (const path of foreign) {
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, "mine");
      utimesSync(path, 0, 0);
    }
    await host.builder.collect({ maxIdleMs: -60_000, clean: new Set([NAMESPACE.uid]) });
    for (const path of foreign) expect(existsSync(path) && readFileSync(path, "utf8"), path).toBe("mine");
    expect((await host.build(FILES)).steps.done).toHaveLength(1);
  });

  it("leaves no directory of a namespace that has nothing any more", async () => {
    await host.build(FILES);
    await host.builder.collect({ maxIdleMs: -60_000 });
    await host.builder.collect({ maxIdleMs: -60_000 });
    expect(existsSync(here())).toBe(false);
  });
});
