import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { minimalEnv, start } from "@plimsoll/exec";
import { z } from "zod";
import type { Layout } from "./layout.ts";
import { openLog } from "./log-file.ts";
import { identify, isAlive, type ProcessIdentity, signal } from "./process-identity.ts";
import { installUnits, isActive, isBooted, startUnit, usesSystemd, WORKLOADS_CGROUP } from "./systemd.ts";
import { readWanted } from "./wanted.ts";

const Greeting = z.object({ pid: z.int(), code: z.string() });
type Greeting = z.infer<typeof Greeting>;

/**
 * A name in the kernel's own table: one process holds it, and it is free again the moment that process is gone. Whoever connects
 * is greeted, and wakes the supervisor.
 */
function socketName(layout: Layout): string {
  return `\0plimsoll-supervisor-${createHash("sha256").update(layout.dataDir).digest("hex").slice(0, 16)}`;
}

/** Makes this process the one supervisor of the data directory. Throws `conflict` when there is one already. */
export function holdSupervisorSocket(layout: Layout, code: string, onVisit: () => void): Promise<void> {
  const greeting: Greeting = { pid: process.pid, code };
  const server = createServer((visitor) => {
    visitor.on("error", () => undefined); // it left before it was greeted
    visitor.end(JSON.stringify(greeting));
    onVisit();
  });
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => reject(new AppError("conflict", "Another supervisor runs for this data directory.", { cause })));
    server.listen(socketName(layout), () => resolve());
  });
}

/** Asks the running supervisor who it is, which also wakes it; undefined when none runs. */
export function visitSupervisor(layout: Layout): Promise<Greeting | undefined> {
  return new Promise((resolve) => {
    const socket = connect(socketName(layout));
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.once("error", () => resolve(undefined));
    socket.once("end", () => resolve(Greeting.parse(JSON.parse(text))));
  });
}

/**
 * Sees to it that a supervisor of this code runs: leaves the one that does, replaces one of older code, starts one where none is, as a
 * unit of systemd where that is wanted. The processes that it looks after do not notice.
 */
export async function ensureSupervisor(layout: Layout, code: string, environment: NodeJS.ProcessEnv): Promise<"adopted" | "started"> {
  const settings = readWanted(layout)?.settings;
  const running = await visitSupervisor(layout);
  if (usesSystemd({ ...settings, ...environment }, isBooted())) {
    const delegated = settings?.PLIMSOLL_CGROUP_PARENT === WORKLOADS_CGROUP;
    const { unit, changed } = await installUnits({ layout, node: process.execPath, code }, { machineRoot: "/", delegated });
    const active = running !== undefined && (await isActive(unit));
    if (active && !changed) return "adopted";
    if (!active) await endSupervisor(layout);
    await startUnit(unit, { changed, delegated });
  } else {
    if (running?.code === code) return "adopted";
    await endSupervisor(layout);
    await startDetached(layout, code, environment);
  }
  await until(
    async () => (await visitSupervisor(layout))?.code === code,
    30_000,
    "The supervisor did not start; its log is logs/supervisor.log.",
  );
  return "started";
}

async function startDetached(layout: Layout, code: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const log = openLog(join(layout.logsDir, "supervisor.log"));
  // Small: it stays for good and holds next to nothing.
  const heap = ["--max-semi-space-size=1", "--max-old-space-size=24"];
  const env = { ...definedOnly(environment), PATH: minimalEnv.PATH ?? "", PLIMSOLL_DATA_DIR: layout.dataDir, PLIMSOLL_CODE: code };
  const child = await start([process.execPath, ...heap, join(layout.root, "scripts/supervise.ts")], {
    cwd: layout.root,
    env,
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
}

/** Ends the supervisor, if one runs, and nothing else. Idempotent. */
export async function endSupervisor(layout: Layout): Promise<void> {
  const running = await visitSupervisor(layout);
  const identity = running === undefined ? undefined : identify(running.pid);
  if (identity === undefined) return;
  signal(identity, "SIGTERM");
  await endOf(identity, { killAfterMs: 5_000 });
}

/** Waits for a process's end, and kills it when it takes longer. */
export async function endOf(identity: ProcessIdentity, { killAfterMs }: { readonly killAfterMs: number }): Promise<void> {
  const killAt = performance.now() + killAfterMs;
  while (isAlive(identity)) {
    if (performance.now() > killAt) signal(identity, "SIGKILL");
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** Waits until the condition holds. Throws `unavailable` with the sentence after `timeoutMs`. */
export async function until(condition: () => Promise<boolean>, timeoutMs: number, sentence: string): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new AppError("unavailable", sentence);
    await new Promise((wake) => setTimeout(wake, 25));
  }
}

function definedOnly(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
