import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { api, callApi, inDemo } from "../support/api.ts";
import { demoScope, type Files } from "../support/app.ts";
import { query, untilChanged } from "../support/database.ts";
import { insidePlatform, type Platform } from "../support/platform.ts";
import type { Benchmark, Lab } from "./benchmark.ts";
import { type Docker, writeContext } from "./docker.ts";
import { contextFixture, edit, fixture, stagesFixture } from "./fixture.ts";
import { measurePairs, type TakeSample } from "./pairs.ts";
import type { Measurement } from "./report.ts";
import { median, rounded } from "./statistics.ts";

const NAME = "bench-build";
const BUILD_TIMEOUT_MS = 600_000;

export const buildNoop: Benchmark = {
  name: "build.noop",
  about: "a build with nothing changed; peer: docker build, whole command",
  run: (lab) => measureBuilds(lab, { bench: "build.noop", target: "<=0.5", files: () => fixture("first"), change: () => ({}) }),
};

export const buildEdit: Benchmark = {
  name: "build.edit",
  about: "a build with one source file changed: COPY and one RUN run again; peer: docker build, whole command",
  run: (lab) => measureBuilds(lab, { bench: "build.edit", target: "<=0.6", files: () => fixture("first"), change: edit }),
};

export const buildStages: Benchmark = {
  name: "build.stages",
  about: "three independent stages, every step executed; peer: docker build --no-cache",
  run: (lab) =>
    measureBuilds(lab, { bench: "build.stages", target: "<=0.9", files: stagesFixture, change: () => ({}), options: ["--no-cache"] }),
};

export const buildContext: Benchmark = {
  name: "build.context",
  about: "a context of 20,000 files and 500 MB with one file changed; peer: docker build, whole command",
  run: (lab) => measureBuilds(lab, { bench: "build.context", target: "<=0.1", files: () => contextFixture(lab.smoke), change: edit }),
};

interface Kind {
  readonly bench: string;
  readonly target: string;
  /** What both contexts begin with. */
  readonly files: () => Files;
  /** Of both commands. */
  readonly options?: readonly string[];
  /** What is written into both contexts before a sample. */
  readonly change: (version: string) => Files;
}

/** One build of ours, in milliseconds. */
interface Timed {
  /** `plim build` as it is typed, from its start to its end. */
  readonly commandMs: number;
  /** By the build record: from the transaction that enqueued it to its result. */
  readonly enqueuedToRecordedMs: number;
  /** By the build record: from the agent's claim to its result. */
  readonly startedToFinishedMs: number;
}

async function measureBuilds(lab: Lab, kind: Kind): Promise<readonly Measurement[]> {
  const platform = await lab.platform();
  await api(platform, "POST", inDemo("/apps"), { name: NAME });
  try {
    const ourBuild = await oursOf(lab, platform, kind);
    const engine = await lab.docker();
    const takePeer = engine === undefined ? undefined : await peerOf(lab, engine, kind);
    const timed: Timed[] = [];
    const takeOurs = async (index: number) => {
      const sample = await ourBuild(index);
      if (index >= 0) timed.push(sample);
      return sample.commandMs;
    };
    const { ours, peer } = await measurePairs(lab.pairs, takeOurs, takePeer);
    const middle = (pick: (sample: Timed) => number) => rounded(median(timed.map(pick)));
    return [
      {
        bench: kind.bench,
        unit: "ms",
        target: kind.target,
        ours,
        ...(peer === undefined || engine === undefined ? {} : { peer: { name: `docker build (${engine.version})`, samples: peer } }),
        notes: [
          `ours: \`plim build\`, whole command; of it enqueued → recorded ${middle((one) => one.enqueuedToRecordedMs)} ms, ` +
            `claimed by its agent → recorded ${middle((one) => one.startedToFinishedMs)} ms`,
        ],
        details: { timed },
      },
    ];
  } finally {
    await callApi(platform, "DELETE", inDemo(`/apps/${NAME}`));
    await untilGone(platform);
  }
}

/** `plim build` as it is typed, in a git repository with the files; what is edited is not committed. */
async function oursOf(
  { scratch }: Lab,
  platform: Platform,
  { bench, files, options = [], change }: Kind,
): Promise<(index: number) => Promise<Timed>> {
  const context = join(scratch, `${bench}-ours`);
  await writeContext(context, files());
  const who = ["-c", "user.name=Bench", "-c", "user.email=bench@plimsoll.invalid"];
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "-A"],
    [...who, "commit", "-q", "-m", "first"],
  ])
    await run(["git", ...args], { cwd: context, env: { ...minimalEnv, HOME: scratch }, timeoutMs: BUILD_TIMEOUT_MS });
  const env = { ...minimalEnv, HOME: scratch, PLIM_URL: `http://localhost:${platform.place.httpPort}`, PLIM_TOKEN: platform.token };
  const argv = insidePlatform(platform, [join(platform.place.dataDir, "bin/plim"), "build", NAME, "-n", "demo/demo", ...options]);
  return async (index) => {
    await writeContext(context, change(`edit-${index}-${Date.now()}`));
    const beginMs = performance.now();
    await run(argv, { cwd: context, env, timeoutMs: BUILD_TIMEOUT_MS });
    return { commandMs: performance.now() - beginMs, ...(await newestBuild(platform)) };
  };
}

async function newestBuild(platform: Platform): Promise<Omit<Timed, "commandMs">> {
  const [row] = await query<{ phase: string; created: number; started: number; finished: number }>(
    platform,
    `SELECT b.phase, extract(epoch FROM b.created_at)::float8 * 1000 AS created,
            extract(epoch FROM (b.status ->> 'startedAt')::timestamptz)::float8 * 1000 AS started,
            extract(epoch FROM (b.status ->> 'finishedAt')::timestamptz)::float8 * 1000 AS finished
     FROM objects b JOIN objects a ON a.uid = b.owner_uid AND a.name = $1 WHERE b.kind = 'Build' ORDER BY b.created_at DESC LIMIT 1`,
    [NAME],
  );
  if (row?.phase !== "succeeded") throw new Error(`the build ended as ${row?.phase ?? "nothing"}`);
  return { enqueuedToRecordedMs: row.finished - row.created, startedToFinishedMs: row.finished - row.started };
}

async function untilGone(platform: Platform): Promise<void> {
  await untilChanged(platform, await demoScope(platform), `the end of ${NAME}`, BUILD_TIMEOUT_MS, async (client) =>
    (await client.query("SELECT FROM objects WHERE kind = 'App' AND name = $1", [NAME])).rowCount === 0 ? true : undefined,
  );
}

/** `docker build` as it is typed, in a directory with the same files. */
async function peerOf({ scratch }: Lab, docker: Docker, { bench, files, options = [], change }: Kind): Promise<TakeSample> {
  const context = join(scratch, bench);
  await writeContext(context, files());
  return async (index) => {
    await writeContext(context, change(`edit-${index}-${Date.now()}`));
    const beginMs = performance.now();
    await run(docker.argv("build", ...options, "-t", bench, context), { env: docker.env, timeoutMs: BUILD_TIMEOUT_MS });
    return performance.now() - beginMs;
  };
}
