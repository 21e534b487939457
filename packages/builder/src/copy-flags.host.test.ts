import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, type BuildRun, failureOf, imageOf } from "./testing/build-host.ts";

describe("builder, COPY with flags and heredocs", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  /** Paths in the last layer, directories with a slash. */
  const paths = (run: BuildRun): readonly string[] => {
    using tree = host.layerTree(imageOf(run), -1);
    return [...tree.walk()].slice(1).map(({ path, stats }) => `${path.toString()}${stats.isDirectory() ? "/" : ""}`);
  };
  const modeOf = (run: BuildRun, path: string) => {
    using tree = host.layerTree(imageOf(run), -1);
    return (tree.lstat(path).mode & 0o7777).toString(8);
  };

  it("writes heredocs as files, beside files of context and stages", async () => {
    const files = {
      Dockerfile: `FROM busybox AS made
RUN echo made > /made
FROM scratch
ARG NAME=you
COPY <<EOF /one.txt
hello $NAME
EOF
COPY --chmod=640 --chown=7:8 a.txt <<"raw.txt" <<two.txt /dir/
$NAME
raw.txt
second
two.txt
COPY --from=made /made <<third.txt /from/
x
third.txt
`,
      "a.txt": "a\n",
    };
    const run = await host.build(files);
    const image = imageOf(run);
    using one = host.layerTree(image, 0);
    expect(one.readFile("/one.txt").toString()).toBe("hello you\n");
    expect(one.lstat("/one.txt")).toMatchObject({ uid: 0, gid: 0, mtimeMs: 1_700_000_000_000 });
    expect(one.lstat("/one.txt").mode & 0o7777).toBe(0o644);
    using dir = host.layerTree(image, 1);
    expect(dir.readdir("/dir").map(String)).toEqual(["a.txt", "raw.txt", "two.txt"]);
    expect(dir.readFile("/dir/raw.txt").toString()).toBe("$NAME\n");
    expect(dir.lstat("/dir/two.txt")).toMatchObject({ uid: 7, gid: 8 });
    expect(dir.lstat("/dir/two.txt").mode & 0o7777).toBe(0o640);
    expect(paths(run)).toEqual(["from/", "from/made", "from/third.txt"]);
    expect((await host.build(files)).steps.done).toEqual([]);
    expect((await host.build({ ...files, Dockerfile: files.Dockerfile.replace("second", "other") })).steps.done).toHaveLength(2);
  });

  it("applies symbolic modes to each file's own", async () => {
    const files = { "d/run": { content: "#!", mode: "755" as const }, "d/sub/text": "t" };
    const run = await host.build({ ...files, Dockerfile: "FROM scratch\nCOPY --chmod=u=rwX,g=rX,o= d /d\n" });
    expect(["/d/run", "/d/sub", "/d/sub/text"].map((path) => modeOf(run, path))).toEqual(["750", "750", "640"]);
    const staged = await host.build({
      Dockerfile: "FROM busybox AS a\nRUN mkdir /s && touch /s/x && chmod 4711 /s/x\nFROM scratch\nCOPY --from=a --chmod=g+r,u-s /s /s\n",
    });
    expect(modeOf(staged, "/s/x")).toBe("751");
  });

  it("leaves out what --exclude names, of context and stages, and what is left out changes nothing", async () => {
    const files = {
      Dockerfile: "FROM scratch\nCOPY --exclude=*.md --exclude=sub/cache --exclude=!keep.md . /all/\n",
      "a.txt": "a",
      "b.md": "b",
      "keep.md": "k",
      "sub/cache/x": "x",
      "sub/c.md": "c",
    };
    expect(paths(await host.build(files))).toEqual(["all/", "all/Dockerfile", "all/a.txt", "all/keep.md", "all/sub/", "all/sub/c.md"]);
    expect((await host.build({ ...files, "b.md": "changed", "sub/cache/x": "y" })).steps.done).toEqual([]);
    expect((await host.build({ ...files, "keep.md": "changed" })).steps.done).toHaveLength(1);
    const wild = { Dockerfile: "FROM scratch\nCOPY --exclude=*.txt hom* /x/\n", "home.txt": "", "home.md": "", homer: "" };
    expect(paths(await host.build(wild))).toEqual(["x/", "x/home.md", "x/homer"]);
    const staged = await host.build({
      Dockerfile: `FROM busybox AS a
RUN mkdir -p /s/logs/deep /s/only/deep && touch /s/keep /s/logs/deep/x /s/only/deep/y /s/x.log
FROM scratch
COPY --from=a --exclude=logs --exclude=**/*.log --exclude=only --exclude=!only/deep /s /s
`,
    });
    expect(paths(staged)).toEqual(["s/", "s/keep", "s/only/", "s/only/deep/", "s/only/deep/y"]);
  });

  it("keeps directories with --parents, those after the pivot where there is one", async () => {
    const files = { "x/a.txt": "", "y/a.txt": "", "x/y/b.txt": "", "x/y/z/c.txt": "", "x/y/z/c.md": "", "other/d.txt": "" };
    const copy = async (line: string) => paths(await host.build({ ...files, Dockerfile: `FROM scratch\nCOPY --parents ${line}\n` }));
    expect(await copy("./x/a.txt ./y/a.txt /p/")).toEqual(["p/", "p/x/", "p/x/a.txt", "p/y/", "p/y/a.txt"]);
    expect(await copy("x/./y/*.txt /p/")).toEqual(["p/", "p/y/", "p/y/b.txt"]);
    expect(await copy("x/**/*.txt /p")).toEqual(["p/", "p/x/", "p/x/a.txt", "p/x/y/", "p/x/y/b.txt", "p/x/y/z/", "p/x/y/z/c.txt"]);
    expect(await copy("--exclude=**/z x/./y /p/")).toEqual(["p/", "p/y/", "p/y/b.txt"]);
    const missing = await host.build({ ...files, Dockerfile: "FROM scratch\nCOPY --parents x/none /p/\n" });
    expect(failureOf(missing)).toMatchObject({ reason: "context", line: 2 });
    const stage = "FROM busybox AS a\nRUN mkdir -p /s/t/u && chmod 750 /s/t && touch /s/t/u/f /s/t/g && chown 5:6 /s/t\nFROM scratch\n";
    const staged = await host.build({ Dockerfile: `${stage}COPY --parents --from=a /s/./t/u/f /p/\n` });
    expect(paths(staged)).toEqual(["p/", "p/t/", "p/t/u/", "p/t/u/f"]);
    using tree = host.layerTree(imageOf(staged), -1);
    expect(tree.lstat("/p/t")).toMatchObject({ uid: 5, gid: 6 });
    expect(tree.lstat("/p/t").mode & 0o7777).toBe(0o750);
    const gone = await host.build({ Dockerfile: `${stage}COPY --parents --from=a /s/./t/none /p/\n` });
    expect(failureOf(gone)).toMatchObject({ reason: "context", line: 4 });
  });

  it("makes layers that stand on their own with --link: links at the destination are replaced, modes of directories are new", async () => {
    const recipe = (flag: string, word = "base") => ({
      Dockerfile: `FROM busybox
RUN echo ${word} && mkdir -m 700 /real && ln -s real /way
COPY ${flag} file /way/file
COPY ${flag} file /real/file
`,
      file: "f",
    });
    const linked = await host.build(recipe("--link"));
    const [way, real] = [-2, -1].map((index) => host.layerTree(imageOf(linked), index));
    expect(way?.lstat("/way").isDirectory()).toBe(true);
    expect(modeOf(linked, "/real")).toBe("755");
    // On another base the same layers are found again.
    const again = await host.build(recipe("--link", "other"));
    expect(again.steps.done.map((label) => label.slice(0, 3))).toEqual(["RUN"]);
    expect(imageOf(again).layers.slice(-2)).toEqual(imageOf(linked).layers.slice(-2));
    // Without the flag the link is followed, and the directory stays as it was.
    const followed = await host.build(recipe(""));
    using plain = host.layerTree(imageOf(followed), -2);
    expect(plain.exists("/way")).toBe(false);
    expect(plain.exists("/real/file")).toBe(true);
    expect(plain.lstat("/real").mode & 0o7777).toBe(0o700);
    for (const tree of [way, real]) tree?.[Symbol.dispose]();
    const named = await host.build({ Dockerfile: "FROM busybox\nCOPY --link --chown=app file /f\n", file: "f" });
    expect(failureOf(named).message).toContain("use a number");
  });
});
