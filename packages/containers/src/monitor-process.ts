import { readFileSync } from "node:fs";
import { type CgroupDriver, errorCode, identifyProcess, type ProcessIdentity, signalProcess, waitGone } from "@plimsoll/host";
import { CONMON, monitorFiles } from "./conmon.ts";
import { MONITORS_CGROUP } from "./launcher.ts";

/** The monitor of that very container: the pid file's process, if it is conmon and says so. */
export function monitorOf(bundleDir: string, containerId: string): ProcessIdentity | undefined {
  const identity = processIn(monitorFiles(bundleDir).monitorPidFile);
  if (identity === undefined) return undefined;
  const words = commandLine(identity.pid);
  return words[0] === CONMON && words[words.indexOf("-c") + 1] === containerId ? identity : undefined;
}

/** Who a pid file names, if it still lives. */
export function processIn(pidFile: string): ProcessIdentity | undefined {
  try {
    const pid = Number(readFileSync(pidFile, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? identifyProcess(pid) : undefined;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A process's argv; empty when it is gone. */
export function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return [];
    throw error;
  }
}

/** The monitor of a container, given some time to end by itself, and whoever is still creating that container for it. */
export async function endMonitors(cgroups: CgroupDriver, containerId: string, patienceMs: number): Promise<void> {
  await endAll(cgroups, patienceMs, (pid) => commandLine(pid).includes(containerId) || isAbandonedFork(pid));
}

/** A launcher ends when its agent does; until it has, it could still be launching. */
export async function endFormerLaunchers(cgroups: CgroupDriver): Promise<void> {
  await endAll(cgroups, 0, isLauncher);
}

const END_MS = 10_000;

/** Looks again until there is none: who is being ended may have forked a moment before. */
async function endAll(cgroups: CgroupDriver, patienceMs: number, is: (pid: number) => boolean): Promise<void> {
  const patient = performance.now() + patienceMs;
  const deadline = patient + END_MS;
  while (performance.now() < deadline) {
    const found = cgroups
      .processes(MONITORS_CGROUP)
      .filter(is)
      .map(identifyProcess)
      .filter((identity) => identity !== undefined);
    if (found.length === 0) return;
    for (const identity of found) {
      if (await waitGone(identity, Math.max(0, patient - performance.now()))) continue;
      signalProcess(identity, "SIGKILL");
      await waitGone(identity, deadline - performance.now());
    }
  }
}

function isLauncher(pid: number): boolean {
  return commandLine(pid).some((word) => word.endsWith("/launcher-main.ts"));
}

/** What a launcher forked to become a monitor, when the launcher has died before it did: it bears no container's name yet. */
function isAbandonedFork(pid: number): boolean {
  const parent = isLauncher(pid) ? parentOf(pid) : undefined;
  return parent !== undefined && parent !== process.pid && !isLauncher(parent);
}

/** Undefined when the process is gone. Field 4 of proc(5)'s stat, behind the name, which may hold anything. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return undefined;
    throw error;
  }
}
