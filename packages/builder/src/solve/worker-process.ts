import { mkdirSync, readdirSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { AppError } from "@plimsoll/core";
import { type ChildProcess, minimalEnv, start } from "@plimsoll/exec";
import { privateMountNamespaceArgv } from "@plimsoll/host";
import { jsonLines, type WorkerInit, type WorkerMessage, type WorkerRequest } from "../execute/protocol.ts";

const WORKER = fileURLToPath(new URL("../execute/worker.ts", import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const STDERR_KEPT = 4_000;

export type WorkerAnswer = Exclude<WorkerMessage, { readonly type: "ready" }>;

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A worker that is loaded and waits for its build: it has seen nothing of any tenant. */
export class WorkerProcess {
  readonly pid: number;
  readonly ended: Promise<WorkerEnd>;
  private readonly child: ChildProcess;
  private readonly ready = Promise.withResolvers<void>();
  private onAnswer: (answer: WorkerAnswer) => void = () => undefined;
  private stderr = "";

  private constructor(child: ChildProcess & { readonly pid: number }) {
    this.child = child;
    this.pid = child.pid;
    this.ended = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, stderr: this.stderr.trim() })));
    child.stdin?.on("error", () => undefined); // Its end is what tells.
    child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-STDERR_KEPT);
    });
    child.stdout?.on(
      "data",
      jsonLines<WorkerMessage>((message) => {
        if (message.type === "ready") this.ready.resolve();
        else this.onAnswer(message);
      }),
    );
  }

  /**
   * Starts one in a mount namespace of its own; resolves when it is loaded. Compiled code is kept in `codeCacheDir` for the next one. One that
   * is loaded ahead gives way to everything else meanwhile.
   */
  static async start(codeCacheDir: string, ahead = false): Promise<WorkerProcess> {
    mkdirSync(codeCacheDir, { recursive: true, mode: 0o700 });
    const argv = privateMountNamespaceArgv([process.execPath, "--disable-warning=ExperimentalWarning", WORKER]);
    const env = { ...minimalEnv, NODE_COMPILE_CACHE: codeCacheDir };
    const worker = new WorkerProcess(await start(argv, { stdio: ["pipe", "pipe", "pipe"], env, cwd: "/" }));
    if (ahead) worker.setPriority(constants.priority.PRIORITY_LOW);
    const timer = setTimeout(() => worker.kill(), READY_TIMEOUT_MS);
    void worker.ended.then(({ stderr }) => worker.ready.reject(new AppError("internal", `the build's worker did not start: ${stderr}`)));
    await worker.ready.promise.finally(() => clearTimeout(timer));
    return worker;
  }

  /** From now on answers go to `onAnswer`. */
  send(message: WorkerInit | WorkerRequest, onAnswer?: (answer: WorkerAnswer) => void): void {
    if (onAnswer !== undefined) this.onAnswer = onAnswer;
    this.child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /** Of all its threads: on Linux each has its own, and takes it from the one that made it. */
  setPriority(priority: number): void {
    try {
      for (const thread of readdirSync(`/proc/${this.pid}/task`)) setPriority(Number(thread), priority);
    } catch {
      // It has ended, which its end tells.
    }
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** An idle worker does not keep the agent from ending; one at work does. */
  hold(atWork: boolean): void {
    for (const handle of [this.child, this.child.stdin, this.child.stdout, this.child.stderr] as (Partial<Handle> | null)[]) {
      if (atWork) handle?.ref?.();
      else handle?.unref?.();
    }
  }
}

/** What Node's child processes and their pipes have, whatever their types say. */
interface Handle {
  ref(): void;
  unref(): void;
}

/**
 * Loading a worker takes longer than most edits take to build, so after a build that needed one the next is loaded ahead and waits for a
 * while. Never more than one waits; without builds none does.
 */
export class SpareWorker {
  private readonly codeCacheDir: string;
  private readonly idleMs: number;
  private spare: Promise<WorkerProcess> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(codeCacheDir: string, idleMs: number) {
    this.codeCacheDir = codeCacheDir;
    this.idleMs = idleMs;
  }

  /** The waiting worker, or a new one. The caller ends it. */
  async take(): Promise<WorkerProcess> {
    const spare = this.spare;
    this.spare = undefined;
    clearTimeout(this.timer);
    const worker = await spare?.catch(() => undefined);
    if (worker?.isAlive !== true) return WorkerProcess.start(this.codeCacheDir);
    worker.setPriority(constants.priority.PRIORITY_NORMAL);
    worker.hold(true);
    return worker;
  }

  /** Loads one for the next build. */
  prepare(): void {
    if (this.closed || this.idleMs === 0 || this.spare !== undefined) return;
    this.spare = WorkerProcess.start(this.codeCacheDir, true);
    this.spare.then(
      (worker) => worker.hold(false),
      () => undefined, // take() starts another one, and tells why that fails.
    );
    this.timer = setTimeout(() => void this.drop(), this.idleMs);
    this.timer.unref();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.drop();
  }

  private async drop(): Promise<void> {
    const spare = this.spare;
    this.spare = undefined;
    const worker = await spare?.catch(() => undefined);
    worker?.hold(true);
    worker?.kill();
    await worker?.ended;
  }
}
