import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type CgroupDriver, type CgroupUsage, errorCode } from "@plimsoll/host";
import { type RunExit, signalOf } from "./instance-state.ts";

/** How a container ended, by conmon's exit file; undefined while there is none. `usage` is asked only of one that failed. */
export function readExit(exitsDir: string, containerId: string, usage: () => CgroupUsage | undefined): RunExit | undefined {
  const path = join(exitsDir, containerId);
  let text: string;
  let at: Date;
  try {
    text = readFileSync(path, "utf8");
    at = statSync(path).mtime;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const code = Number(text);
  const signal = signalOf(code);
  const { oomKills = 0, startsRefused = 0 } = code === 0 ? {} : (usage() ?? {});
  return {
    code,
    ...(signal === undefined ? {} : { signal }),
    outOfMemory: oomKills > 0,
    ...(startsRefused === 0 ? {} : { startsRefused }),
    monitorLost: false,
    at: at.toISOString(),
  };
}

/** Undefined when there is no such cgroup, or no longer. */
export function usageOf(cgroups: CgroupDriver, path: string): CgroupUsage | undefined {
  try {
    return cgroups.usage(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENODEV") return undefined;
    throw error;
  }
}
