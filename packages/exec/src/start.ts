import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { AppError } from "@plimsoll/core/errors";
import { minimalEnv } from "./run.ts";

export type { ChildProcess } from "node:child_process";

export interface StartOptions {
  readonly cwd?: string;
  /** Replaces the environment; default is the minimal one of run(). */
  readonly env?: Readonly<Record<string, string>>;
  /** As in node's spawn; numbers are inherited file descriptors. Default: nothing in, nothing out. */
  readonly stdio?: SpawnOptions["stdio"];
  /** A session of its own: the program survives us and our terminal. The caller then records who it is. */
  readonly detached?: boolean;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Starts a program from an argv array and returns at once with its handle; resolves when the kernel has it (`pid` is set), throws
 * AppError `internal` when it cannot be started. The caller owns its end.
 */
export function start(argv: readonly string[], options: StartOptions = {}): Promise<ChildProcess & { readonly pid: number }> {
  const [program, ...args] = argv;
  if (program === undefined) throw new AppError("internal", "start() needs a program");
  const child = spawn(program, args, {
    shell: false,
    cwd: options.cwd,
    env: options.env ?? minimalEnv,
    stdio: options.stdio ?? "ignore",
    detached: options.detached ?? false,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new AppError("internal", `${program} could not be started`, { cause, details: { argv } })));
    child.once("spawn", () => resolve(child as ChildProcess & { readonly pid: number }));
  });
}
