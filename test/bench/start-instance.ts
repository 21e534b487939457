import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { start } from "@plimsoll/exec";
import { api, inDemo } from "../support/api.ts";
import { type App, createApp, demoScope, untilSettled } from "../support/app.ts";
import { untilChanged } from "../support/database.ts";
import type { Platform } from "../support/platform.ts";
import type { Benchmark } from "./benchmark.ts";
import type { Docker } from "./docker.ts";
import { BASE, taken } from "./fixture.ts";
import { measurePairs } from "./pairs.ts";
import { median, rounded } from "./statistics.ts";
import { describeTimelines, markChanges, type Timeline, timelineAfter } from "./timeline.ts";

const NAME = "bench-echo";
const SAID = "it runs";
/** It stays, so that neither side restarts it; the same on both. */
const COMMAND = ["sh", "-c", `echo ${SAID}; exec sleep 3600`];
const START_TIMEOUT_MS = 60_000;

/** One start of ours, in milliseconds. */
interface Timed {
  /** From the transaction that places the instance and enqueues its host's job. */
  readonly enqueuedToByteMs: number;
  /** From the request that asked for one more instance. */
  readonly requestToByteMs: number;
  /** After the request. */
  readonly timeline: Timeline;
}

export const startInstance: Benchmark = {
  name: "start.instance",
  about: "job enqueued → first byte of `echo`, with network; peer: docker run on its bridge",
  run: async (lab) => {
    const platform = await lab.platform();
    const app = await createApp(platform, NAME);
    try {
      await createEcho(platform, app);
      const engine = await lab.docker();
      const timed: Timed[] = [];
      const takeOurs = async (index: number) => {
        const sample = await startOnce(platform);
        if (index >= 0) timed.push(sample);
        return sample.enqueuedToByteMs;
      };
      const { ours, peer } = await measurePairs(lab.pairs, takeOurs, engine === undefined ? undefined : () => dockerRun(engine));
      return [
        {
          bench: startInstance.name,
          unit: "ms",
          target: "<=0.35",
          ours,
          ...(peer === undefined || engine === undefined ? {} : { peer: { name: `docker run (${engine.version})`, samples: peer } }),
          notes: [
            `ours: the transaction that places the instance and enqueues its host's job → first byte by the monitor's clock; ` +
              `from the API request to scale ${rounded(median(timed.map((one) => one.requestToByteMs)))} ms`,
            `ours, ms after that request (medians): ${describeTimelines(timed.map(({ timeline }) => timeline))}`,
          ],
          details: { timed },
        },
      ];
    } finally {
      await app.remove();
    }
  },
};

/** An app that runs the command, at zero instances. */
async function createEcho(platform: Platform, app: App): Promise<void> {
  const web = {
    command: COMMAND,
    replicas: 0,
    cpuMillis: 250,
    memoryBytes: 64 * 1024 ** 2,
    readiness: { kind: "none" },
    stopGraceMs: 1_000,
  };
  await api(platform, "POST", inDemo("/apps"), { name: NAME, spec: { processes: { web } } });
  taken(await app.push({ Dockerfile: `FROM ${BASE}\n` }));
  await untilSettled(platform, NAME);
}

async function startOnce(platform: Platform): Promise<Timed> {
  const mark = await markChanges(platform);
  const requestAtMs = Date.now();
  await scale(platform, 1);
  const scope = await demoScope(platform);
  const started = await untilChanged(platform, scope, "the first byte of echo", START_TIMEOUT_MS, async (client) => {
    const text = `SELECT i.uid, i.namespace_uid AS "namespaceUid", (extract(epoch FROM i.created_at) * 1000)::float8 AS "atMs"
      FROM objects i JOIN objects a ON a.uid = i.owner_uid AND a.name = $1 WHERE i.kind = 'Instance'`;
    const { rows } = await client.query<{ uid: string; namespaceUid: string; atMs: number }>(text, [NAME]);
    const [instance] = rows;
    if (instance === undefined) return undefined;
    const byteAtMs = firstByteAtMs(join(platform.host.logsDir, instance.namespaceUid, instance.uid, "log"));
    return byteAtMs === undefined ? undefined : { byteAtMs, enqueuedAtMs: instance.atMs };
  });
  await untilSettled(platform, NAME);
  const timeline = { ...(await timelineAfter(platform, mark, requestAtMs)), "first byte": Math.round(started.byteAtMs - requestAtMs) };
  await scale(platform, 0);
  await untilSettled(platform, NAME);
  return { enqueuedToByteMs: started.byteAtMs - started.enqueuedAtMs, requestToByteMs: started.byteAtMs - requestAtMs, timeline };
}

function scale(platform: Platform, replicas: number): Promise<unknown> {
  return api(platform, "POST", inDemo(`/apps/${NAME}/scale`), { process: "web", replicas });
}

/** Of a log that conmon writes: `2026-11-20T22:43:42.051492413+00:00 stdout F …`. */
function firstByteAtMs(path: string): number | undefined {
  const [at, , , ...words] = existsSync(path) ? readFileSync(path, "utf8").split("\n", 1).join().split(" ") : [];
  if (at === undefined || words.join(" ") !== SAID) return undefined;
  const [seconds = "", fraction = ""] = at.split("+")[0]?.split(".") ?? [];
  return Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1_000;
}

/** `docker run` as it is typed, to the first byte that its user sees. */
async function dockerRun({ argv, env, docker }: Docker): Promise<number> {
  const name = `bench-echo-${Date.now()}`;
  const beginMs = performance.now();
  const child = await start(argv("run", "--rm", "--name", name, BASE, ...COMMAND), { env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => (words += chunk.toString()));
  const byte = new Promise<number>((resolve, reject) => {
    child.stdout?.once("data", () => resolve(performance.now() - beginMs));
    child.once("close", () => reject(new Error(`docker run said nothing: ${words}`)));
  });
  const tookMs = await byte;
  await docker("kill", name);
  await ended;
  return tookMs;
}
