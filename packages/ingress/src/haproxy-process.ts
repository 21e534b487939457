import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { errorCode, identifyProcess, isAlive, type ProcessIdentity, signalProcess, waitGone } from "@plimsoll/host";
import { findMasters, findWorkers } from "./find-haproxy.ts";
import { ifAvailable, sendCommands } from "./runtime.ts";

const SIGNAL_AGAIN_MS = 50;
const MASTER_TIMEOUT_MS = 1_000;

export interface ProcessFiles {
  /** By this path it is found again: no other HAProxy has it. */
  readonly config: string;
  readonly masterSocket: string;
  /** Who it is: pid and start time, so that it is found again and never mistaken. */
  readonly identity: string;
  readonly log: string;
}

/** HAProxy's master: is started, found again after we were, and ended. It outlives us. */
export class HaproxyProcess {
  readonly #files: ProcessFiles;
  readonly #netns: string | undefined;
  readonly #marks: Readonly<Record<string, string>>;
  #master: ProcessIdentity | undefined;

  constructor(files: ProcessFiles, options: { readonly marks: Readonly<Record<string, string>>; readonly netns: string | undefined }) {
    this.#files = files;
    this.#netns = options.netns;
    this.#marks = options.marks;
    this.#master = readIdentity(files.identity);
  }

  /** Cheap: one read of /proc. */
  isRunning(): boolean {
    return this.#master !== undefined && isAlive(this.#master);
  }

  /** Those that live, the newest first. Reads all of /proc. */
  workers(): readonly ProcessIdentity[] {
    return this.#master === undefined || !isAlive(this.#master) ? [] : findWorkers(this.#master);
  }

  /**
   * Looks for one that runs although we have no note of it: we were killed between its start and the note, or the note was lost. Two
   * would share the port. True when it runs, so or so; it may still be starting.
   */
  async adopt(): Promise<boolean> {
    if (this.isRunning()) return true;
    const [newest] = await findMasters(this.#files.config);
    if (newest !== undefined) this.#note(newest);
    return newest !== undefined;
  }

  /** Starts it with the configuration on disk; returns once the kernel has it, which is before it serves. To be called after adopt(). */
  async start(): Promise<void> {
    const log = openSync(this.#files.log, "w", 0o600);
    try {
      const argv = ["haproxy", "-W", "-f", this.#files.config, "-S", `${this.#files.masterSocket},mode,600,level,admin`];
      const child = await start(this.#inHost(argv), {
        detached: true,
        stdio: ["ignore", log, log],
        env: { ...minimalEnv, ...this.#marks },
      });
      child.unref();
      const master = identifyProcess(child.pid);
      if (master !== undefined) this.#note(master);
    } finally {
      closeSync(log);
    }
  }

  /**
   * Asks for new workers with the configuration on disk; replaced ones end with their last connection. False when it is gone. To be asked
   * again when nothing comes of it: a master that is just executing itself anew, after a start or a reload, forgets a signal. It does not
   * answer then either, so its answer is waited for, for a second or so: without it, it is asked all the same.
   */
  async requestReload(): Promise<boolean> {
    for (const deadlineMs = performance.now() + MASTER_TIMEOUT_MS; this.isRunning() && performance.now() < deadlineMs; await sleep(10)) {
      if ((await ifAvailable(sendCommands(this.#files.masterSocket, ["show proc"]))) !== undefined) break;
    }
    return this.#master !== undefined && signalProcess(this.#master, "SIGUSR2");
  }

  /** Accepts nothing new at once; requests under way have the grace period. Idempotent. */
  async stop(graceMs: number): Promise<void> {
    const master = this.#master;
    if (master !== undefined) {
      const isGone =
        (graceMs > 0 && (await signalUntilGone(master, "SIGUSR1", graceMs))) || (await signalUntilGone(master, "SIGTERM", 2_000));
      if (!isGone) await signalUntilGone(master, "SIGKILL", 2_000);
    }
    this.#master = undefined;
    rmSync(this.#files.identity, { force: true });
  }

  /** Throws AppError `internal` with HAProxy's own words when it would refuse that file. */
  async check(config: string): Promise<void> {
    const { code, stdout, stderr } = await run(this.#inHost(["haproxy", "-c", "-q", "-f", config]), { okCodes: [0, 1] });
    if (code !== 0)
      throw new AppError(
        "internal",
        `The ingress configuration was refused by HAProxy; the one that runs stays. ${lastLines(stderr || stdout)}`,
      );
  }

  /** The last of what it logged. */
  lastWords(): string {
    return lastLines(readIfThere(this.#files.log) ?? "");
  }

  #note(master: ProcessIdentity): void {
    this.#master = master;
    writeFileSync(`${this.#files.identity}.new`, JSON.stringify(master), { mode: 0o600 });
    renameSync(`${this.#files.identity}.new`, this.#files.identity);
  }

  #inHost(argv: readonly string[]): readonly string[] {
    return this.#netns === undefined ? argv : ["nsenter", `--net=${this.#netns}`, "--", ...argv];
  }
}

/** Again and again, as a master may forget a signal: see requestReload(). True when it is gone within the time. */
async function signalUntilGone(master: ProcessIdentity, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  for (const deadlineMs = performance.now() + timeoutMs; performance.now() < deadlineMs; ) {
    signalProcess(master, signal);
    if (await waitGone(master, Math.min(SIGNAL_AGAIN_MS, deadlineMs - performance.now()))) return true;
  }
  return !isAlive(master);
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-6).join("\n").slice(-1_500);
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function readIdentity(file: string): ProcessIdentity | undefined {
  const text = readIfThere(file);
  if (text === undefined) return undefined;
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("pid" in value) || !("startTicks" in value)) return undefined;
  return typeof value.pid === "number" && typeof value.startTicks === "number"
    ? { pid: value.pid, startTicks: value.startTicks }
    : undefined;
}
