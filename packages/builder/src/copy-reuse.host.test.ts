import { statSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf, NAMESPACE } from "./testing/build-host.ts";
import type { TestFile } from "./testing/repository.ts";

const many = (count = 100): Record<string, TestFile> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`dir${index % 3}/file${index}`, `content ${index}\n`]));

describe("a COPY of which little has changed", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const stats = (image: Image, index: number, path: string) =>
    statSync(join(host.layers.dirOf(image.layers.at(index)?.digest ?? "sha256:"), path));
  const build = async (files: Record<string, TestFile>, more: Record<string, unknown> = {}) =>
    imageOf(await host.build(files, { request: more }));

  it("takes the files that are the same from the layer before, and makes the layer that it would have made without", async () => {
    const Dockerfile = "FROM busybox\nRUN mkdir /app && touch -d @1000 /app\nCOPY . /app\n";
    const first = await build({ ...many(), Dockerfile });
    const changed = { ...many(), "dir0/file0": "changed\n", "dir1/new": "new\n", Dockerfile };
    const second = await build(changed);
    for (const path of ["app/dir1/file1", "app/dir2/file98"]) expect(stats(second, -1, path).ino).toBe(stats(first, -1, path).ino);
    expect(stats(second, -1, "app/dir0/file0").ino).not.toBe(stats(first, -1, "app/dir0/file0").ino);
    expect(host.layerTree(second, -1).readFile("app/dir0/file0").toString()).toBe("changed\n");
    expect(stats(second, -1, "app").mtimeMs).toBe(1_000_000);
    expect(stats(second, -1, "app/dir0").mtimeMs).toBe(315_532_800_000);
    // The control: a namespace that has built nothing before writes every file, and comes to the same digest.
    const namespace = { uid: "ns-fresh", uidBase: NAMESPACE.uidBase + 65_536 };
    const fresh = await host.build(changed, { request: { namespace, noCache: true } });
    expect(imageOf(fresh).layers.at(-1)?.digest).toBe(second.layers.at(-1)?.digest);
  });

  it("never lets a later command change what other images have", async () => {
    const recipe = (command: string) => `FROM busybox\nCOPY . /shared\nRUN ${command}\n`;
    const first = await build({ ...many(), Dockerfile: recipe("true") });
    const second = await build({
      ...many(),
      extra: "x",
      Dockerfile: recipe(
        "echo spoilt >> /shared/dir1/file1 && chmod 777 /shared/dir2/file2 && touch /shared/dir0/file3 && chown 5 /shared/dir1/file4",
      ),
    });
    expect(stats(second, -2, "shared/dir1/file1").nlink).toBeGreaterThan(1);
    for (const image of [first, second]) {
      const index = image === first ? -1 : -2;
      expect(host.layerTree(image, index).readFile("shared/dir1/file1").toString()).toBe("content 1\n");
      expect([stats(image, index, "shared/dir2/file2").mode & 0o777, stats(image, index, "shared/dir1/file4").uid]).toEqual([0o644, 0]);
    }
    expect(host.layerTree(second, -1).readFile("shared/dir1/file1").toString()).toBe("content 1\nspoilt\n");
  });

  it("writes anew what has another owner, mode or time, or what something lies in the way of", async () => {
    const plain = await build({ ...many(), Dockerfile: "FROM busybox\nCOPY . /a\n" });
    const limited = await build(
      { ...many(), extra: "x", Dockerfile: "FROM busybox\nCOPY . /a\n" },
      { buildArgs: { SOURCE_DATE_EPOCH: "7" } },
    );
    expect(stats(limited, -1, "a/dir1/file1").ino).not.toBe(stats(plain, -1, "a/dir1/file1").ino);
    const executable = { content: "content 1\n", mode: "755" } as const;
    const moded = await build({ ...many(), "dir1/file1": executable, Dockerfile: "FROM busybox\nCOPY . /a\n" });
    expect(stats(moded, -1, "a/dir1/file1").mode & 0o777).toBe(0o755);
    expect(stats(moded, -1, "a/dir1/file4").ino).toBe(stats(plain, -1, "a/dir1/file4").ino);
    expect(stats(plain, -1, "a/dir1/file1").mode & 0o777).toBe(0o644);
    // Another repository of the namespace, which has the same files since another time.
    const files = { ...many(), theirs: "x", Dockerfile: "FROM busybox\nCOPY . /a\n" };
    const later = { repository: join(host.dir, "other.git"), commit: await host.commit(files, 1_800_000_000) };
    await run(["cp", "-a", host.repository, later.repository]);
    const theirs = await build(files, later);
    expect(stats(theirs, -1, "a/dir1/file4").mtimeMs).toBe(1_800_000_000_000);
    expect(stats(plain, -1, "a/dir1/file4").mtimeMs).toBe(1_700_000_000_000);
    const below = "FROM busybox\nRUN mkdir -p /a/dir1 && echo old > /a/dir1/file1 && mkdir /a/dir1/file4";
    const inTheWay = await host.build({ ...many(), Dockerfile: `${below}\nCOPY . /a\n` });
    expect(failureOf(inTheWay)).toMatchObject({ reason: "context", message: expect.stringContaining("file4 is a directory") });
  });

  it("does not need the layer before", async () => {
    const Dockerfile = "FROM busybox\nCOPY . /gone\n";
    const first = await build({ ...many(), Dockerfile });
    await host.layers.remove(first.layers.at(-1)?.digest ?? "sha256:");
    const second = await build({ ...many(), extra: "x", Dockerfile });
    expect(host.layerTree(second, -1).readFile("gone/dir1/file1").toString()).toBe("content 1\n");
  });
});
