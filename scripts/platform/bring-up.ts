import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { createProgress, type Progress } from "../bootstrap/progress.mjs";
import { deployMigrations, migrationNames } from "../migrations/migrate.ts";
import { ensureSocketsDirectory } from "./after-boot.ts";
import { BaseImagesSeen } from "./base-images-seen.ts";
import { shown } from "./installation.ts";
import type { Layout } from "./layout.ts";
import { ensurePostgresCluster, postgresUrl } from "./postgres.ts";
import { ensureDatabase } from "./postgres-client.ts";
import { ensureRedisFiles, whenRedisAnswers } from "./redis.ts";
import { ensureRegistryFiles } from "./registry.ts";
import { pushSampleApp, samplePublicKey, untilLive } from "./sample-app.ts";
import { type Overview, readOverview, type Setup, setUpServer } from "./server-commands.ts";
import { ensureSupervisor, until, visitSupervisor } from "./supervisor-process.ts";
import { readWanted, startEnvironment, type Wanted, wantedBy, writeWanted } from "./wanted.ts";

const STORE_TIMEOUT_MS = 60_000;
const SERVER_TIMEOUT_MS = 60_000;
const HOST_TIMEOUT_MS = 60_000;
const LIVE_TIMEOUT_MS = 60_000;
const SHOWN_LOG_LINES = 8;

/**
 * Brings the platform up, or adopts what of it runs, step by step with a line for each. Ends when the sample app answers. Throws the
 * first step's failure; what runs by then is left running, and the next start goes on from there.
 */
export async function bringUp(layout: Layout, mode: Wanted["mode"]): Promise<{ readonly setup: Setup; readonly wanted: Wanted }> {
  const progress = createProgress(process.stdout);
  await mkdir(layout.runDir, { recursive: true, mode: 0o700 });
  await ensureSocketsDirectory(layout);
  const last = readWanted(layout);
  if (last?.server !== undefined) {
    throw new AppError("conflict", `This machine is a host of ${last.server}: npm run join starts its agent; the platform runs there.`);
  }
  const wanted = wantedBy(startEnvironment(last), last, mode);
  // What runs is not taken down meanwhile, and no newer server starts before the schema that it needs is there.
  const runs = last?.processes === "all";
  const meanwhile: Wanted = runs ? { ...wanted, code: last.code, portalCode: last.portalCode } : { ...wanted, processes: "stores" };
  await startDatabase(progress, layout, meanwhile, wanted.code);
  await startQueue(progress, layout, meanwhile);

  const prepare = async () => {
    const setup = await setUpServer(layout, meanwhile, { samplePublicKey: await samplePublicKey(layout) });
    await ensureRegistryFiles(layout);
    const all: Wanted = { ...wanted, processes: "all", ...(setup.hostToken === undefined ? {} : { enrollToken: setup.hostToken }) };
    await apply(layout, all);
    return { setup, wanted: all };
  };
  if (runs) await apply(layout, wanted);
  const [prepared] = runs ? await Promise.all([prepare(), joinHost(progress, layout, wanted)]) : [await prepare()];
  if (!runs) await joinHost(progress, layout, prepared.wanted);
  await showSampleApp(progress, layout, prepared.wanted, prepared.setup);
  return prepared;
}

async function startDatabase(progress: Progress, layout: Layout, wanted: Wanted, supervisorCode: string): Promise<void> {
  const source = { schemaPath: join(layout.root, "prisma/schema.prisma"), migrationsDir: join(layout.root, "prisma/migrations") };
  await progress.step("database", "PostgreSQL", async (step) => {
    const version = wanted.databaseUrl === undefined ? await ensurePostgresCluster(layout) : undefined;
    if (wanted.redisUrl === undefined) await ensureRedisFiles(layout);
    await apply(layout, wanted);
    await ensureSupervisor(layout, supervisorCode, process.env);
    if (wanted.databaseUrl === undefined) await ensureDatabase(layout, { timeoutMs: STORE_TIMEOUT_MS });
    step.update("migrations");
    const applied = await deployMigrations(wanted.databaseUrl ?? postgresUrl(layout), source);
    const where = version === undefined ? "PostgreSQL at DATABASE_URL" : `PostgreSQL ${version} in ${shown(layout.postgresDir)}`;
    const count = (await migrationNames(source)).length;
    const news = applied.length === 0 || applied.length === count ? "" : `, ${applied.length} of them new`;
    return { said: `${where}, ${count} migrations${news}`, value: undefined };
  });
}

