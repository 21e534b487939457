import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MissingMountSource } from "@plimsoll/containers";
import { AppError, errorText } from "@plimsoll/core";
import { cgroupDriver, errorCode, MS, mount } from "@plimsoll/host";
import { PatternError } from "../context/pattern.ts";
import { MissingSource } from "../context/select.ts";
import { DestinationProblem } from "./destination.ts";
import { OutOfDisk, outOfDiskText } from "./disk-budget.ts";
import { CacheFull, HostOutOfDisk } from "./disk-watch.ts";
import { FetchFailed } from "./fetch-url.ts";
import { UnknownOwner } from "./owners.ts";
import { jsonLines, WORKER_CGROUP, type WorkerFailure, type WorkerInit, type WorkerMessage, type WorkerRequest } from "./protocol.ts";
import { CommandFailed, CommandNotStarted, StepExecutor } from "./steps.ts";

/*
 * The program that does a build's work, started by the agent in a mount namespace of its own (all its threads) and moved into the
 * build's cgroup. Its mounts end with it; when the agent goes away its input ends, and it kills the commands and ends itself.
 */

let executor: StepExecutor | undefined;
let killCommands = () => Promise.resolve();

function say(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function prepare(init: WorkerInit): StepExecutor {
  const scratchDir = join(init.layout.runDir, "builder");
  mkdirSync(scratchDir, { recursive: true, mode: 0o711 });
  mount("tmpfs", scratchDir, "tmpfs", MS.noSuid | MS.noDev, "mode=0711");
  killCommands = async () => {
    const cgroups = cgroupDriver(init.layout);
    // Not our own cgroup: on cgroup v1 killing begins with freezing, and who freezes himself kills nobody.
    const commands = cgroups.children(init.cgroupPath).filter((name) => name !== WORKER_CGROUP);
    await Promise.all(commands.map((name) => cgroups.killAll(join(init.cgroupPath, name))));
  };
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
    const { exitCode, logTail, startsRefused } = error;
    const reason = error.outOfMemory ? "out_of_memory" : "command";
    return { reason, message: `exit code ${exitCode}`, exitCode, logTail, ...(startsRefused > 0 ? { startsRefused } : {}) };
  }
  if (error instanceof OutOfDisk) return { reason: "out_of_disk", message: outOfDiskText(error), logTail: error.logTail };
  if (error instanceof HostOutOfDisk) {
    return { reason: "out_of_disk", message: "the host has almost no disk space left. Push again, or tell the platform's operator" };
  }
  if (error instanceof CacheFull) {
    return {
      reason: "out_of_disk",
      message: `the cache mount ${error.target} held more than a build may write, and was emptied. Let the command keep less in it, and push again`,
    };
  }
  if (error instanceof CommandNotStarted) return { reason: "command", message: error.message };
  if (error instanceof MissingSource || error instanceof DestinationProblem || error instanceof UnknownOwner) {
    return { reason: "context", message: error.message };
  }
  if (error instanceof MissingMountSource) return { reason: "context", message: `there is no ${error.source} to mount` };
  if (error instanceof FetchFailed) return { reason: "context", message: `it cannot be fetched: ${error.message}` };
  if (error instanceof PatternError) return { reason: "dockerfile", message: `a source pattern ${error.message}` };
  if (error instanceof AppError && error.code === "unsupported") return { reason: "context", message: error.message };
  if (error instanceof AppError && error.code === "invalid") return { reason: "context", message: error.message };
  if (errorCode(error) === "ENOSPC" || errorCode(error) === "EDQUOT") {
    return { reason: "internal", message: "the host has no disk space left for this build" };
  }
  const forOperator = error instanceof Error && error.stack !== undefined ? `${errorText(error)}\n${error.stack}` : errorText(error);
  return { reason: "internal", message: "the step could not be executed", forOperator };
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
  void killCommands().finally(() => process.exit(1));
});
say({ type: "ready" });
