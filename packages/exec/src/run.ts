import { spawn } from "node:child_process";
import { AppError } from "@plimsoll/core/errors";

export interface RunOptions {
  /** Killed with SIGKILL after this time. Default 30 s; 0 means no limit. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  /** Replaces the environment; default is a minimal one (PATH, HOME, LANG) so that no secret of ours leaks into a program. */
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  /** Exit codes that are no failure. Default [0]. */
  readonly okCodes?: readonly number[];
  /** Output kept per stream, in bytes; more is cut. Default 16 MiB. */
  readonly maxOutputBytes?: number;
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts one program from an argv array, never through a shell, and waits for its end. */
export type Run = (argv: readonly string[], options?: RunOptions) => Promise<Output>;

/** The environment that programs get when the caller names none. */
export const minimalEnv: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * Runs a program to its end. Throws AppError `timeout` when it was killed for time, `internal` (with argv, code and the last
 * lines of stderr) when it exits with a code not in `okCodes` or cannot be started. Safe to run concurrently.
 */
export const run: Run = (argv, options = {}) =>
  new Promise((resolve, reject) => {
    const [program, ...args] = argv;
    if (program === undefined) throw new AppError("internal", "run() needs a program");
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const child = spawn(program, args, {
      shell: false,
      cwd: options.cwd,
      env: options.env ?? minimalEnv,
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: "SIGKILL" as const }),
    });
    const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    const stdout = collect(limit);
    const stderr = collect(limit);
    child.stdout?.on("data", stdout.push);
    child.stderr?.on("data", stderr.push);
    let timedOut = false;
    const timer =
      timeoutMs === 0
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill("SIGKILL");
          }, timeoutMs);
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new AppError("internal", `${program} could not be started`, { cause, details: { argv } }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (timedOut) {
        reject(new AppError("timeout", `${program} did not finish within ${timeoutMs} ms`, { details: { argv } }));
        return;
      }
      const exit = code ?? 128;
      if ((options.okCodes ?? [0]).includes(exit) && signal === null) {
        resolve({ code: exit, stdout: stdout.text(), stderr: stderr.text() });
        return;
      }
      const how = signal === null ? `exited with ${exit}` : `was ended by ${signal}`;
      reject(
        new AppError("internal", `${argv.slice(0, 4).join(" ")} ${how}: ${tail(stderr.text() || stdout.text())}`, {
          details: { argv, code: exit, stderr: tail(stderr.text()) },
        }),
      );
    });
    if (options.stdin !== undefined && child.stdin) {
      // A program that ends without reading its input is judged by its exit code, not by our broken pipe.
      child.stdin.on("error", () => undefined);
      child.stdin.end(options.stdin);
    }
  });

function collect(limit: number) {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    push: (chunk: Buffer) => {
      if (size < limit) chunks.push(chunk.subarray(0, limit - size));
      size += chunk.length;
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}

function tail(text: string): string {
  return text.trim().split("\n").slice(-5).join("\n").slice(-2_000);
}
