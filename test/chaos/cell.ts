import { run } from "@plimsoll/exec";
import { untilServing } from "../support/api.ts";
import { type App, type PushResult, untilSettled } from "../support/app.ts";
import { query, untilChanged } from "../support/database.ts";
import { versionFile } from "../support/files.ts";
import { hostStateAgain, readHostState } from "../support/kernel.ts";
import { type Meter, type MeteredFailure, startMeter } from "../support/load.ts";
import { insidePlatform, type Platform } from "../support/platform.ts";
import { kill, type ProcessName, untilBack } from "../support/processes.ts";
import { withRedis } from "../support/redis.ts";
import { type Boundary, type Sighting, watchBoundary } from "./boundaries.ts";

/** One experiment: this process is killed when a push passes this boundary. */
export interface Cell {
  readonly process: ProcessName | "flush redis";
  readonly boundary: Boundary;
}

export interface CellReport {
  readonly cell: Cell;
  /** Sentences about what is not as it must be; none: the cell held. */
  readonly broken: readonly string[];
  readonly sighting: Sighting;
  readonly outcome: string;
  readonly tookMs: number;
}

export interface ChaosApp {
  readonly app: App;
  readonly uid: string;
  /** Uid of its namespace. */
  readonly scope: string;
}

/** A boundary that is not passed by then is none of this push's any more. */
const PUSH_TIMEOUT_MS = 120_000;
const SETTLE_TIMEOUT_MS = 100_000;
const RECORD_TIMEOUT_MS = 40_000;
/** After the master of HAProxy was killed, new connections are taken again within this time. */
const INGRESS_BACK_MS = 1_000;

/**
 * Pushes a tiny change under load, kills the process at the boundary, lets the platform come to rest, and compares what is with what must
 * be. The app has more than one instance, at rest, of a release that answers. Throws only when the experiment itself could not be made.
 */
export async function runCell(platform: Platform, { app, uid, scope }: ChaosApp, cell: Cell, version: string): Promise<CellReport> {
  const begin = performance.now();
  // The one before may have killed the server.
  await untilServing(platform);
  await untilSettled(platform, app.name, SETTLE_TIMEOUT_MS);
  const before = await readHostState(platform);
  const push = await app.prepare(versionFile(version));
  const signal = AbortSignal.timeout(PUSH_TIMEOUT_MS);
  const watch = watchBoundary(platform, { appUid: uid, scope, commit: push.commit }, cell.boundary, signal);
  await watch.armed;
  // Longer than HAProxy tries: what it makes good is no failure, however long it took.
  const meter = await startMeter(platform, app.host, { timeoutMs: 30_000 });
  try {
    const sent = push.send();
    const sighting = await watch.passed;
    const { atMs, back } = await strike(platform, cell, uid, sighting);
    const result = await sent;
    await back;
    // What was received will be recorded, if by the scan of a server that was started again.
    const rests = await untilChanged(platform, scope, "its record", RECORD_TIMEOUT_MS, async (client) =>
      (await client.query("SELECT FROM pushes WHERE app_uid = $1 AND commit = $2", [uid, push.commit])).rowCount === 0 ? undefined : true,
    )
      .then(() => untilSettled(platform, app.name, SETTLE_TIMEOUT_MS))
      .then(
        () => true,
        () => false,
      );
    const facts = await readFacts(platform, uid, push.commit);
    const broken = [
      ...(rests ? [] : [`not at rest after ${SETTLE_TIMEOUT_MS} ms: ${await describeUnrest(platform, uid)}`]),
      ...judgePush(facts, result, cell),
      ...(await judgeAnswer(platform, app, facts.live ? version : undefined)),
      ...(await judgeLoad(meter, cell, atMs)),
      ...(await hostStateAgain(platform, before)).map((line) => `on the host: ${line}`),
    ];
    const outcome = facts.live ? "live" : `refused: ${facts.reason ?? "without a reason"}`;
    return { cell, broken, sighting, outcome, tookMs: Math.round(performance.now() - begin) };
  } finally {
    await meter.stop();
  }
}

interface Struck {
  readonly atMs: number;
  /** When what was killed runs again. */
  readonly back: Promise<unknown>;
}

async function strike(platform: Platform, cell: Cell, appUid: string, sighting: Sighting): Promise<Struck> {
  if (cell.process === "flush redis") {
    const atMs = Date.now();
    await withRedis(platform, async (redis) => {
      if ((await redis.dbsize()) === 0) throw new Error("Redis holds nothing that could be lost");
      await redis.flushall();
    });
    return { atMs, back: Promise.resolve() };
  }
  if (cell.process === "conmon") {
    const instance = sighting.instanceUid ?? (await newestInstance(platform, appUid));
    return { ...kill(platform, "conmon", instance), back: Promise.resolve() };
  }
  const { victim, atMs } = kill(platform, cell.process);
  const back = untilBack(platform, cell.process, victim);
  // It is waited for when the push has ended; until then its failure is nobody's.
  back.catch(() => undefined);
  return { atMs, back };
}

async function newestInstance(platform: Platform, appUid: string): Promise<string | undefined> {
  const text = `SELECT uid FROM objects WHERE kind = 'Instance' AND owner_uid = $1 AND phase IN ('starting', 'ready')
    ORDER BY (spec ->> 'release')::int DESC, uid DESC LIMIT 1`;
  return (await query<{ uid: string }>(platform, text, [appUid]))[0]?.uid;
}

interface Facts {
  readonly pushes: number;
  readonly builds: number;
  readonly releases: number;
  readonly deployments: number;
  readonly live: boolean;
  readonly reason: string | null;
  readonly branchMoved: boolean;
  readonly buildFailed: boolean;
  readonly deploymentPhase: string | null;
}

