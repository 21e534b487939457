import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf } from "./testing/build-host.ts";

describe("named build contexts", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
    await host.addBase("tools:1", (root) => writeFileSync(join(root, "tool"), "of the image"));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const files = {
    "app/Dockerfile": "FROM busybox AS base\nRUN echo stage > /from\nFROM base\nCOPY --from=shared . /shared/\nCOPY own /own\n",
    "app/own": "own",
    "lib/shared/a": "shared a",
    "lib/shared/secret": "left out",
    "lib/shared/.dockerignore": "secret\n",
  };
  const build = (changes: Record<string, string>, contexts: Record<string, string>) =>
    host.build({ ...files, ...changes }, { request: { contextDir: "app", contexts } });

  it("are directories of the repository, without what their own .dockerignore leaves out", async () => {
    const contexts = { Shared: "lib/shared" };
    const run = await build({}, contexts);
    const layer = host.layerTree(imageOf(run), -2);
    expect(layer.readFile("shared/a").toString()).toBe("shared a");
    expect(layer.readdir("shared").map(String)).toEqual([".dockerignore", "a"]);
    expect((await build({ "lib/other": "x" }, contexts)).steps.done).toEqual([]);
    expect((await build({ "lib/shared/a": "changed" }, contexts)).steps.done).toEqual(["COPY --from=shared . /shared/", "COPY own /own"]);
  });

  it("can be stood on and mounted, and are images where they say so, before stages and images of the name", async () => {
    const Dockerfile = [
      "FROM busybox AS base",
      "FROM shared AS files",
      "FROM base AS last",
      "RUN --mount=from=files,target=/m cat /m/a",
      "COPY --from=base /tool /tool",
      "",
    ].join("\n");
    const run = await build({ "app/Dockerfile": Dockerfile }, { shared: "/lib/shared/", base: "docker-image://tools:1" });
    // The name of a stage is a context's: FROM base is the image, that has no shell.
    expect(failureOf(run)).toMatchObject({ reason: "command", message: expect.stringContaining("/bin/sh") });
    const again = await build(
      { "app/Dockerfile": Dockerfile.replace("FROM base AS last", "FROM busybox") },
      { shared: "lib/shared", base: "docker-image://tools:1" },
    );
    expect(again.log).toBe("shared a");
    expect(host.layerTree(imageOf(again), -1).readFile("tool").toString()).toBe("of the image");
  });

  it.each([
    [{ shared: "nowhere" }, /no directory nowhere/],
    [{ shared: "../../etc" }, /The build context shared is "..\/..\/etc"; give a directory/],
    [{ shared: "https://host/x.tar" }, /give a directory of the repository, or docker-image:\/\//],
    [{ "a b": "lib" }, /"a b" cannot name a build context/],
    [{}, /shared/],
  ])("%j: says what is wrong", async (contexts, words) => {
    expect(failureOf(await build({}, contexts as Record<string, string>)).message).toMatch(words);
  });

  it("do not lead out of the repository by links", async () => {
    const link = await host.build(
      { ...files, "lib/out": { content: "/etc", mode: "link" } },
      { request: { contextDir: "app", contexts: { shared: "lib/out" } } },
    );
    expect(failureOf(link).message).toMatch(/no directory lib\/out/);
  });
});
