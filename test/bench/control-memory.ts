import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readRecords } from "../../scripts/platform/supervisor.ts";
import { api, callApi, inDemo } from "../support/api.ts";
import { demoScope } from "../support/app.ts";
import { untilChanged } from "../support/database.ts";
import type { Platform } from "../support/platform.ts";
import { recorded } from "../support/processes.ts";
import type { Benchmark } from "./benchmark.ts";
import { median, rounded } from "./statistics.ts";

const MB = 1_000_000;
/** Idle is what is left when nothing has been asked for so long. */
const QUIET_MS = 60_000;
const BETWEEN_MS = 1_000;
const GONE_TIMEOUT_MS = 60_000;

export const controlMemory: Benchmark = {
  name: "control.memory",
  about: "sum of PSS of everything of ours, Postgres and Redis, idle, no app",
  run: async (lab) => {
    const platform = await lab.platform();
    // A platform that others use keeps its apps: there it is only seen that the benchmark works.
    if (!lab.smoke) {
      await removeApps(platform);
      lab.say(`idle for ${QUIET_MS / 1_000} s`);
      await sleep(QUIET_MS);
    }
    const samples: ReadonlyMap<string, number>[] = [];
    for (let i = 0; i < lab.pairs; i++) {
      if (i > 0) await sleep(BETWEEN_MS);
      samples.push(memoryByProgram(platform));
    }
    const programs = [...new Set(samples.flatMap((sample) => [...sample.keys()]))];
    const middle = (program: string) => rounded(median(samples.map((sample) => sample.get(program) ?? 0)));
    return [
      {
        bench: controlMemory.name,
        unit: "MB",
        target: "p50<=600",
        ours: samples.map((sample) => [...sample.values()].reduce((sum, megabytes) => sum + megabytes, 0)),
        notes: [`by program: ${programs.map((program) => `${program} ${middle(program)}`).join(", ")}`],
        details: samples.map((sample) => Object.fromEntries(sample)),
      },
    ];
  },
};

async function removeApps(platform: Platform): Promise<void> {
  const { items } = await api<{ items: readonly { metadata: { name: string } }[] }>(platform, "GET", inDemo("/apps"));
  for (const { metadata } of items) await callApi(platform, "DELETE", inDemo(`/apps/${metadata.name}`));
  await untilChanged(platform, await demoScope(platform), "the end of all apps", GONE_TIMEOUT_MS, async (client) => {
    const text = "SELECT FROM objects WHERE kind IN ('App', 'Instance')";
    return (await client.query(text)).rowCount === 0 ? true : undefined;
  });
}

/**
 * Megabytes by the program that the supervisor knows; what a program has started counts as its own. Proportional set size: what several
 * processes share – PostgreSQL's buffers, node's text – counts once.
 */
function memoryByProgram(platform: Platform): ReadonlyMap<string, number> {
  const roots = programRoots(platform);
  const parents = new Map(processIds().map((pid) => [pid, parentOf(pid)]));
  const sums = new Map<string, number>();
  for (const pid of parents.keys()) {
    let at: number | undefined = pid;
    while (at !== undefined && !roots.has(at)) at = parents.get(at);
    const program = at === undefined ? undefined : roots.get(at);
    if (program !== undefined) sums.set(program, (sums.get(program) ?? 0) + proportionalBytes(pid) / MB);
  }
  return sums;
}

/** The programs' own processes by pid: those of the supervisor's records, itself, and the ingress, which outlives its agent. */
function programRoots(platform: Platform): ReadonlyMap<number, string> {
  const { layout } = platform;
  const roots = new Map(Object.entries(readRecords(join(layout.runDir, "processes.json"))).map(([name, { pid }]) => [pid, name]));
  const haproxy = recorded(platform, "haproxy");
  if (haproxy !== undefined) roots.set(haproxy.pid, "haproxy");
  const supervisors = processIds().filter((pid) => {
    const isSupervisor = textOf(`/proc/${pid}/cmdline`)
      .split("\0")
      .some((word) => word.endsWith("scripts/supervise.ts"));
    return isSupervisor && textOf(`/proc/${pid}/environ`).split("\0").includes(`PLIMSOLL_DATA_DIR=${layout.dataDir}`);
  });
  for (const pid of supervisors) roots.set(pid, "supervisor");
  for (const program of ["server", "agent", "portal", "postgres", "redis", "haproxy", "supervisor"])
    if (![...roots.values()].includes(program)) throw new Error(`${program} is not found among the processes: is the platform up?`);
  return roots;
}

function processIds(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function parentOf(pid: number): number | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat === "" ? undefined : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function proportionalBytes(pid: number): number {
  return 1_024 * Number(/^Pss:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

/** What ended since it was listed has nothing. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
