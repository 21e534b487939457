import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { minimalEnv, run } from "@plimsoll/exec";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { query } from "../support/database.ts";
import { runtimeCommand } from "../support/ingress.ts";
import { type MeterReport, startMeter } from "../support/load.ts";
import type { Platform } from "../support/platform.ts";
import type { Benchmark, Lab } from "./benchmark.ts";
import { type Docker, writeContext } from "./docker.ts";
import { edit, fixture, taken } from "./fixture.ts";
import { measurePairs } from "./pairs.ts";
import { type ProbeReport, startProbe } from "./probe.ts";
import { describeTimelines, markChanges, type Timeline, timelineAfter } from "./timeline.ts";

const NAME = "bench-push";
const PROBE_EVERY_MS = 50;
const LIVE_TIMEOUT_MS = 120_000;
/** Pushes that nobody times, under the load of the downtime tests: 20 probes a second would miss a short gap. */
const LOADED_PUSHES = 5;
const GAP_MS = 200;
const GAP_TRIES = 3;

export const pushEdit: Benchmark = {
  name: "push.edit",
  about:
    "git push of a one-line change → first 200 from the new release, nothing dropped; peer: push to a bare repository, docker build, run, poll",
  run: async (lab) => {
    const platform = await lab.platform();
    const app = await createApp(platform, NAME);
    try {
      taken(await app.push(fixture("first")));
      await untilSettled(platform, NAME);
      const engine = await lab.docker();
      const peer = engine === undefined ? undefined : await barePipeline(lab, engine);
      const ours = oursOf(platform, app);
      const pairs = await measurePairs(lab.pairs, ours.take, peer?.take);
      const loaded = await underLoad(platform, app, lab.smoke ? 1 : LOADED_PUSHES);
      const seen = await seePlantedGap(platform, app);
      const probed = ours.reports.flatMap(({ failures }) => failures);
      const requests = ours.reports.reduce((sum, report) => sum + report.requests, 0);
      return [
        {
          bench: pushEdit.name,
          unit: "ms",
          target: "<=1.0, p50<=1000, dropped<=0",
          ours: pairs.ours,
          ...(pairs.peer === undefined || engine === undefined ? {} : { peer: { name: peerName(engine), samples: pairs.peer } }),
          dropped: probed.length + loaded.failures.length,
          notes: [
            `dropped: ${probed.length} of ${requests} probes, ${loaded.failures.length} of ${loaded.requests} requests in ${loaded.pushes} more pushes under load; ` +
              `a planted gap of ${GAP_MS} ms was seen by both (${seen.probe} probes, ${seen.load} requests)`,
            `ours, ms after the push began (medians): ${describeTimelines(ours.timelines)}`,
          ],
          details: { timelines: ours.timelines, probes: ours.reports, loaded, plantedGap: seen },
        },
      ];
    } finally {
      await app.remove();
    }
  },
};

function peerName({ version }: Docker): string {
  return `bare repository, docker build, docker run (${version})`;
}

interface Ours {
  readonly take: (index: number) => Promise<number>;
  /** Of the pushes that count. */
  readonly reports: ProbeReport[];
  readonly timelines: Timeline[];
}

/** One sample is one real `git push` over SSH; its probes go on until the old release is gone. */
function oursOf(platform: Platform, app: App): Ours {
  const reports: ProbeReport[] = [];
  const timelines: Timeline[] = [];
  const take = async (index: number) => {
    const version = `edit-${index}-${Date.now()}`;
    const { send } = await app.prepare(edit(version));
    const probe = await startProbe(platform.place.netns, {
      port: platform.place.httpPort,
      host: app.host,
      wanted: version,
      everyMs: PROBE_EVERY_MS,
    });
    try {
      const mark = await markChanges(platform);
      const beginMs = Date.now();
      probe.begin();
      // A push that is refused says why, which is better than to wait for its release.
      const sent = send().then(taken);
      const [firstMs] = await Promise.all([probe.whenFirst(LIVE_TIMEOUT_MS), sent]);
      await untilSettled(platform, app.name);
      const report = await probe.end();
      if (index >= 0) {
        reports.push(report);
        timelines.push({ ...(await timelineAfter(platform, mark, beginMs)), "first 200": firstMs - beginMs });
      }
      return firstMs - beginMs;
    } finally {
      await probe.end();
    }
  };
  return { take, reports, timelines };
}

/** What is dropped in pushes under the load of the downtime tests. */
async function underLoad(platform: Platform, app: App, pushes: number): Promise<MeterReport & { readonly pushes: number }> {
  const meter = await startMeter(platform, app.host);
  try {
    for (let i = 0; i < pushes; i++) taken(await app.push(edit(`loaded-${i}-${Date.now()}`)));
    await untilSettled(platform, app.name);
    return { ...(await meter.stop()), pushes };
  } finally {
    await meter.stop();
  }
}

interface Seen {
  readonly probe: number;
  readonly load: number;
}

