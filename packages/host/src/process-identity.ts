import { closeSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { errorCode, pidfdOpen, pidfdSendSignal } from "./syscalls.ts";

/** A process that cannot be mistaken for another one that got its pid later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, clock ticks since boot. */
  readonly startTicks: number;
}

/** Who has this pid now; undefined when nobody has, or only a zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return undefined;
    throw error;
  }
  // Field 2, the name, may hold spaces and parentheses: count from behind its last parenthesis (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X") return undefined;
  return { pid, startTicks: Number(fields[19]) };
}

/** Whether that very process lives. Zombies count as gone. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks;
}

/** Sends a signal to that very process and to none that took its pid. False when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals | number): boolean {
  const fd = pidfdOpen(identity.pid);
  if (fd === undefined) return false;
  try {
    // The descriptor is bound to whoever has the pid now; only if that is the one we mean may it be used.
    return isAlive(identity) && pidfdSendSignal(fd, typeof signal === "number" ? signal : constants.signals[signal]);
  } finally {
    closeSync(fd);
  }
}

/** True when it is gone within the time. */
export async function waitGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 1; isAlive(identity); pauseMs = Math.min(pauseMs * 2, 50)) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return false;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
  }
  return true;
}
