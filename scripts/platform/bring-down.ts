import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "./layout.ts";
import { isAlive, signal } from "./process-identity.ts";
import { tearDownHost } from "./server-commands.ts";
import { readRecords, writeRecords } from "./supervisor.ts";
import { endOf, endSupervisor } from "./supervisor-process.ts";
import { isBooted, removeUnit } from "./systemd.ts";
import { readWanted, writeWanted } from "./wanted.ts";

/** Each after what depends on it. */
const ORDER = ["agent", "portal", "server", "registry", "redis", "postgres"];

/**
 * Ends the supervisor and every process that it looked after, whether or not it still runs. Instances and their ingress are left
 * running, or with `all` ended and everything of this host removed first. Idempotent. Answers what it
 * ended; throws, with everything of the platform ended, when the host could not be cleaned.
 */
export async function bringDown(layout: Layout, options: { readonly all: boolean }): Promise<readonly string[]> {
  const ended: string[] = [];
  // First, or it would start again what ends.
  await endSupervisor(layout);
  const recordsPath = join(layout.runDir, "processes.json");
  const records = readRecords(recordsPath);
  const wanted = readWanted(layout);
  const names = Object.keys(records).sort((a, b) => rank(a) - rank(b));
  const end = async (name: string) => {
    const record = records[name];
    if (record === undefined || !isAlive(record)) return;
    const graceful =
      name === "postgres" ? ({ with: "SIGINT", killAfterMs: 30_000 } as const) : ({ with: "SIGTERM", killAfterMs: 15_000 } as const);
    signal(record, graceful.with);
    await endOf(record, graceful);
    ended.push(name);
  };
  let failure: unknown;
  if (options.all && wanted !== undefined) {
    await end("agent");
    // A host that cannot be cleaned is no reason to leave the rest running; it is told at the end.
    await tearDownHost(layout, wanted).then(
      () => ended.push("instances, ingress"),
      (error: unknown) => {
        failure = error;
      },
    );
  }
  for (const name of names) await end(name);
  writeRecords(recordsPath, {});
  if (options.all && isBooted()) await removeUnit(layout, { machineRoot: "/" });
  if (options.all) await rm(layout.socketsDir, { recursive: true, force: true });
  if (wanted !== undefined) writeWanted(layout, { ...wanted, processes: "none" });
  if (failure !== undefined) throw failure;
  return ended;
}

function rank(name: string): number {
  const place = ORDER.indexOf(name);
  return place === -1 ? ORDER.length : place;
}
