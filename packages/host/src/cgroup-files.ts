import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { errorCode } from "./syscalls.ts";

/** What both versions do with the file tree of a cgroup hierarchy. */
export function makeCgroup(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
}

export function writeControl(dir: string, file: string, value: string | number): void {
  writeFileSync(join(dir, file), String(value), { flag: "w" });
}

export function readControl(dir: string, file: string): string {
  return readFileSync(join(dir, file), "utf8").trim();
}

export function hasControl(dir: string, file: string): boolean {
  return existsSync(join(dir, file));
}

export function readNumber(dir: string, file: string): number {
  return Number(readControl(dir, file));
}

/** One value of a flat keyed file: `oom_kill 3`. 0 where the kernel does not know the key. */
export function readKeyed(dir: string, file: string, key: string): number {
  for (const line of readControl(dir, file).split("\n")) {
    const [name, value] = line.split(" ");
    if (name === key) return Number(value);
  }
  return 0;
}

/** Names of the cgroups right below, sorted; none where there is no such cgroup. */
export function childCgroups(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Pids in it and below it. A cgroup that vanishes meanwhile has none. */
export function processesBelow(dir: string): readonly number[] {
  const own = readOrNothing(join(dir, "cgroup.procs"))
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  return [...own, ...childCgroups(dir).flatMap((name) => processesBelow(join(dir, name)))];
}

/** Removes the directory and those below, deepest first. Processes that are just ending keep it busy for some ms. */
export async function removeCgroupTree(dir: string): Promise<void> {
  for (const name of childCgroups(dir)) await removeCgroupTree(join(dir, name));
  const deadline = performance.now() + 5_000;
  for (;;) {
    try {
      rmdirSync(dir);
      return;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      if (errorCode(error) !== "EBUSY" || performance.now() > deadline) throw error;
      await pause(5);
    }
  }
}

/** SIGKILL to each that still is. */
export function killProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
    }
  }
}

/** Repeats `attempt` until it says true. */
export async function until(what: string, timeoutMs: number, attempt: () => boolean): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 1; !attempt(); pauseMs = Math.min(pauseMs * 2, 20)) {
    if (performance.now() > deadline) throw new AppError("timeout", `${what} did not happen within ${timeoutMs} ms`);
    await pause(pauseMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ENODEV: the cgroup was removed between open and read. EOPNOTSUPP: a threaded cgroup (v2) has none of its own.
    if (["ENOENT", "ENODEV", "EOPNOTSUPP", "ENOTSUP"].includes(errorCode(error) ?? "")) return "";
    throw error;
  }
}
