import type { BuildFailure, BuildLimits } from "@plimsoll/core";
import type { IgnoreRules } from "../context/ignore.ts";
import type { MissingSource } from "../context/select.ts";
import type { WorkerFailure } from "../execute/protocol.ts";
import type { StepPlace } from "../plan/steps.ts";
import { BuildProblem, problemAt } from "../problem.ts";

/** What a step's failure is to the person who pushed: its place, what happened, what to do. */
export function explainStep(step: StepPlace, failure: WorkerFailure, limits: BuildLimits): BuildProblem {
  const { exitCode, logTail } = failure;
  return new BuildProblem({
    reason: failure.reason,
    message: message(step, failure, limits),
    file: step.at.file,
    line: step.at.line,
    ...(step.at.instruction === undefined ? {} : { instruction: step.at.instruction }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(logTail === undefined ? {} : { logTail }),
  });
}

function message({ label }: StepPlace, failure: WorkerFailure, limits: BuildLimits): string {
  switch (failure.reason) {
    case "command":
      if (failure.exitCode === undefined) return `${label} could not be started: ${failure.message.replace(/\.$/, "")}.`;
      return `${label} failed with exit code ${failure.exitCode}${hint(failure.exitCode)}.`;
    case "out_of_memory":
      return `${label} was killed: it needed more than the build's ${size(limits.memoryBytes)} of memory. Give builds ${size(retryMemory(limits.memoryBytes))} and push again.`;
    case "out_of_disk":
      return `${label} was stopped: ${failure.message.replace(/\.$/, "")}.${failure.message.startsWith("it ") ? OUT_OF_DISK_HINT : ""}`;
    case "internal":
      return `${label} could not be executed: ${failure.message}. The platform's operator finds the reason in the agent's log; push again to repeat it.`;
    default:
      return `${label}: ${failure.message.replace(/\.$/, "")}.`;
  }
}

const OUT_OF_DISK_HINT =
  " Write less, remove what is not needed in the RUN that makes it, or keep downloads in a cache mount; an owner of the team can give builds more.";

function hint(exitCode: number | undefined): string {
  if (exitCode === 127) return ": the shell did not find a program; install it in an earlier RUN, or check its name and PATH";
  if (exitCode === 126) return ": a file was found but could not be executed; check its mode and its #! line";
  return "";
}

/** Twice as much, in whole steps that quotas are given in. */
export function retryMemory(bytes: number): number {
  const step = 256 * 1024 * 1024;
  return Math.ceil((bytes * 2) / step) * step;
}

/** `512 MiB`, `1 GiB`, `1.5 GiB`. */
export function size(bytes: number): string {
  const mebibytes = bytes / (1024 * 1024);
  if (mebibytes < 1) return `${bytes} bytes`;
  return mebibytes < 1024 ? `${round(mebibytes)} MiB` : `${round(mebibytes / 1024)} GiB`;
}

function round(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

/** A source that is not in the context: left out by a rule, or not committed. */
export function explainMissing(step: StepPlace, missing: MissingSource, rules: IgnoreRules | undefined): BuildProblem {
  const path = missing.source.replace(/^[./]+/, "");
  const line = rules?.ignoringLine(path);
  if (rules !== undefined && line !== undefined) {
    return problemAt(
      step.at,
      "context",
      `${step.label}: ${path} is left out by line ${line} of ${rules.file}; change that rule, or do not copy it.`,
    );
  }
  return problemAt(
    step.at,
    "context",
    `${step.label}: ${missing.message}. Commit it, or correct the path; paths are relative to the build's directory in the repository.`,
  );
}

/** The failure of a build that took too long. */
export function timedOut(limits: BuildLimits): BuildFailure {
  const seconds = Math.round(limits.timeoutMs / 1_000);
  const text = seconds >= 120 ? `${Math.round(seconds / 60)} minutes` : `${seconds} s`;
  return {
    reason: "timeout",
    message: `The build was stopped: it took longer than its limit of ${text}. Make it faster, or give builds more time.`,
  };
}

export const CANCELLED: BuildFailure = { reason: "cancelled", message: "The build was cancelled." };
