import { join } from "node:path";
import { AppError, toAppError } from "@plimsoll/core";
import { type ChildProcess, minimalEnv, start } from "@plimsoll/exec";
import { type CgroupDriver, identifyProcess } from "@plimsoll/host";
import { answerError, type LauncherAnswer, type LauncherCommand } from "./launcher-protocol.ts";

/** The cgroup of monitors and launcher: outside the agent's unit, so that stopping that leaves them alone. */
export const MONITORS_CGROUP = "monitors";

type Waiting = {
  readonly pid: number;
  readonly resolve: (answer: Extract<LauncherAnswer, { ok: true }>) => void;
  readonly reject: (error: Error) => void;
};

/**
 * The agent's end of the launcher process. It is started on first use and again when it has died; commands that were under way then
 * fail with AppError `unavailable`, and what they had begun is found by looking.
 */
export class Launcher {
  readonly #cgroups: CgroupDriver;
  #child: Promise<ChildProcess & { readonly pid: number }> | undefined;
  #waiting = new Map<number, Waiting>();
  #pid: number | undefined;
  #lastId = 0;
  #closed = false;

  constructor(cgroups: CgroupDriver) {
    this.#cgroups = cgroups;
  }

  /** Starts it if it does not run; returns its pid. */
  async ready(): Promise<number> {
    return (await this.#running()).pid;
  }

  async perform(command: LauncherCommand): Promise<{ readonly pid?: number; readonly stdout?: string }> {
    try {
      return await this.#send(command);
    } catch (error) {
      // It was dead already, only nobody had told us: the command has not been seen by anyone.
      if (!(error instanceof NotDelivered)) throw error;
      return this.#send(command);
    }
  }

  async #send(command: LauncherCommand): Promise<{ readonly pid?: number; readonly stdout?: string }> {
    let child = await this.#running();
    if (identifyProcess(child.pid) === undefined) {
      // Dead, and node has not told us yet.
      this.#forget(child);
      child = await this.#running();
    }
    const { pid } = child;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { pid, resolve, reject });
      child.send({ id, command }, (error) => {
        if (error === null) return;
        this.#forget(child);
        this.#settle(id, (waiting) => waiting.reject(new NotDelivered()));
      });
    });
  }

  /** What it launched stays. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = await this.#child?.catch(() => undefined);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.disconnect();
    await ended;
  }

  #running(): Promise<ChildProcess & { readonly pid: number }> {
    if (this.#closed) throw new AppError("unavailable", "The runtime is closing.");
    this.#child ??= this.#spawn().catch((error: unknown) => {
      this.#child = undefined;
      throw toAppError(error);
    });
    return this.#child;
  }

  async #spawn(): Promise<ChildProcess & { readonly pid: number }> {
    this.#cgroups.ensure(MONITORS_CGROUP);
    const child = await start(
      // Its heap holds a few messages: small generations keep its memory near that of the bare runtime.
      [process.execPath, "--max-old-space-size=32", "--max-semi-space-size=1", join(import.meta.dirname, "launcher-main.ts")],
      { cwd: "/", env: launcherEnv(), stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    this.#pid = child.pid;
    this.#cgroups.move(MONITORS_CGROUP, child.pid);
    child.on("message", (answer: LauncherAnswer) => {
      this.#settle(answer.id, (waiting) => (answer.ok ? waiting.resolve(answer) : waiting.reject(answerError(answer))));
    });
    child.once("exit", () => {
      this.#forget(child);
      for (const [id, { pid }] of [...this.#waiting]) if (pid === child.pid) this.#settle(id, (waiting) => waiting.reject(gone()));
    });
    return child;
  }

  /** The next command gets another one. */
  #forget(child: ChildProcess): void {
    if (this.#pid === child.pid) this.#child = undefined;
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting !== undefined) how(waiting);
  }
}

/** Where compiled code is cached, the launcher neither loads a TypeScript compiler nor waits for it. */
function launcherEnv(): Readonly<Record<string, string>> {
  const cache = process.env.NODE_COMPILE_CACHE;
  return cache === undefined ? minimalEnv : { ...minimalEnv, NODE_COMPILE_CACHE: cache };
}

class NotDelivered extends AppError {
  constructor() {
    super("unavailable", "The launcher process is gone.");
  }
}

function gone(): AppError {
  return new AppError("unavailable", "The launcher process died while a container was being started; it is started again.");
}
