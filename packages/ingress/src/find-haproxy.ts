import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, identifyProcess, type ProcessIdentity } from "@plimsoll/host";

/** A program is exchanged for another one in microseconds; on a machine that has to read it from a disk first, in some more. */
const EXEC_TIMEOUT_MS = 500;

/**
 * Masters of HAProxy that run with this configuration, the newest first: more than one only where something went wrong. By /proc, as
 * their sockets are away for a moment after each start and reload, when the master executes itself anew. Only processes of our own user
 * count: what a tenant's process calls itself means nothing.
 */
export async function findMasters(config: string): Promise<readonly ProcessIdentity[]> {
  const ours = listProcesses().filter(({ uid }) => uid === process.geteuid?.());
  const haproxys = new Map<number, FoundProcess>();
  // Between two programs a process shows no arguments: who it will be is seen when it is there.
  let unknown = ours;
  for (const deadlineMs = performance.now() + EXEC_TIMEOUT_MS; unknown.length > 0 && performance.now() < deadlineMs; await sleep(1)) {
    unknown = unknown.filter((found) => {
      const argv = readArgv(found.pid);
      if (argv !== undefined && isHaproxyWith(argv, config)) haproxys.set(found.pid, found);
      return argv?.length === 0;
    });
  }
  return [...haproxys.values()]
    .filter(({ parent }) => !haproxys.has(parent)) // A worker, before it gives up its privileges, looks like its master.
    .map(({ pid }) => identifyProcess(pid))
    .filter((identity) => identity !== undefined)
    .sort((a, b) => b.startTicks - a.startTicks);
}

/** Living workers of a master, the newest first: that one takes new connections, once it serves; the others were replaced. */
export function findWorkers(master: ProcessIdentity): readonly ProcessIdentity[] {
  return listProcesses()
    .filter(({ parent }) => parent === master.pid)
    .map(({ pid }) => identifyProcess(pid))
    .filter((identity) => identity !== undefined)
    .sort((a, b) => b.startTicks - a.startTicks);
}

/**
 * Pure: whether that is HAProxy in master-worker mode with exactly this configuration, itself or as the program that nsenter is to become.
 * Not somebody who checks, reads or follows the file.
 */
export function isHaproxyWith(argv: readonly string[], config: string): boolean {
  const [first = ""] = argv;
  const at = basename(first) === "nsenter" ? argv.indexOf("--") + 1 : 0;
  const [program = "", ...args] = argv.slice(at);
  const serves = basename(program) === "haproxy" && args.includes("-W") && !args.includes("-c");
  return serves && args.some((arg, i) => arg === "-f" && args[i + 1] === config);
}

interface FoundProcess {
  readonly pid: number;
  readonly parent: number;
  readonly uid: number;
}

/** Programs that run: neither the kernel's threads nor zombies, which have no memory. */
function listProcesses(): readonly FoundProcess[] {
  const found: FoundProcess[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = readIfAlive(`/proc/${name}/status`);
    if (status === undefined || !/^VmSize:/m.test(status)) continue;
    found.push({
      pid: Number(name),
      parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]),
      // The effective one, the second.
      uid: Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]),
    });
  }
  return found;
}

function readArgv(pid: number): readonly string[] | undefined {
  const text = readIfAlive(`/proc/${pid}/cmdline`);
  return text === "" ? [] : text?.split("\0");
}

/** Undefined when the process is gone. */
function readIfAlive(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return undefined;
    throw error;
  }
}
