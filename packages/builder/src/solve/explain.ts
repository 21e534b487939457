import { type BuildFailure, type BuildLimits, DEFAULT_BUILD_DISK, formatBytes, memoryToRetry, typedBytes } from "@plimsoll/core";
import type { IgnoreRules } from "../context/ignore.ts";
import type { MissingSource } from "../context/select.ts";
import type { WorkerFailure } from "../execute/protocol.ts";
import type { StepPlace } from "../plan/steps.ts";
import { BuildProblem, problemAt } from "../problem.ts";

/** What a step's failure is to the person who pushed: its place, what happened, what to do. `namespace`: its name, for commands to type. */
export function explainStep(step: StepPlace, failure: WorkerFailure, limits: BuildLimits, namespace?: string): BuildProblem {
  const { exitCode, logTail, forOperator } = failure;
  const told = {
    reason: failure.reason,
    message: message(step, failure, limits, namespace),
    file: step.at.file,
    line: step.at.line,
    ...(step.at.instruction === undefined ? {} : { instruction: step.at.instruction }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(logTail === undefined ? {} : { logTail }),
  };
  return new BuildProblem(told, forOperator === undefined ? {} : { cause: new Error(forOperator) });
}

function message({ label }: StepPlace, failure: WorkerFailure, limits: BuildLimits, namespace: string | undefined): string {
  switch (failure.reason) {
    case "command":
      if (failure.exitCode === undefined) return `${label} could not be started: ${failure.message.replace(/\.$/, "")}.`;
      return `${label} failed with exit code ${failure.exitCode}${hint(failure.exitCode)}.${moreProcesses(failure, limits, namespace)}`;
    case "out_of_memory":
      return `${label} was killed: it needed more than the build's ${formatBytes(limits.memoryBytes)} of memory. ${moreMemory(limits, namespace)}`;
    case "out_of_disk":
      return `${label} was stopped: ${failure.message.replace(/\.$/, "")}.${failure.message.startsWith("it ") ? ` ${lessOrMoreDisk(limits, namespace)}` : ""}`;
    case "internal":
      return `${label} could not be executed: ${failure.message}. The platform's operator finds the reason in the agent's log; push again to repeat it.`;
    default:
      return `${label}: ${failure.message.replace(/\.$/, "")}.`;
  }
}

function lessOrMoreDisk({ diskBytes, diskFiles }: BuildLimits, namespace: string | undefined): string {
  const twice = {
    disk: typedBytes(2 * (diskBytes ?? DEFAULT_BUILD_DISK.diskBytes)),
    files: 2 * (diskFiles ?? DEFAULT_BUILD_DISK.diskFiles),
  };
  return (
    "Write less, remove what is not needed in the RUN that makes it, or keep downloads in a cache mount; an owner of the team can give builds " +
    `more: \`plim limits set${words(namespace)} disk=${twice.disk} files=${twice.files}\`.`
  );
}

function words(namespace: string | undefined): string {
  return namespace === undefined ? "" : ` ${namespace}`;
}

function hint(exitCode: number | undefined): string {
  if (exitCode === 127) return ": the shell did not find a program; install it in an earlier RUN, or check its name and PATH";
  if (exitCode === 126) return ": a file was found but could not be executed; check its mode and its #! line";
  return "";
}

/** For a command that failed after it could start no more processes; whether it failed for that, only its output says. */
function moreProcesses({ startsRefused }: WorkerFailure, { pids }: BuildLimits, namespace: string | undefined): string {
  if (startsRefused === undefined) return "";
  const times = startsRefused === 1 ? "once" : `${startsRefused.toLocaleString("en")} times`;
  return (
    ` It had all of the build's ${pids} processes and threads, and was refused another ${times}. Start fewer side by side (make -j2); an owner ` +
    `of the team can give builds more: \`plim limits set${words(namespace)} pids=${2 * pids}\`.`
  );
}

/** What to write where, so that the next build has more. */
function moreMemory({ memoryBytes, mostMemoryBytes }: BuildLimits, namespace: string | undefined): string {
  const { bytes, isAllowed } = memoryToRetry(memoryBytes, mostMemoryBytes);
  const write = `write \`build: { memory: ${typedBytes(bytes)} }\` into plimsoll.yaml and push again.`;
  if (isAllowed) return `To try it with ${formatBytes(bytes)}, ${write}`;
  return `That is all that its namespace may give: an owner of the team raises that with \`plim quota set${words(namespace)} memory=${typedBytes(bytes)}\`; then ${write}`;
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
export function timedOut(limits: BuildLimits, namespace?: string): BuildFailure {
  const seconds = Math.round(limits.timeoutMs / 1_000);
  const text = seconds >= 120 ? `${Math.round(seconds / 60)} minutes` : `${seconds} s`;
  const more = `plim limits set${words(namespace)} time=${Math.max(1, Math.round(seconds / 30))}m`;
  return {
    reason: "timeout",
    message: `The build was stopped: it took longer than its limit of ${text}. Make it faster, or have an owner of the team give builds more: \`${more}\`.`,
  };
}

export const CANCELLED: BuildFailure = { reason: "cancelled", message: "The build was cancelled." };
