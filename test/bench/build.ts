import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { api, inDemo } from "../support/api.ts";
import { type App, createApp, demoScope, type Files, untilSettled } from "../support/app.ts";
import { changes, versionOf } from "../support/database.ts";
import type { Platform } from "../support/platform.ts";
import type { Benchmark, Lab } from "./benchmark.ts";
import { type Docker, writeContext } from "./docker.ts";
import { edit, fixture, taken } from "./fixture.ts";
import { measurePairs, type TakeSample } from "./pairs.ts";
import type { Measurement } from "./report.ts";
import { median, rounded } from "./statistics.ts";

const NAME = "bench-build";
const BUILD_TIMEOUT_MS = 120_000;

export const buildNoop: Benchmark = {
  name: "build.noop",
  about: "a build with nothing changed; peer: docker build, whole command",
  run: (lab) => measureBuilds(lab, { bench: "build.noop", target: "<=0.5", change: () => ({}) }),
};

export const buildEdit: Benchmark = {
  name: "build.edit",
  about: "a build with one source file changed: COPY and one RUN run again; peer: docker build, whole command",
  run: (lab) => measureBuilds(lab, { bench: "build.edit", target: "<=0.6", change: edit }),
};

interface Kind {
  readonly bench: string;
  readonly target: string;
  /** What is written into both contexts before a sample. */
  readonly change: (version: string) => Files;
}

/** One build of ours, in milliseconds. */
interface Timed {
  /** From the beginning of the transaction that enqueued it until its result was committed and could be read. */
  readonly enqueuedToRecordedMs: number;
  /** By the build record: from the agent's claim to its end. */
  readonly startedToFinishedMs: number;
  /** The whole `git push`, which also rolls the release out (to no instance). */
  readonly pushMs: number;
}

async function measureBuilds(lab: Lab, kind: Kind): Promise<readonly Measurement[]> {
  const platform = await lab.platform();
  const app = await createApp(platform, NAME);
  try {
    // No instances: what a build is followed by must not run beside the next one.
    await api(platform, "POST", inDemo("/apps"), { name: NAME });
    await api(platform, "POST", inDemo(`/apps/${NAME}/scale`), { process: "web", replicas: 0 });
    taken(await app.push(fixture("first")));
    await untilSettled(platform, NAME);
    const engine = await lab.docker();
    const takePeer = engine === undefined ? undefined : await peerOf(lab, engine, kind);
    const timed: Timed[] = [];
    const takeOurs = async (index: number) => {
      const sample = await buildOnce(platform, app, kind.change(`edit-${index}-${Date.now()}`));
      if (index >= 0) timed.push(sample);
      return sample.enqueuedToRecordedMs;
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
          `ours: build enqueued → its result recorded; of it claimed → finished by its agent ${middle((one) => one.startedToFinishedMs)} ms; ` +
            `the whole git push ${middle((one) => one.pushMs)} ms`,
        ],
        details: { timed },
      },
    ];
  } finally {
    await app.remove();
  }
}

/** Pushes a commit and times its build by the platform's own record of changes. */
async function buildOnce(platform: Platform, app: App, files: Files): Promise<Timed> {
  const scope = await demoScope(platform);
  const { send } = await app.prepare(files);
  const mark = await versionOf(platform, scope);
  const watching = new AbortController();
  const recorded = untilBuilt(platform, scope, mark, AbortSignal.any([watching.signal, AbortSignal.timeout(BUILD_TIMEOUT_MS)]));
  try {
    const beginMs = performance.now();
    taken(await send());
    const pushMs = performance.now() - beginMs;
    const { createdAtMs, recordedAtMs, status } = await recorded;
    await untilSettled(platform, app.name);
    if (status.phase !== "succeeded") throw new Error(`the build ended as ${status.phase}`);
    return {
      enqueuedToRecordedMs: recordedAtMs - createdAtMs,
      startedToFinishedMs: Date.parse(status.finishedAt) - Date.parse(status.startedAt),
      pushMs,
    };
  } finally {
    watching.abort();
  }
}

interface Built {
  readonly createdAtMs: number;
  readonly recordedAtMs: number;
  readonly status: { readonly phase: string; readonly startedAt: string; readonly finishedAt: string };
}

/** The first build after the mark, when its end has been read. */
async function untilBuilt(platform: Platform, scope: string, mark: number, signal: AbortSignal): Promise<Built> {
  for await (const change of changes(platform, scope, mark, signal)) {
    const status = change.object.status as Built["status"];
    if (change.kind === "Build" && status.finishedAt !== undefined) {
      const { createdAt } = change.object.metadata as unknown as { readonly createdAt: string };
      return { createdAtMs: Date.parse(createdAt), recordedAtMs: Date.now(), status };
    }
  }
  throw new Error(`no build ended within ${BUILD_TIMEOUT_MS} ms`);
}

/** `docker build` as it is typed, in a directory with the same files. */
async function peerOf({ scratch }: Lab, docker: Docker, { bench, change }: Kind): Promise<TakeSample> {
  const context = join(scratch, bench);
  await writeContext(context, fixture("first"));
  return async (index) => {
    await writeContext(context, change(`edit-${index}-${Date.now()}`));
    const beginMs = performance.now();
    await run(docker.argv("build", "-t", bench, context), { env: docker.env, timeoutMs: BUILD_TIMEOUT_MS });
    return performance.now() - beginMs;
  };
}
