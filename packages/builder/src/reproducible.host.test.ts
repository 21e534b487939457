import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf, NAMESPACE } from "./testing/build-host.ts";

const RECIPE = `FROM busybox AS made
RUN mkdir -p /made/in && echo text > /made/in/file && ln -s in/file /made/link && ln /made/in/file /made/hard
FROM busybox
WORKDIR /work
COPY file .
COPY <<word /inline
words
word
COPY --from=made /made /made
ADD tar.tar /from-tar/
RUN echo more >> /made/in/file && rm /etc/group
`;

describe("the same inputs", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  /** By a namespace that has nothing in its cache, in another second than the build before. */
  let namespaces = 0;
  const buildAnew = async (buildArgs: Readonly<Record<string, string>>) => {
    await sleep(1_001 - (Date.now() % 1_000));
    const namespace = { uid: `ns-${++namespaces}`, uidBase: NAMESPACE.uidBase + 65_536 * namespaces };
    const run = await host.build({ Dockerfile: RECIPE, file: "f", "tar.tar": Buffer.alloc(1_024) }, { request: { namespace, buildArgs } });
    return imageOf(run);
  };

  it("make the same image where SOURCE_DATE_EPOCH limits the times of files, at another time and with an empty cache", async () => {
    const [first, second] = [await buildAnew({ SOURCE_DATE_EPOCH: "1700000000" }), await buildAnew({ SOURCE_DATE_EPOCH: "1700000000" })];
    expect(second.digest).toBe(first.digest);
    for (const path of ["made/in/file", "made", "made/link", "work/file"])
      expect(Math.max(...first.layers.map((_, index) => timeOf(first, index, path)))).toBeLessThanOrEqual(1_700_000_000);
    expect(timeOf(first, first.layers.length - 1, "made/in/file")).toBe(1_700_000_000);
    // The control: files that a command made have the time at which it made them.
    expect((await buildAnew({})).digest).not.toBe((await buildAnew({})).digest);
  });

  it("are found in the cache by their own limit only", async () => {
    const files = { Dockerfile: "FROM busybox\nRUN echo made > /file\n" };
    const build = async (buildArgs: Readonly<Record<string, string>>) => (await host.build(files, { request: { buildArgs } })).steps.cached;
    const all = ["FROM busybox", "RUN echo made > /file"];
    expect(await build({})).toEqual(all.slice(0, 1));
    expect(await build({ SOURCE_DATE_EPOCH: "5" })).toEqual(all.slice(0, 1));
    expect(await build({ SOURCE_DATE_EPOCH: "5" })).toEqual(all);
    expect(await build({ SOURCE_DATE_EPOCH: "6" })).toEqual(all.slice(0, 1));
    expect(await build({})).toEqual(all);
  });

  it("with a limit that is no time are refused with what to write", async () => {
    const run = await host.build({ Dockerfile: "FROM busybox\n" }, { request: { buildArgs: { SOURCE_DATE_EPOCH: "yesterday" } } });
    expect(failureOf(run)).toMatchObject({ reason: "dockerfile", message: expect.stringMatching(/`yesterday`; give seconds since 1970/) });
  });

  it("change nothing below: a copy that a later command writes to is not its source", async () => {
    const run = await host.build({
      Dockerfile:
        "FROM busybox AS a\nRUN echo first > /f\nFROM a AS b\nCOPY --from=a /f /g\nRUN echo second >> /g && chmod 600 /g && touch -d @5 /g\n",
    });
    const image = imageOf(run);
    const source = host.layerTree(image, -3);
    const copy = host.layerTree(image, -2);
    for (const [tree, name] of [
      [source, "f"],
      [copy, "g"],
    ] as const) {
      expect(tree.readFile(name).toString()).toBe("first\n");
      expect(tree.lstat(name).mode & 0o777).toBe(0o644);
    }
    expect(host.layerTree(image, -1).readFile("g").toString()).toBe("first\nsecond\n");
  });

  const timeOf = (image: ReturnType<typeof imageOf>, index: number, path: string): number => {
    const tree = host.layerTree(image, index);
    return tree.exists(path) ? Math.floor(tree.lstat(path).mtimeMs / 1_000) : 0;
  };
});
