import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildEvent } from "@plimsoll/core";
import { start } from "@plimsoll/exec";
import { listNetworkNamespaces } from "@plimsoll/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines } from "./execute/protocol.ts";
import { BuildHost, failureOf, imageOf, LIMITS, NAMESPACE } from "./testing/build-host.ts";
import { tarOf } from "./testing/tar-of.ts";

const SECRET = "do-not-keep-5678";
/** Every kind of step; the command makes enough for its sealing to take a while, and says when that begins. */
const files = (round: string) => ({
  Dockerfile: `FROM busybox AS tools
RUN echo ${round} > /tool
FROM busybox
WORKDIR /app
COPY round .
ADD archive.tar /unpacked/
RUN --mount=type=cache,target=/cache --mount=type=secret,id=TOKEN i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $i-${round} > f$i; done; dd if=/dev/zero of=big bs=1M count=8 2>/dev/null; cat f1 /run/secrets/TOKEN > /dev/null; echo seals
COPY --from=tools /tool /tool
`,
  round,
  "archive.tar": tarOf([{ path: "one", content: Buffer.from(round) }]),
});
const request = { secrets: { TOKEN: SECRET }, limits: { ...LIMITS, memoryBytes: 256 * 1024 ** 2 } };

/** Where builds are killed: as a step begins, while it is sealed, when it is committed, and when the image is told. */
const MOMENTS = [
  "plan",
  "begins RUN echo",
  "begins COPY round",
  "begins ADD",
  "begins RUN --mount",
  "says seals",
  "ends RUN --mount",
  "begins COPY --from",
  "done",
];

/** Names the events of one build, which tells its steps first. */
function namer(): (event: BuildEvent) => string {
  const labels = new Map<number, string>();
  return (event) => {
    if (event.type === "plan") for (const { index, label } of event.steps) labels.set(index, label);
    if (event.type === "step-started") return `begins ${labels.get(event.step)}`;
    if (event.type === "step-done") return `ends ${labels.get(event.step)}`;
    if (event.type === "step-log") return `says ${event.text}`;
    return event.type ?? "";
  };
}

/** One that can end itself: an agent that is killed while it takes a build's processes away may leave them frozen (cgroup version 1). */
function isWorker(pid: number): boolean {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("execute/worker.ts")) return false;
    const path = /^\d+:freezer:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
    const state = path === undefined ? "" : readFileSync(`/sys/fs/cgroup/freezer${path}/freezer.state`, "utf8");
    return state.trim() !== "FROZEN";
  } catch {
    return false;
  }
}

describe("a build that is killed at any of its steps", () => {
  let host: BuildHost;

  beforeAll(async () => {
    host = await BuildHost.open();
    imageOf(await host.build(files("whole"), { request }));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const mounts = () =>
    readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(host.dir) || line.includes(host.layout.runDir))
      .map((line) => line.split(" ")[4])
      .sort();
  const build = `tenants/${NAMESPACE.uid}/build`;
  const until = async (what: string, condition: () => boolean) => {
    for (const end = performance.now() + 30_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10)))
      if (performance.now() > end) throw new Error(`never: ${what}`);
  };

  /** Nothing is left that the next agent does not take away, and what it keeps is whole and named. */
  const collected = async (mountsBefore: readonly unknown[]) => {
    const builder = host.newBuilder();
    const { layers } = await builder.collect();
    await builder.close();
    expect(host.cgroups.children(build)).toEqual([]);
    expect(listNetworkNamespaces(host.layout)).toEqual([]);
    expect(readdirSync(join(host.layout.layersDir, "tmp"))).toEqual([]);
    expect(readdirSync(host.layout.bundlesDir)).toEqual([".crun"]);
    expect(readdirSync(host.layout.crunDir)).toEqual([]);
    expect(mounts()).toEqual(mountsBefore);
    await host.images.collect(new Set([...[...host.bases.values()].map(({ digest }) => digest), ...layers]), { graceMs: 0 });
    const based = [...host.bases.values()].flatMap((image) => image.layers.map(({ digest }) => digest));
    const kept = new Set([...layers, ...based]);
    expect(host.layers.list().filter(({ digest }) => !kept.has(digest))).toEqual([]);
    for (const digest of layers) expect(host.layers.has(digest)).toBe(true);
  };

  it("with its agent: what is left is collected by the next one, and nothing tells the secret", async () => {
    const program = fileURLToPath(new URL("./testing/abandoned-build.ts", import.meta.url));
    const images = Object.fromEntries([...host.bases].map(([name, { digest }]) => [name, digest]));
    const before = mounts();
    const killed: string[] = [];
    const killAt = async (moment: string, number: number) => {
      const commit = await host.commit(files(`agent-${number}`));
      const order = { id: `killed-${number}`, namespace: NAMESPACE, repository: host.repository, commit, ...request };
      const argument = JSON.stringify({ layout: host.layout, cacheDir: join(host.dir, "cache"), request: order, images });
      const agent = await start([process.execPath, program, argument], { stdio: ["ignore", "pipe", "inherit"] });
      const gone = new Promise((resolve) => agent.once("close", resolve));
      const name = namer();
      agent.stdout?.on(
        "data",
        jsonLines<BuildEvent>((event) => {
          if (!name(event).includes(moment)) return;
          if (agent.kill("SIGKILL")) killed.push(moment);
        }),
      );
      await gone;
    };
    // Some at a time: what one leaves is none of the others' business.
    for (let at = 0; at < MOMENTS.length; at += 3)
      await Promise.all(MOMENTS.slice(at, at + 3).map((moment, index) => killAt(moment, at + index)));
    expect([...new Set(killed)].sort()).toEqual([...MOMENTS].sort());
    // A command that was just being made may outlive them: it goes with the cgroup.
    await until("the workers have ended themselves", () => !host.cgroups.processes(build).some(isWorker));
    // The control: there is something to be collected.
    expect(listNetworkNamespaces(host.layout)).not.toEqual([]);
    expect(readdirSync(join(host.layout.layersDir, "tmp"))).not.toEqual([]);
    await collected(before);
    const tells = readdirSync(host.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .filter((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(SECRET));
    expect(tells.map(({ name }) => name)).toEqual([]);
    // The platform gives a build whose agent was killed to the next one, under the id that it had.
    imageOf(await host.build(files("after-agents"), { request: { ...request, id: `killed-${MOMENTS.indexOf("begins RUN --mount")}` } }));
  });

  it("with its worker: the build says so, and the same holds", async () => {
    const before = mounts();
    const killAt = async (moment: string, number: number) => {
      const id = `worker-${number}`;
      const name = namer();
      let hit = false;
      const onEvent = (event: BuildEvent) => {
        const [worker] = host.cgroups.processes(`${build}/${id}/worker`);
        const called = name(event);
        if (hit || worker === undefined || !called.includes(moment)) return;
        process.kill(worker, "SIGKILL");
        hit = true;
      };
      const run = await host.build(files(id), { request: { ...request, id }, onEvent });
      // After its last step it has nothing to do any more.
      if (hit && moment !== "done") expect(failureOf(run)).toMatchObject({ reason: "interrupted" });
      return hit;
    };
    const hits = await Promise.all(MOMENTS.map(killAt));
    expect(hits.filter(Boolean).length).toBeGreaterThan(3);
    await collected(before);
    imageOf(await host.build(files("after-workers"), { request }));
  });
});
