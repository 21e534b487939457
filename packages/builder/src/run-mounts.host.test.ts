import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf, NAMESPACE } from "./testing/build-host.ts";

describe("builder, RUN with mounts", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });
  afterEach(() => {
    expect(host.cgroups.children(`tenants/${NAMESPACE.uid}/build`)).toEqual([]);
    expect(readdirSync(join(host.layout.layersDir, "tmp"))).toEqual([]);
  });

  const last = (run: Parameters<typeof imageOf>[0]) => host.layerTree(imageOf(run), -1);

  it("keeps a cache from build to build of a namespace, outside of layers and keys", async () => {
    const files = (text: string) => ({
      Dockerfile: `FROM busybox\nRUN --mount=type=cache,target=/cache echo ${text} >> /cache/log && cat /cache/log && cp /cache/log /seen\n`,
    });
    const first = await host.build(files("one"));
    using layer = last(first);
    expect(layer.readdir("/").map(String)).toEqual(["seen"]);
    const second = await host.build(files("two"));
    using seen = last(second);
    expect(seen.readFile("/seen").toString()).toBe("one\ntwo\n");
    expect((await host.build(files("one"))).steps.done).toEqual([]);
    const elsewhere = await host.build(files("three"), { request: { namespace: { uid: "ns-other", uidBase: 400_000 } } });
    using other = last(elsewhere);
    expect(other.readFile("/seen").toString()).toBe("three\n");
  });

  it("makes a cache with its mode and owner, or with what a stage has", async () => {
    const run = await host.build({
      Dockerfile: `FROM busybox AS seed
RUN mkdir -p /data/sub && echo begin > /data/sub/file && chown -R 1000:1001 /data
FROM busybox
RUN --mount=type=cache,id=owned,target=/owned,uid=1000,gid=1001,mode=0700 stat -c '%u %g %a' /owned
RUN --mount=type=cache,id=seeded,target=/seeded,from=seed,source=/data cat /seeded/sub/file && stat -c '%u %g' /seeded/sub/file && echo more >> /seeded/sub/file
RUN --mount=type=cache,id=seeded,target=/seeded,from=seed,source=/data,readonly cat /seeded/sub/file; touch /seeded/x || echo read-only
`,
    });
    imageOf(run);
    expect(run.log).toContain("1000 1001 700\n");
    expect(run.log).toContain("begin\n1000 1001\n");
    expect(run.log).toContain("begin\nmore\n");
    expect(run.log).toContain("read-only\n");
  });

  it("lets one build at a time into a locked cache, and two into separate private ones", async () => {
    const files = (sharing: string, script: string) => ({
      Dockerfile: `FROM busybox\nRUN --mount=type=cache,id=${sharing},target=/c,sharing=${sharing} ${script}\n`,
    });
    const alone = (id: string) => `test ! -e /c/inside && touch /c/inside && sleep 0.3 && rm /c/inside && echo ${id}`;
    const atOnce = async (recipes: readonly { readonly Dockerfile: string }[]) => {
      const commits: string[] = [];
      for (const recipe of recipes) commits.push(await host.commit(recipe));
      const runs = await Promise.all(recipes.map((recipe, index) => host.build(recipe, { request: { commit: commits[index] ?? "" } })));
      for (const run of runs) expect(imageOf(run).layers).not.toEqual([]);
      expect(runs.flatMap(({ steps }) => steps.done)).toHaveLength(recipes.length);
    };
    for (const sharing of ["locked", "private"]) await atOnce(["a", "b"].map((id) => files(sharing, alone(id))));
    // Negative control: a shared one lets both in at once, each of which waits for the other.
    const together = (id: string, other: string) =>
      `touch /c/${id} && i=0 && until test -e /c/${other}; do sleep 0.1; i=$((i+1)); test $i -lt 300 || exit 1; done`;
    await atOnce([together("a", "b"), together("b", "a")].map((script) => files("shared", script)));
  });

  it("counts caches in the disk budget and gives them up when they were not of use for longest", async () => {
    await host.build({ Dockerfile: "FROM busybox\nRUN --mount=type=cache,target=/big dd if=/dev/zero of=/big/file bs=1M count=4\n" });
    const mounts = join(host.dir, "cache/namespaces", NAMESPACE.uid, "mounts");
    const before = readdirSync(mounts).length;
    expect(before).toBeGreaterThan(0);
    await host.builder.collect({ maxBytes: 0 });
    // Just used: it stays.
    expect(readdirSync(mounts)).toHaveLength(before);
    await host.builder.collect({ maxIdleMs: -1 });
    await host.builder.collect({ maxIdleMs: -1 });
    expect(readdirSync(join(host.dir, "cache/namespaces"))).toEqual([]);
  });

  it("shows context, stages and images as they are, and throws away what is written to them", async () => {
    const files = {
      Dockerfile: `FROM busybox AS made
RUN mkdir /out && echo made > /out/file && ln -s /out/file /link
FROM busybox
RUN --mount=target=/src,ro cat /src/a.txt /src/sub/b.txt && test ! -e /src/ignored && touch /src/new || echo read-only
RUN --mount=type=bind,source=sub,target=/src,rw echo changed > /src/b.txt && cat /src/b.txt
RUN --mount=type=bind,source=a.txt,target=/one.txt cat /one.txt && test ! -L /one.txt
RUN --mount=type=bind,from=made,source=/link,target=/here cat /here
RUN --mount=source=app/[id],target=/page cat /page/p.txt && test ! -e /page/q.txt
RUN --mount=type=bind,from=made,target=/all,rw rm -r /all/out && ls /all
RUN --mount=type=bind,from=busybox,source=/etc,target=/mnt cat /mnt/group
RUN --mount=type=bind,source=sub,target=/src cat /src/b.txt && echo x > /kept
`,
      ".dockerignore": "ignored\n",
      "a.txt": "text a\n",
      "sub/b.txt": "text b\n",
      "app/[id]/p.txt": "of [id]\n",
      "app/i/q.txt": "",
      ignored: "not seen\n",
    };
    const run = await host.build(files);
    const image = imageOf(run);
    for (const text of ["text a\ntext b\n", "read-only\n", "changed\n", "made\n", "of [id]\n", "appgroup"]) expect(run.log).toContain(text);
    using layer = host.layerTree(image, -1);
    expect(layer.readdir("/").map(String)).toEqual(["kept"]);
    // Only what is mounted counts.
    expect((await host.build({ ...files, ignored: "other\n" })).steps.done).toEqual([]);
    const edited = await host.build({ ...files, "sub/b.txt": "text c\n" });
    expect(edited.steps.done.map((label) => label.slice(0, 40))).toHaveLength(3);
  });

  it("finds a mounted stage again by its content when it was made anew", async () => {
    const files = (text: string) => ({
      Dockerfile: `FROM busybox AS made\nRUN echo ${text} > /other && echo same > /file && touch -d @${text.length}00000 /file\nFROM busybox\nRUN --mount=from=made,source=/file,target=/f cp /f /kept\n`,
    });
    await host.build(files("a"));
    const again = await host.build(files("bb"));
    expect(again.steps.done.map((label) => label.slice(0, 8))).toEqual(["RUN echo"]);
    const changed = await host.build({ Dockerfile: files("ccc").Dockerfile.replace("echo same", "echo changed") });
    expect(changed.steps.done).toHaveLength(2);
  });

  it("tells of a source that is not there", async () => {
    const missing = await host.build({ Dockerfile: "FROM busybox\nRUN --mount=source=nothing,target=/x true\n" });
    expect(failureOf(missing)).toMatchObject({ reason: "context", line: 2, message: expect.stringContaining("nothing does not exist") });
    const inStage = await host.build({
      Dockerfile: "FROM busybox AS a\nRUN true\nFROM busybox\nRUN --mount=from=a,source=/nothing,target=/x true\n",
    });
    expect(failureOf(inStage)).toMatchObject({ reason: "context", line: 4 });
  });

  it("never mounts a file of the host: links in stages and contexts stay inside", async () => {
    const outside = join(host.dir, "host-file");
    const files = {
      Dockerfile: `FROM busybox AS evil
RUN ln -s ${outside} /link && ln -s ../../../../../../..${outside} /climbs && ln -s /proc/1/root${outside} /magic
FROM busybox
RUN --mount=from=evil,source=SOURCE,target=/x cat /x
`,
      link: { content: outside, mode: "link" as const },
    };
    for (const source of ["/link", "/climbs", "/magic"]) {
      const run = await host.build({ ...files, Dockerfile: files.Dockerfile.replace("SOURCE", source) });
      expect(failureOf(run)).toMatchObject({ reason: "context" });
    }
    const context = await host.build({ ...files, Dockerfile: "FROM busybox\nRUN --mount=source=link,target=/x cat /x\n" });
    expect(failureOf(context)).toMatchObject({ reason: "context" });
  });

  it("gives memory that is gone afterwards, and no network where none is asked for", async () => {
    const run = await host.build({
      Dockerfile: `FROM busybox
RUN --mount=type=tmpfs,target=/mem,size=1m dd if=/dev/zero of=/mem/x bs=1M count=3 2>/dev/null || echo full
RUN --network=none cat /proc/net/dev && touch /kept
`,
    });
    using layer = last(run);
    expect(layer.readdir("/").map(String)).toEqual(["kept"]);
    expect(run.log).toContain("full\n");
    expect(run.log.split("\n").filter((line) => /^ *\w+:/.test(line))).toHaveLength(1);
  });

  it("runs heredocs through the shell, or as a program of their own", async () => {
    const run = await host.build({
      Dockerfile: `FROM busybox
RUN <<EOF
echo one
echo two > /made
EOF
RUN <<SCRIPT
#!/bin/cat
told by cat
SCRIPT
RUN cat <<A > /a && cat <<B > /b
in a
A
in b
B
`,
    });
    using layer = last(run);
    expect([layer.readFile("/a").toString(), layer.readFile("/b").toString()]).toEqual(["in a\n", "in b\n"]);
    expect(run.log).toContain("one\n");
    expect(run.log).toContain("#!/bin/cat\ntold by cat\n");
  });

  describe("with secrets", () => {
    const VALUE = "do-not-tell-1234";
    const request = { secrets: { TOKEN: VALUE, OTHER: "not asked for" } };

    it("gives them as file or variable, and leaves no trace in layers, log, config or cache", async () => {
      const run = await host.build(
        {
          Dockerfile: `FROM busybox
RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && stat -c '%u %g %a' /run/secrets/TOKEN && ls /run/secrets
RUN --mount=type=secret,id=TOKEN,target=/etc/token,uid=1000,gid=1001,mode=0440 stat -c '%u %g %a' /etc/token
RUN --mount=type=secret,id=TOKEN,env=MY_TOKEN test "$MY_TOKEN" = ${VALUE.slice(0, 3)}* || echo "got $MY_TOKEN" && test ! -e /run/secrets
RUN --mount=type=secret,id=other test "$(cat /run/secrets/other)" = "not asked for" && echo found by its spelling
RUN --mount=type=secret,id=OPTIONAL test ! -e /run/secrets && touch /kept
`,
        },
        { request },
      );
      const image = imageOf(run);
      expect(run.log).toContain("***0 0 400\nTOKEN\n");
      expect(run.log).toContain("1000 1001 440\n");
      expect(run.log).toContain("got ***\n");
      expect(run.log).toContain("found by its spelling\n");
      expect(JSON.stringify(run.events)).not.toContain(VALUE);
      expect(JSON.stringify(image)).not.toContain(VALUE);
      expect(holding(host.dir, VALUE)).toEqual([]);
      using layer = host.layerTree(image, -1);
      expect(layer.readdir("/").map(String)).toEqual(["kept"]);
    });

    it("does not tell them with a failure, nor in what a second process of the command says", async () => {
      const run = await host.build(
        {
          Dockerfile: `FROM busybox
RUN --mount=type=secret,id=TOKEN,env=MY_TOKEN --mount=type=secret,id=TOKEN (echo "child $MY_TOKEN" >&2) && cat /run/secrets/TOKEN /run/secrets/TOKEN && env && exit 3
`,
        },
        { request },
      );
      expect(failureOf(run)).toMatchObject({ exitCode: 3, logTail: expect.arrayContaining(["child ***"]) });
      expect(failureOf(run).logTail?.join("\n")).toContain("MY_TOKEN=***");
      expect(JSON.stringify([run.outcome, run.events])).not.toContain(VALUE);
      expect(holding(host.dir, VALUE)).toEqual([]);
    });

    it("finds a trace where a command leaves one itself (the control of the search)", async () => {
      await host.build({ Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=TOKEN cp /run/secrets/TOKEN /leaked\n" }, { request });
      expect(holding(host.dir, VALUE)).toHaveLength(1);
    });

    it("does not execute a step again for another value, and fails where a required one is missing", async () => {
      const files = { Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=TOKEN,required test -s /run/secrets/TOKEN && touch /made\n" };
      const missing = await host.build(files);
      expect(failureOf(missing)).toMatchObject({ reason: "context", line: 2, message: expect.stringContaining("plim secrets set") });
      imageOf(await host.build(files, { request }));
      expect((await host.build(files, { request: { secrets: { TOKEN: "another" } } })).steps.done).toEqual([]);
      expect((await host.build(files)).steps.done).toEqual([]);
    });
  });
});

/** Files below a directory that hold the text. */
function holding(directory: string, text: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}