/** The control of both counters: a gap that neither may miss. On a machine so busy that they did not get to ask in it, there is another. */
async function seePlantedGap(platform: Platform, app: App): Promise<Seen> {
  const tries: Seen[] = [];
  for (let i = 0; i < GAP_TRIES; i++) {
    const seen = await plantGap(platform, app);
    if (seen.probe > 0 && seen.load > 0) return seen;
    tries.push(seen);
  }
  throw new Error(`planted gaps of ${GAP_MS} ms were not seen: ${JSON.stringify(tries)}`);
}

/** Takes the app's server out of the ingress for a moment; answers how many requests each counter saw fail. */
async function plantGap(platform: Platform, app: App): Promise<Seen> {
  const servers = await serversOf(platform, app);
  const meter = await startMeter(platform, app.host);
  const options = { port: platform.place.httpPort, host: app.host, wanted: "", everyMs: PROBE_EVERY_MS };
  const probe = await startProbe(platform.place.netns, options);
  try {
    probe.begin();
    for (const server of servers) await runtimeCommand(platform, `set server ${server} state maint`);
    await sleep(GAP_MS);
    for (const server of servers) await runtimeCommand(platform, `set server ${server} state ready`);
    return { probe: (await probe.end()).failures.length, load: (await meter.stop()).failures.length };
  } finally {
    await Promise.all([probe.end(), meter.stop()]);
  }
}

/** The app's servers at the ingress, as `backend/server`: those at the address of one of its instances. */
async function serversOf(platform: Platform, app: App): Promise<readonly string[]> {
  const instances = await query<{ uid: string }>(
    platform,
    "SELECT i.uid FROM objects i JOIN objects a ON a.uid = i.owner_uid AND a.name = $1 WHERE i.kind = 'Instance'",
    [app.name],
  );
  const uids = new Set(instances.map(({ uid }) => uid));
  const servers = (await runtimeCommand(platform, "show servers state"))
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , , server]) => server !== undefined && uids.has(server))
    .map(([, backend, , server]) => `${backend}/${server}`);
  if (servers.length === 0) throw new Error("the ingress has no server of the app");
  return servers;
}

/**
 * What a person sets up by hand: a bare repository whose hook checks out, builds, and runs the image on a port of its own. Its push goes
 * by the file system, without SSH; the old container is removed afterwards, outside of what is timed.
 */
async function barePipeline(lab: Lab, docker: Docker): Promise<{ take(index: number): Promise<number> }> {
  const home = join(lab.scratch, "bare");
  const [bare, work, tree] = [join(home, "app.git"), join(home, "work"), join(home, "tree")];
  for (const directory of [work, tree]) await mkdir(directory, { recursive: true });
  const env = { ...minimalEnv, ...docker.env, HOME: home, GIT_CONFIG_NOSYSTEM: "1", ...author };
  const git = (...args: string[]) => run(["git", ...args], { cwd: tree, env });
  await git("init", "-q", "--bare", "-b", "main", bare);
  await git("init", "-q", "-b", "main");
  await writeFile(join(bare, "hooks/post-receive"), hook(work, docker.argv().join(" ")), { mode: 0o755 });
  await writeContext(tree, fixture("first"));
  let last = "";
  let count = 0;
  return {
    take: async (index) => {
      const version = `edit-${index}-${Date.now()}`;
      const [port, name] = [20_000 + count, `bench-${count}`];
      count++;
      await writeContext(tree, edit(version));
      await git("add", "-A");
      await git("commit", "-q", "-m", version);
      const probe = await startProbe(docker.netns, { port, host: "localhost", wanted: version, everyMs: PROBE_EVERY_MS });
      try {
        const beginMs = Date.now();
        probe.begin();
        const argv = ["git", "push", "-q", bare, "main"];
        const sent = run(argv, { cwd: tree, env: { ...env, BENCH_NAME: name, BENCH_PORT: String(port) }, timeoutMs: LIVE_TIMEOUT_MS });
        const [firstMs] = await Promise.all([probe.whenFirst(LIVE_TIMEOUT_MS), sent]);
        return firstMs - beginMs;
      } finally {
        await probe.end();
        if (last !== "") await docker.docker("rm", "--force", last);
        last = name;
      }
    },
  };
}

const author = {
  GIT_AUTHOR_NAME: "Bench",
  GIT_AUTHOR_EMAIL: "bench@plimsoll.invalid",
  GIT_COMMITTER_NAME: "Bench",
  GIT_COMMITTER_EMAIL: "bench@plimsoll.invalid",
};

/** The peer's own script: this is what such pipelines are made of. Ends with the failure of any of its steps. */
function hook(work: string, docker: string): string {
  return `#!/bin/sh
set -e
git --work-tree=${work} checkout -q -f main
unset GIT_DIR
${docker} build -q -t bench-push ${work}
${docker} run -d --name "$BENCH_NAME" -e PORT=8080 -p 127.0.0.1:"$BENCH_PORT":8080 bench-push
`;
}
