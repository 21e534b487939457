import type { Readable, Transform, Writable } from "node:stream";
import { AppError } from "@plimsoll/core";
import { type ChildProcess, start } from "@plimsoll/exec";

/** A client that neither sends nor takes a byte for this long is let go. A waiting push is not silent: see receive.keepAlive. */
const IDLE_MS = 10 * 60_000;
const KILL_AFTER_MS = 2_000;

export interface GitProcessOptions {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Whose process it is: for the limit per person. */
  readonly userId: string;
  /** What its output passes on its way to the client. */
  readonly through?: Transform;
  /** Called once, when it has ended. */
  readonly onEnd?: () => void;
}

/** A receive-pack or upload-pack that talks to one client. */
export interface GitProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Exit code, 128 when it was killed; after all its output was read. Never rejects. */
  readonly ended: Promise<number>;
  /** The client gave a sign of life. */
  touch(): void;
  /** Ends it with all its children: politely, so that it removes what it was writing, then by force. Idempotent. */
  end(): void;
}

/** The git processes of this server: bounded, and none survives it. */
export class GitProcesses {
  readonly #running = new Set<GitProcess>();
  /** Whose processes run or are being started: taken before the start is waited for, or requests side by side pass the limit together. */
  readonly #places: string[] = [];
  readonly #limits: { readonly total: number; readonly perUser: number };
  #closed = false;

  constructor(limits: { readonly total: number; readonly perUser: number }) {
    this.#limits = limits;
  }

  /** Throws AppError rate_limited when too many run, unavailable when the server is closing. */
  async start(options: GitProcessOptions): Promise<GitProcess> {
    if (this.#closed) throw new AppError("unavailable", "Plimsoll is being restarted: try again in a moment.");
    const { userId } = options;
    const ofUser = this.#places.filter((one) => one === userId).length;
    if (this.#places.length >= this.#limits.total || ofUser >= this.#limits.perUser) {
      throw new AppError("rate_limited", "Too many git connections at the same time: try again when some of them have ended.");
    }
    this.#places.push(userId);
    const leave = () => void this.#places.splice(this.#places.indexOf(userId), 1);
    try {
      // A process group of its own: git starts children, and ends with them.
      const child = await start(options.argv, { env: options.environment, cwd: "/", stdio: ["pipe", "pipe", "pipe"], detached: true });
      const git = supervise(child, options);
      this.#running.add(git);
      void git.ended.then(() => {
        this.#running.delete(git);
        leave();
      });
      if (this.#closed) git.end();
      return git;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Ends all and waits for their end. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#running];
    for (const git of all) git.end();
    await Promise.all(all.map((git) => git.ended));
  }
}

function supervise(child: ChildProcess & { readonly pid: number }, { through, onEnd }: GitProcessOptions): GitProcess {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new AppError("internal", "git was started without pipes");
  let exited = false;
  let killTimer: NodeJS.Timeout | undefined;
  const signalGroup = (signal: NodeJS.Signals) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  };
  const end = () => {
    // Output that nobody reads would keep the process, and its place, from ending; a reader that has left may still hold it back.
    for (const stream of [stdout, output, stderr]) stream.unpipe().destroy();
    if (exited || killTimer !== undefined) return;
    signalGroup("SIGTERM");
    killTimer = setTimeout(() => signalGroup("SIGKILL"), KILL_AFTER_MS);
  };
  const idle = setTimeout(end, IDLE_MS);
  stdout.on("data", () => idle.refresh());
  stdout.pause();
  const output = through === undefined ? stdout : stdout.pipe(through);
  const read = through === undefined ? undefined : new Promise((resolve) => through.once("close", resolve));
  // git that stops reading is judged by its exit code, not by our broken pipe.
  stdin.on("error", () => undefined);
  child.once("exit", () => {
    exited = true;
  });
  const closed = new Promise<number>((resolve) => {
    child.once("close", (code) => {
      clearTimeout(killTimer);
      onEnd?.();
      resolve(code ?? 128);
    });
  });
  const ended = closed.then(async (code) => {
    await read;
    clearTimeout(idle);
    return code;
  });
  return { stdin, stdout: output, stderr, ended, end, touch: () => void idle.refresh() };
}
