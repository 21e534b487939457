import { AppError, type ErrorCode, toAppError } from "@plimsoll/core";
import type { MonitorRequest } from "./conmon.ts";
import type { BundleRequest } from "./snapshot-launch.ts";

/** What the agent asks its launcher for, over node's IPC channel; answers come in any order. */
export type LauncherCommand =
  | {
      readonly kind: "launch";
      readonly bundle: BundleRequest;
      readonly monitor: MonitorRequest;
      /** Start the program as soon as the container is created. */
      readonly start: boolean;
    }
  /** Runs a program to its end: cheaper here than in the agent, whose size a spawn pays for. */
  | { readonly kind: "run"; readonly argv: readonly string[]; readonly timeoutMs: number };

export interface LauncherRequest {
  readonly id: number;
  readonly command: LauncherCommand;
}

export type LauncherAnswer =
  | { readonly id: number; readonly ok: true; readonly pid?: number; readonly stdout?: string }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };

export function failureAnswer(id: number, error: unknown): LauncherAnswer {
  const { code, message, cause } = toAppError(error);
  // The receiver is the agent: it may know what an unknown error said.
  return { id, ok: false, code, message: cause instanceof Error ? cause.message : message };
}

export function answerError(answer: Extract<LauncherAnswer, { ok: false }>): AppError {
  return new AppError(answer.code, answer.message);
}