async function startQueue(progress: Progress, layout: Layout, wanted: Wanted): Promise<void> {
  await progress.step("queue", "Redis", async () => {
    if (wanted.redisUrl !== undefined) return { said: "Redis at REDIS_URL", value: undefined };
    await whenRedisAnswers(layout, { timeoutMs: STORE_TIMEOUT_MS });
    return { said: `Redis 7 in ${shown(layout.redisDir)}, append-only`, value: undefined };
  });
}

async function joinHost(progress: Progress, layout: Layout, wanted: Wanted): Promise<void> {
  await progress.step("host", `${wanted.hostName}: joining`, async () => {
    await untilOrLog(layout, "server", () => apiAnswers(layout), SERVER_TIMEOUT_MS, "The server does not answer.");
    let host: Overview["hosts"][number] | undefined;
    await untilOrLog(
      layout,
      "agent",
      async () => {
        host = (await readOverview(layout, wanted)).hosts.find(({ name, ready }) => name === wanted.hostName && ready);
        return host !== undefined;
      },
      HOST_TIMEOUT_MS,
      `The agent of ${wanted.hostName} did not get ready.`,
    );
    const cores = (host?.cpuMillis ?? 0) / 1_000;
    const gib = Math.floor((host?.memoryBytes ?? 0) / 1024 ** 3);
    return { said: `${wanted.hostName}: ${host?.roles.join(" ")}, ${cores} cpu, ${gib} GiB for apps`, value: undefined };
  });
}

async function showSampleApp(progress: Progress, layout: Layout, wanted: Wanted, setup: Setup): Promise<void> {
  const { sample } = setup;
  if (sample === undefined) return;
  if (!setup.sampleAppNeeded) return;
  // One push, two lines: on a new machine nearly all of its time goes into the images that it builds from.
  const bases = new BaseImagesSeen();
  let tell = (_line: string): void => undefined;
  const pushed = pushSampleApp(layout, sample.gitUrl, (line) => {
    bases.see(line);
    tell(line);
  }).finally(() => bases.end());
  // Whoever waits for `bases` throws what the push failed with.
  pushed.catch(() => undefined);
  await progress.step("base images", "git push", async (step) => {
    tell = (line) => step.update(`git push: ${line}`);
    await Promise.race([bases.settled, pushed]);
    return { said: bases.summary(), value: undefined };
  });
  await progress.step("sample app", "git push", async (step) => {
    tell = (line) => step.update(`git push: ${line}`);
    await pushed;
    step.update(`waiting for ${sample.url}`);
    await untilLive(sample.url, wanted.httpPort, LIVE_TIMEOUT_MS);
    return { said: "git push → hello in namespace demo", value: undefined };
  });
}

/** Waits; a failure then shows the last of what the process itself said. */
async function untilOrLog(layout: Layout, name: string, holds: () => Promise<boolean>, timeoutMs: number, sentence: string): Promise<void> {
  try {
    await until(holds, timeoutMs, sentence);
  } catch {
    const path = join(layout.logsDir, `${name}.log`);
    const last = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n").slice(-SHOWN_LOG_LINES) : [];
    const shownLines = last.map((line) => `    ${line.slice(0, 300)}`);
    throw new AppError("unavailable", [`${sentence} The end of ${shown(path)}:`, ...shownLines].join("\n"));
  }
}

/** The supervisor reads what is wanted on each look; a visit makes it look at once. */
async function apply(layout: Layout, wanted: Wanted): Promise<void> {
  writeWanted(layout, wanted);
  await visitSupervisor(layout);
}

function apiAnswers(layout: Layout): Promise<boolean> {
  if (!existsSync(layout.apiSocket)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const asked = request({ socketPath: layout.apiSocket, path: "/healthz", timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve((answer.statusCode ?? 500) < 500);
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", () => resolve(false));
    asked.end();
  });
}
