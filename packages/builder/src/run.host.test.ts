import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildEvent } from "@plimsoll/core";
import { start } from "@plimsoll/exec";
import { listNetworkNamespaces } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf, LIMITS, NAMESPACE } from "./testing/build-host.ts";

const TWO_STAGES = {
  Dockerfile: `FROM busybox AS deps
WORKDIR /app
COPY package.json ./
RUN mkdir deps && cp package.json deps/installed

FROM deps AS build
COPY src src
RUN mkdir -p dist && cat src/* > dist/bundle && echo built

FROM busybox AS tools
RUN echo tool > /tool

FROM busybox AS runtime
WORKDIR /app
COPY --from=tools /tool /usr/bin/tool
COPY --from=build --chown=app /app/dist ./dist
USER app
EXPOSE 8080
CMD ["cat", "dist/bundle"]
`,
  "package.json": "{}",
  "src/a.js": "a\n",
  "src/b.js": "b\n",
} as const;

describe("builder, with commands", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });
  afterEach(() => {
    expect(host.cgroups.children(`tenants/${NAMESPACE.uid}/build`)).toEqual([]);
    expect(listNetworkNamespaces(host.layout)).toEqual([]);
    expect(readdirSync(join(host.layout.layersDir, "tmp"))).toEqual([]);
  });

  const until = async (what: string, condition: () => boolean, timeoutMs = 10_000) => {
    for (const end = performance.now() + timeoutMs; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
      if (performance.now() > end) throw new Error(`never: ${what}`);
    }
  };

  it("tells its image before it takes its process away, and ends when that is gone", async () => {
    const builds = () => host.cgroups.children(`tenants/${NAMESPACE.uid}/build`).length;
    let left: number | undefined;
    await host.build(
      { Dockerfile: "FROM busybox\nRUN echo told early > /file\n" },
      {
        onEvent: ({ type }) => {
          if (type === "done") left = builds();
        },
      },
    );
    expect(left).toBe(1);
    expect(builds()).toBe(0);
  });

  it("builds stages, then answers from the cache without starting anything", async () => {
    const first = await host.build(TWO_STAGES);
    const image = imageOf(first);
    expect(image.config).toMatchObject({
      user: "app",
      exposedPorts: ["8080/tcp"],
      cmd: ["cat", "dist/bundle"],
      workingDir: "/app",
      labels: { base: "yes" },
    });
    expect(first.steps.failed).toEqual([]);
    expect(first.log).toContain("built");
    using last = host.layerTree(image, -1);
    expect(last.readFile("/app/dist/bundle").toString()).toBe("a\nb\n");
    expect(last.lstat("/app/dist/bundle")).toMatchObject({ uid: 1000, gid: 1001 });

    const again = await host.build(TWO_STAGES);
    expect(imageOf(again).digest).toBe(image.digest);
    expect(again.events.filter(({ type }) => type === "step-started")).toEqual([]);
    expect(again.steps.done).toEqual([]);
    expect(again.events.at(-1)).toMatchObject({ type: "done", newBytes: 0 });
    const times = await Promise.all(Array.from({ length: 5 }, () => host.build(TWO_STAGES).then(({ elapsedMs }) => elapsedMs)));
    console.log(
      `first ${first.elapsedMs.toFixed(0)} ms; nothing changed ${again.elapsedMs.toFixed(1)} ms; five at once ${Math.max(...times).toFixed(1)} ms`,
    );
  });

  it("executes everything once where the cache is not to be asked, and leaves it for the next build", async () => {
    const files = {
      Dockerfile:
        "FROM busybox AS a\nRUN echo same > /made\nFROM busybox AS b\nRUN echo same > /made\nFROM b\nCOPY --from=a /made /a\nCOPY file .\n",
      file: "f",
    };
    const labels = ["RUN echo same > /made", "COPY --from=a /made /a", "COPY file ."];
    await host.build(files);
    expect((await host.build(files)).steps.done).toEqual([]);
    const anew = await host.build(files, { request: { noCache: true } });
    // Two equal steps are still one.
    expect([...anew.steps.done].sort()).toEqual([...labels].sort());
    const after = await host.build(files);
    expect(after.steps.done).toEqual([]);
    expect(imageOf(after).digest).toBe(imageOf(anew).digest);
  });

  it("executes again only what an edit reaches", async () => {
    await host.build(TWO_STAGES);
    const edited = await host.build({ ...TWO_STAGES, "src/b.js": "edited\n" });
    expect(edited.steps.done.toSorted()).toEqual([
      "COPY --from=build --chown=app /app/dist ./dist",
      "COPY src src",
      "RUN mkdir -p dist && cat src/* > dist/bundle && echo built",
    ]);
    const touched = await host.build({ ...TWO_STAGES, "README.md": "not copied" });
    expect(touched.steps.done).toEqual([]);
    console.log(`one file edited: ${edited.elapsedMs.toFixed(0)} ms`);
  });

  it("runs commands as root of the namespace's user range, with the image's environment", async () => {
    const run = await host.build(
      {
        Dockerfile: `FROM busybox
ARG SECRET_NOT=1
ARG GIVEN
ENV A="a b" PATH=/bin
WORKDIR /work
RUN cat /proc/self/uid_map && id -u && pwd && env && cat /etc/resolv.conf && touch mine && chown app:appgroup mine && hostname
RUN ["/bin/echo", "$A", "exec form"]
USER app
RUN id -u && id -g && echo x > /tmp/of-app
`,
      },
      { request: { buildArgs: { GIVEN: "given", HTTP_PROXY: "http://proxy.test" } } },
    );
    const image = imageOf(run);
    expect(run.log).toMatch(/^\s+0\s+300000\s+65536$/m);
    for (const line of [
      "/work",
      "A=a b",
      "GIVEN=given",
      "BASE=1",
      "HTTP_PROXY=http://proxy.test",
      "nameserver 192.0.2.53",
      "$A exec form",
      "1000",
      "1001",
    ])
      expect(run.log.split("\n")).toContain(line);
    expect(JSON.stringify(image.config)).not.toContain("proxy.test");
    using tree = host.layerTree(image, 2);
    expect(tree.lstat("/work/mine")).toMatchObject({ uid: 1000, gid: 1001 });
    using last = host.layerTree(image, -1);
    expect(last.lstat("/tmp/of-app")).toMatchObject({ uid: 1000, gid: 1001 });
  });

  it("commits what a command did, and not the files that the sandbox lends", async () => {
    const image = imageOf(
      await host.build({
        Dockerfile:
          "FROM busybox\nRUN touch /root/a /root/b && mkdir /root/d && touch /root/d/x\nRUN rm -r /root/a /root/d && mkdir /root/d && touch /root/d/y && chmod 4755 /bin/busybox\nRUN echo 1.2.3.4 x >> /etc/hosts && echo nameserver 9.9.9.9 > /etc/resolv.conf && echo h > /etc/hostname; true\nRUN true\n",
      }),
    );
    using changed = host.layerTree(image, 2);
    expect(changed.lstat("/root/a").isCharacterDevice()).toBe(true);
    expect(changed.lstat("/bin/busybox").mode & 0o7777).toBe(0o4755);
    for (const [index] of image.layers.entries()) {
      using tree = host.layerTree(image, index);
      for (const name of ["hosts", "resolv.conf", "hostname"])
        expect(tree.exists(`/etc/${name}`) && tree.stat(`/etc/${name}`).size > 0).toBe(false);
    }
    const merged = imageOf(
      await host.build({
        Dockerfile:
          "FROM busybox AS a\nRUN mkdir -p /r/d && touch /r/d/x\nRUN rm -r /r/d && mkdir /r/d && touch /r/d/y\nFROM scratch\nCOPY --from=a /r /r\n",
      }),
    );
    using flat = host.layerTree(merged, 0);
    expect(flat.readdir("/r/d").map(String)).toEqual(["y"]);
  });

  it("lets commands trust the operator's certificates and leaves no trace of them", async () => {
    const certificatesFile = join(host.dir, "bundle.crt");
    writeFileSync(certificatesFile, "of the operator\n");
    const builder = host.newBuilder({ certificatesFile });
    const files = { Dockerfile: "FROM busybox\nENV PIP_CERT=/own\nRUN cat $SSL_CERT_FILE && echo $PIP_CERT && touch /made\n" };
    const run = await host.build(files, { builder });
    expect(run.log).toBe("of the operator\n/own\n");
    const image = imageOf(run);
    // The history has the command as it was written.
    expect(JSON.stringify({ ...image.config, history: [] })).not.toContain("SSL_CERT_FILE");
    using tree = host.layerTree(image, 1);
    expect(tree.readdir("/").map(String)).toEqual(["made"]);
    expect((await host.build(files)).steps.done).toEqual([]);
  });

  it("tells a failed command with its exit code, place and last lines", async () => {
    const run = await host.build({ Dockerfile: "FROM busybox\n\nRUN echo one && echo two >&2 && \\\n  exit 7\nRUN never\n" });
    expect(failureOf(run)).toEqual({
      reason: "command",
      message: "RUN echo one && echo two >&2 && exit 7 failed with exit code 7.",
      file: "Dockerfile",
      line: 3,
      instruction: "RUN echo one && echo two >&2 && exit 7",
      exitCode: 7,
      excerpt: expect.any(Array),
      logTail: ["one", "two"],
    });
    expect(run.steps.failed).toEqual(["RUN echo one && echo two >&2 && exit 7"]);
    expect(run.events.at(-1)?.type).toBe("failed");
    const missing = await host.build({ Dockerfile: "FROM busybox\nRUN no-such-program\n" });
    expect(failureOf(missing)).toMatchObject({ exitCode: 127, message: expect.stringContaining("did not find a program") });
    const exec = await host.build({ Dockerfile: 'FROM busybox\nRUN ["/no/such/program"]\n' });
    expect(failureOf(exec)).toMatchObject({ reason: "command", line: 2 });
    const user = await host.build({ Dockerfile: "FROM busybox\nUSER nobody-here\nRUN true\n" });
    expect(failureOf(user)).toMatchObject({ line: 3 });
  });

  it("runs what was copied onto nothing, and says that a shell is missing there", async () => {
    const static_ = await host.build({
      Dockerfile: 'FROM scratch\nCOPY --from=busybox /bin/busybox /touch\nRUN ["/touch", "/made"]\n',
    });
    expect(host.layerTree(imageOf(static_), -1).lstat("made")).toBeDefined();
    const failed = await host.build({ Dockerfile: "FROM scratch\nRUN echo\n" });
    expect(failureOf(failed)).toMatchObject({ reason: "command", line: 2, message: expect.stringContaining("/bin/sh") });
  });

  it("says that memory ran out, how much there was and what to try", async () => {
    const limits = { ...LIMITS, memoryBytes: 128 * 1024 ** 2 };
    const run = await host.build(
      { Dockerfile: "FROM busybox\nRUN echo before && dd if=/dev/zero of=/dev/null bs=400M count=1\n" },
      { request: { limits } },
    );
    expect(failureOf(run)).toMatchObject({ reason: "out_of_memory", line: 2, logTail: expect.arrayContaining(["before"]) });
    expect(failureOf(run).message).toContain(
      "more than the build's 128 MiB of memory. To try it with 256 MiB, write `build: { memory: 256MiB }` into plimsoll.yaml and push again.",
    );
    const atMost = await host.build(
      { Dockerfile: "FROM busybox\nRUN dd if=/dev/zero of=/dev/null bs=400M count=1\n" },
      { request: { limits: { ...limits, mostMemoryBytes: limits.memoryBytes }, namespace: { ...NAMESPACE, name: "acme/store" } } },
    );
    expect(failureOf(atMost).message).toContain("raises that with `plim quota set acme/store memory=256MiB`");
  });

  it("stops at its time limit", async () => {
    const run = await host.build({ Dockerfile: "FROM busybox\nRUN sleep 60\n" }, { request: { limits: { ...LIMITS, timeoutMs: 1_500 } } });
    expect(failureOf(run)).toMatchObject({ reason: "timeout", message: expect.stringContaining("limit of 2 s") });
    expect(run.elapsedMs).toBeLessThan(5_000);
  });

  it("kills everything of a cancelled build within a second", async () => {
    const abort = new AbortController();
    let abortedAt = 0;
    const run = await host.build(
      { Dockerfile: "FROM busybox\nRUN (trap '' TERM; sleep 61) & trap '' TERM; echo started; sleep 62\n" },
      {
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type !== "step-log" || !event.text.includes("started")) return;
          expect(host.cgroups.processes(`tenants/${NAMESPACE.uid}/build`).length).toBeGreaterThan(2);
          abortedAt = performance.now();
          abort.abort();
        },
      },
    );
    expect(failureOf(run).reason).toBe("cancelled");
    expect(abortedAt).toBeGreaterThan(0);
    const tookMs = performance.now() - abortedAt;
    expect(tookMs).toBeLessThan(1_000);
    console.log(`cancelled and cleaned up in ${tookMs.toFixed(0)} ms`);
  });

  it("keeps output up to the limit and counts the rest", async () => {
    const run = await host.build(
      { Dockerfile: "FROM busybox\nRUN i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 3\n" },
      { request: { limits: { ...LIMITS, logBytes: 1_000 } } },
    );
    expect(run.log.length).toBeLessThan(1_300);
    expect(run.log).toContain("output limit of 1000 bytes");
    expect(failureOf(run).logTail?.at(-1)).toBe("line 2999");
  });

  it("contains a fork bomb, and the next build is unhurt", async () => {
    const bomb = await host.build(
      { Dockerfile: "FROM busybox\nRUN f() { f | f & }; f; sleep 1; exit 5\n" },
      { request: { limits: { ...LIMITS, pids: 60 } } },
    );
    expect(failureOf(bomb).message).toMatch(
      /failed with exit code 5\. It had all of the build's 60 processes and threads, and was refused another [\d,]+ times\. .*pids=120`\.$/,
    );
    imageOf(await host.build({ Dockerfile: "FROM busybox\nRUN echo fine\n" }));
    expect(failureOf(await host.build({ Dockerfile: "FROM busybox\nRUN exit 5\n" })).message).toBe("RUN exit 5 failed with exit code 5.");
  });

  it("executes an equal step once for two builds at one time", async () => {
    const files = { Dockerfile: "FROM busybox\nRUN echo once && sleep 0.5\n" };
    const runs = await Promise.all([host.build(files), host.build(files)]);
    expect(runs.map(({ steps }) => steps.done.length).toSorted()).toEqual([0, 1]);
    expect(imageOf(runs[0]).digest).toBe(imageOf(runs[1]).digest);
  });

  it("runs independent stages side by side", async () => {
    const stage = (name: string) => `FROM busybox AS ${name}\nRUN echo ${name} && sleep 1 && touch /${name}\n`;
    const run = await host.build({ Dockerfile: `${stage("x1")}${stage("x2")}FROM scratch\nCOPY --from=x1 /x1 /\nCOPY --from=x2 /x2 /\n` });
    imageOf(run);
    const started = run.events
      .filter((event) => event.type === "step-started")
      .slice(0, 2)
      .map(({ atMs }) => atMs);
    expect((started[1] ?? 0) - (started[0] ?? 0)).toBeLessThan(900);
  });

  it("survives the death of its worker, and leaves nothing", async () => {
    const run = await host.build(
      { Dockerfile: "FROM busybox\nRUN echo started && sleep 63\n" },
      {
        onEvent: (event) => {
          if (event.type !== "step-log") return;
          const build = host.cgroups.children(`tenants/${NAMESPACE.uid}/build`)[0];
          const [worker] = host.cgroups.processes(`tenants/${NAMESPACE.uid}/build/${build}/worker`);
          if (worker !== undefined) process.kill(worker, "SIGKILL");
        },
      },
    );
    expect(failureOf(run)).toMatchObject({ reason: "interrupted" });
    await host.builder.collect();
  });

  it("leaves nothing when the agent is killed, once another one has collected", async () => {
    const commit = await host.commit({ Dockerfile: "FROM busybox\nCOPY Dockerfile /d\nRUN echo started && sleep 64\n" });
    const request = { id: "abandoned", namespace: NAMESPACE, repository: host.repository, commit, limits: LIMITS };
    const images = Object.fromEntries([...host.bases].map(([name, { digest }]) => [name, digest]));
    const program = fileURLToPath(new URL("./testing/abandoned-build.ts", import.meta.url));
    const agent = await start(
      [process.execPath, program, JSON.stringify({ layout: host.layout, cacheDir: join(host.dir, "cache"), request, images })],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const gone = new Promise((resolve) => agent.once("close", resolve));
    let text = "";
    agent.stdout?.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    await until("the command runs", () => text.split("\n").some((line) => line !== "" && isLog(JSON.parse(line))), 20_000);
    const path = `tenants/${NAMESPACE.uid}/build/abandoned`;
    expect(host.cgroups.processes(path).length).toBeGreaterThan(1);
    agent.kill("SIGKILL");
    await gone;
    await until("the worker has ended itself and its commands", () => host.cgroups.processes(path).length === 0);
    expect(listNetworkNamespaces(host.layout)).toEqual(["b-abandoned"]);
    const { layers } = await host.newBuilder().collect();
    expect(layers.size).toBeGreaterThan(0);
    for (const digest of layers) expect(host.layers.has(digest)).toBe(true);
    expect(existsSync(join(host.dir, "cache"))).toBe(true);
  });
});

function isLog(event: BuildEvent): boolean {
  return event.type === "step-log";
}