async function readFacts(platform: Platform, appUid: string, commit: string): Promise<Facts> {
  const text = `WITH p AS (SELECT * FROM pushes WHERE app_uid = $1 AND commit = $2),
      b AS (SELECT * FROM objects WHERE owner_uid = $1 AND kind = 'Build' AND spec -> 'source' ->> 'commit' = $2),
      r AS (SELECT * FROM objects WHERE owner_uid = $1 AND kind = 'Release' AND spec -> 'source' ->> 'commit' = $2),
      d AS (SELECT * FROM objects WHERE owner_uid = $1 AND kind = 'Deployment' AND spec ->> 'pushId' IN (SELECT id FROM p))
    SELECT (SELECT count(*)::int FROM p) AS pushes, (SELECT count(*)::int FROM b) AS builds, (SELECT count(*)::int FROM r) AS releases,
      (SELECT count(*)::int FROM d) AS deployments, coalesce((SELECT bool_or(state = 'live') FROM p), false) AS live,
      (SELECT max(reason) FROM p) AS reason, coalesce((SELECT bool_or(phase = 'failed') FROM b), false) AS "buildFailed",
      (SELECT max(phase) FROM d) AS "deploymentPhase"`;
  const [facts] = await query<Omit<Facts, "branchMoved">>(platform, text, [appUid, commit]);
  if (facts === undefined) throw new Error("no facts");
  const repository = `${platform.layout.dataDir}/git/repositories/${appUid}.git`;
  const { stdout } = await run(["git", `--git-dir=${repository}`, "rev-parse", "refs/heads/main"], { okCodes: [0, 128] });
  return { ...facts, branchMoved: stdout.trim() === commit };
}

/** Exactly one of everything, and the same story in the repository, in the database and on the pusher's screen. */
function judgePush(facts: Facts, result: PushResult, cell: Cell): readonly string[] {
  const broken: string[] = [];
  const say = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence);
  };
  say(facts.pushes === 1, `${facts.pushes} pushes were recorded`);
  say(facts.builds === 1, `${facts.builds} builds`);
  say(facts.branchMoved === facts.live, facts.live ? "it is live and the branch did not move" : "the branch moved and it is not live");
  if (facts.live) {
    say(facts.releases === 1, `${facts.releases} releases of one push`);
    say(facts.deployments === 1, `${facts.deployments} deployments of one push`);
    say(facts.deploymentPhase === "complete", `live, and its deployment is ${facts.deploymentPhase}`);
  } else {
    say(facts.releases <= 1 && facts.deployments <= 1, `${facts.releases} releases, ${facts.deployments} deployments of one push`);
    say(facts.buildFailed || facts.deploymentPhase === "failed", "refused, and neither build nor deployment failed");
    say((facts.reason ?? "") !== "", "refused without a reason");
  }
  // Only the server holds the pusher's connection.
  if (cell.process !== "server") {
    say((result.code === 0) === facts.live, `it is ${facts.live ? "live" : "not live"} and git ended with ${result.code}:\n${result.text}`);
    if (!facts.live) say(result.text.includes(facts.reason ?? "\0"), `the pusher was not told "${facts.reason}":\n${result.text}`);
  } else if (result.code === 0) say(facts.live, "git was told that it is live, and it is not");
  return broken;
}

async function judgeAnswer(platform: Platform, app: App, version: string | undefined): Promise<readonly string[]> {
  const { code, stdout } = await run(
    insidePlatform(platform, [
      ...["curl", "-sS", "--fail", "--max-time", "10", "-H", `host: ${app.host}`],
      `http://127.0.0.1:${platform.place.httpPort}/`,
    ]),
    { okCodes: [0, 7, 22, 28, 52, 56] },
  );
  if (code !== 0) return [`the app does not answer (curl: ${code})`];
  return version === undefined || stdout.trim() === version ? [] : [`the app answers ${stdout.trim()} where ${version} is live`];
}

/** HAProxy's end cuts connections, for a moment; nothing else may be felt. */
async function judgeLoad(meter: Meter, cell: Cell, atMs: number): Promise<readonly string[]> {
  const { failures, requests } = await meter.stop();
  // What was under way when the ingress was killed went with it; what was over before, or came later than it may take, did not.
  const isExcused = (one: MeteredFailure) => one.atMs + one.tookMs >= atMs && one.atMs <= atMs + INGRESS_BACK_MS;
  const felt = cell.process === "haproxy" ? failures.filter((one) => !isExcused(one)) : failures;
  if (felt.length === 0) return requests > 20 ? [] : [`only ${requests} requests were made`];
  const shown = felt.slice(0, 5).map((one) => `${one.reason} at ${one.atMs - atMs} ms`);
  return [`${felt.length} of ${requests} requests failed (${shown.join(", ")} after the kill)`];
}

async function describeUnrest(platform: Platform, appUid: string): Promise<string> {
  const text = `SELECT name || ' ' || coalesce(phase, '') || ' ' || coalesce(spec ->> 'desired', '') || ' ' || coalesce(status ->> 'message', '') AS line
    FROM objects WHERE owner_uid = $1 AND kind IN ('Instance', 'Build', 'Deployment') AND coalesce(phase, '') NOT IN ('complete', 'succeeded')
    UNION ALL SELECT 'push ' || id || ' ' || state FROM pushes WHERE app_uid = $1 AND state = 'open'`;
  return (await query<{ line: string }>(platform, text, [appUid])).map(({ line }) => line).join("; ");
}
