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
  for (const pid of cgroups.processes(MONITORS_CGROUP)) {
    const identity = identifyProcess(pid);
    if (identity === undefined || !commandLine(pid).includes(containerId)) continue;
    if (patienceMs > 0 && (await waitGone(identity, patienceMs))) continue;
    signalProcess(identity, "SIGKILL");
    await waitGone(identity, 5_000);
  }
}

/** A launcher ends when its agent does; until it has, it could still be launching. */
export async function endFormerLaunchers(cgroups: CgroupDriver): Promise<void> {
  for (const pid of cgroups.processes(MONITORS_CGROUP)) {
    const identity = identifyProcess(pid);
    if (identity === undefined || !commandLine(pid).some((word) => word.endsWith("/launcher-main.ts"))) continue;
    signalProcess(identity, "SIGKILL");
    await waitGone(identity, 5_000);
  }
}
