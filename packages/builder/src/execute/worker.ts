import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError, errorText } from "@plimsoll/core";
import { cgroupDriver, errorCode, hideHybridCgroup, MS, mount } from "@plimsoll/host";
import { PatternError } from "../context/pattern.ts";
import { MissingSource } from "../context/select.ts";
import { DestinationProblem } from "./destination.ts";
import { UnknownOwner } from "./owners.ts";
import { jsonLines, type WorkerFailure, type WorkerInit, type WorkerMessage, type WorkerRequest } from "./protocol.ts";
import { CommandFailed, StepExecutor } from "./steps.ts";

/*
 * The program that does a build's work, started by the agent in a mount namespace of its own (all its threads) and moved into the
 * build's cgroup. Its mounts end with it; when the agent goes away its input ends, and it kills the build's cgroup, itself included.
 */

let executor: StepExecutor | undefined;
let killEverything = () => Promise.resolve();

function say(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function prepare(init: WorkerInit): StepExecutor {
  const { mountsDir } = init.layout;
  // Commands have their root below it, so it can be passed through (but not listed) by their users.
  mount("tmpfs", mountsDir, "tmpfs", MS.noSuid | MS.noDev, "mode=0711");
  const scratchDir = join(mountsDir, "builder");
  mkdirSync(scratchDir, { mode: 0o700 });
  hideHybridCgroup();
  killEverything = () => cgroupDriver(init.layout).killAll(init.cgroupPath);
  return new StepExecutor({ init, scratchDir, onOutput: (id, stream, text) => say({ type: "output", id, stream, text }) });
}

async function answer(request: WorkerRequest): Promise<void> {
  if (executor === undefined) throw new Error("a request came before init");
  try {
    say({ type: "done", id: request.id, result: await executor.execute(request) });
  } catch (error) {
    say({ type: "failed", id: request.id, failure: describe(error) });
  }
}

function describe(error: unknown): WorkerFailure {
  if (error instanceof CommandFailed) {
    const { exitCode, logTail } = error;
    return { reason: error.outOfMemory ? "out_of_memory" : "command", message: `exit code ${exitCode}`, exitCode, logTail };
  }
  if (error instanceof MissingSource || error instanceof DestinationProblem || error instanceof UnknownOwner) {
    return { reason: "context", message: error.message };
  }
  if (error instanceof PatternError) return { reason: "dockerfile", message: `a source pattern ${error.message}` };
  if (error instanceof AppError && error.code === "unsupported") return { reason: "context", message: error.message };
  if (error instanceof AppError && error.code === "invalid") return { reason: "context", message: error.message };
  if (errorCode(error) === "ENOSPC" || errorCode(error) === "EDQUOT") {
    return { reason: "internal", message: "the host has no disk space left for this build" };
  }
  process.stderr.write(`${errorText(error)}\n${error instanceof Error ? error.stack : ""}\n`);
  return { reason: "internal", message: "the step could not be executed" };
}

// The kernel, out of memory in the build's cgroup, shall end a command of the build before the one who can tell of it.
try {
  writeFileSync("/proc/self/oom_score_adj", "-500");
} catch {
  // Not allowed inside a container of somebody else's: then the agent sees a dead worker and the cgroup's counter.
}

process.stdin.on(
  "data",
  jsonLines<WorkerInit | WorkerRequest>((message) => {
    if (message.type === "init") executor = prepare(message);
    else void answer(message);
  }),
);
process.stdin.once("end", () => {
  void killEverything().finally(() => process.exit(1));
});
say({ type: "ready" });
