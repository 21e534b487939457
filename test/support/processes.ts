import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify, isAlive, type ProcessIdentity } from "../../scripts/platform/process-identity.ts";
import { readRecords } from "../../scripts/platform/supervisor.ts";
import type { Platform } from "./platform.ts";

/** What can be killed of a platform. `conmon` is the monitor of one instance. */
export const PROCESSES = ["server", "agent", "haproxy", "redis", "postgres", "conmon"] as const;
/** No push takes part of the registry: it is killed by its own test alone. */
export type ProcessName = (typeof PROCESSES)[number] | "registry";

/** The supervisor's longest pause after many ends in a row, and a start. */
const BACK_TIMEOUT_MS = 45_000;

/**
 * Kills -9 exactly the process that the platform has recorded under the name. Answers who it was, and when it was killed in milliseconds
 * since 1970. Throws when there is none.
 */
export function kill(
  platform: Platform,
  name: ProcessName,
  instanceUid?: string,
): { readonly victim: ProcessIdentity; readonly atMs: number } {
  const victim = recorded(platform, name, instanceUid);
  if (victim === undefined) throw new Error(`no ${name} runs${instanceUid === undefined ? "" : ` for ${instanceUid}`}`);
  const atMs = Date.now();
  process.kill(victim.pid, "SIGKILL");
  return { victim, atMs };
}

/** Waits until another process has taken the victim's place. */
export async function untilBack(platform: Platform, name: Exclude<ProcessName, "conmon">, victim: ProcessIdentity): Promise<void> {
  const deadline = performance.now() + BACK_TIMEOUT_MS;
  for (;;) {
    const now = recorded(platform, name);
    if (now !== undefined && (now.pid !== victim.pid || now.startTicks !== victim.startTicks)) return;
    if (performance.now() > deadline) throw new Error(`${name} was not started again within ${BACK_TIMEOUT_MS} ms`);
    await sleep(20);
  }
}

/** Who runs under the name, by the platform's own records; undefined when the recorded one is gone. */
export function recorded({ layout, host }: Platform, name: ProcessName, instanceUid?: string): ProcessIdentity | undefined {
  switch (name) {
    case "server":
    case "agent":
    case "redis":
    case "postgres":
    case "registry": {
      const record = readRecords(join(layout.runDir, "processes.json"))[name];
      return record !== undefined && isAlive(record) ? record : undefined;
    }
    case "haproxy": {
      const path = join(host.runDir, "ingress", "haproxy.process.json");
      if (!existsSync(path)) return undefined;
      const noted = JSON.parse(readFileSync(path, "utf8")) as { pid: number; startTicks: number };
      const now = identify(noted.pid);
      return now?.startTicks === noted.startTicks ? now : undefined;
    }
    case "conmon": {
      if (instanceUid === undefined) throw new Error("whose monitor?");
      const bundle = join(host.bundlesDir, instanceUid);
      const runs = existsSync(bundle) ? readdirSync(bundle).filter((entry) => /^run-\d+$/.test(entry)) : [];
      const newest = runs.sort((a, b) => Number(b.slice(4)) - Number(a.slice(4)))[0];
      const pidFile = join(bundle, newest ?? "", "conmon.pid");
      return newest !== undefined && existsSync(pidFile) ? identify(Number(readFileSync(pidFile, "utf8"))) : undefined;
    }
  }
}
