import { formatBytes, type Resource, type Spec, type Status } from "@plimsoll/core";
import type { RolloutWorld } from "./rollout-world.ts";
import { type Failure, START_TIMEOUT_MS } from "./verdict.ts";
import { isLost, type MissingInstance } from "./wanted.ts";

/** As failures name it. */
export const COMMAND_NAME = "release command";
/** Once more where the host went down with the first, whose end nobody knows. */
const ATTEMPTS = 2;
/** After an outage of ours its host may have its end to tell first. */
const HEARING_MS = 10_000;

type CommandStatus = NonNullable<Status<"Deployment">["command"]>;

/** What the command of the release that is being rolled out asks for. */
export interface CommandPlan {
  /** There is none, or it ended well: the release's processes may start. */
  readonly done: boolean;
  /** It ended well just now: to be noted with the release, so that it never runs again. */
  readonly ran: boolean;
  readonly failure?: Failure;
  readonly missing?: MissingInstance;
  /** Instances of commands that are not wanted any more, whatever they do. */
  readonly stop: readonly Resource<"Instance">[];
  readonly lose: readonly Resource<"Instance">[];
  /** Of the deployment; undefined: it has none. */
  readonly status?: CommandStatus;
  readonly untilMs?: number;
}

/**
 * The command of a release, as a pure function of what is. It runs in an instance of its own, before any process of the release starts;
 * nothing that serves is touched meanwhile.
 *
 *   instance of the command        condition                                what becomes of it
 *   (of the target, starting)
 *   ─────────────────────────────  ───────────────────────────────────────  ───────────────────────────────────────────────────────────
 *   none                           the release's command ended well before  done
 *   none                           fewer than two attempts                  placed; waits 120 s for room on a host and in the quota
 *   not started                    120 s since it was asked for             failed
 *   running                        its limit is over                        failed: it is stopped
 *   finished                       exit 0                                   done: noted with the release, in the step that starts the rest
 *   finished                       any other end                            failed
 *   lost with its host, given up   first attempt                            stopped, and placed once more
 *   lost with its host, given up   second attempt                           failed
 *   any                            of another release than the target       stopped
 */
export function planCommand(world: RolloutWorld, target: Resource<"Deployment"> | undefined): CommandPlan {
  const tasks = world.instances.filter(({ spec }) => spec.task === true && spec.desired === "running");
  const release = target?.status.phase === "starting" ? world.releases.get(target.spec.release) : undefined;
  const was = target?.status.command;
  const kept = was === undefined ? {} : { status: was };
  if (target === undefined || release?.spec.releaseCommand === undefined || release.status.commandRanAt !== undefined)
    return { done: true, ran: false, stop: tasks, lose: [], ...kept };
  const { command, timeoutMs } = release.spec.releaseCommand;
  const mine = tasks.filter(({ spec }) => spec.release === release.spec.number);
  const task = mine.at(-1);
  const stale = tasks.filter((one) => one !== task);
  const attempt = task?.spec.ordinal ?? (was?.attempt ?? 0) + 1;
  if (task === undefined) {
    const missing: MissingInstance = { process: "release", release: release.spec.number, ordinal: attempt, task: true };
    return { done: false, ran: false, missing, stop: stale, lose: [], ...kept };
  }
  const { status } = task;
  const output = [...(status.logTail ?? [])];
  const told = (state: CommandStatus["state"]): CommandStatus => ({
    state,
    attempt,
    ...(status.startedAt === undefined ? {} : { startedAt: status.startedAt }),
    ...(state === "running" ? {} : { finishedAt: status.lastExit?.at ?? new Date(world.nowMs).toISOString() }),
    output,
  });
  const failed = (reason: string, hint?: string): CommandPlan => ({
    done: false,
    ran: false,
    failure: { instance: COMMAND_NAME, reason, logTail: output, ...(hint === undefined ? {} : { hint }) },
    stop: [...stale, task],
    lose: [],
    status: told("failed"),
  });
  if (status.phase === "finished") {
    const why = failedEnd(task, command);
    return why === undefined ? { done: true, ran: true, stop: [...stale, task], lose: [], status: told("succeeded") } : failed(...why);
  }
  const lost = isLost(task, world.hosts);
  if (lost || status.phase === "failed") {
    const why = lost ? `its host ${task.spec.host} has not been heard of` : (status.message ?? "its host gave it up");
    if (attempt >= ATTEMPTS) return failed(`did not come to its end, ${ATTEMPTS} times: ${why}`);
    return { done: false, ran: false, stop: lost ? stale : [...stale, task], lose: lost ? [task] : [], status: told("running") };
  }
  const askedMs = Math.max(world.observedSinceMs, Date.parse(task.metadata.createdAt));
  const untilMs =
    status.startedAt === undefined
      ? askedMs + START_TIMEOUT_MS
      : Math.max(Date.parse(status.startedAt) + timeoutMs, world.observedSinceMs + HEARING_MS);
  if (world.nowMs < untilMs) return { done: false, ran: false, stop: stale, lose: [], status: told("running"), untilMs };
  if (status.startedAt === undefined)
    return failed(`did not start in ${START_TIMEOUT_MS / 1_000} s: ${status.message ?? `host ${task.spec.host} did not begin with it`}`);
  return failed(`was stopped after ${timeoutMs / 1_000} s, its limit`, "it may have up to 60m: release: { timeout: 30m } in plimsoll.yaml");
}

/** What an instance of the command takes: as much as one of `web`, else of the release's first process. */
export function commandSize(release: Spec<"Release">): { readonly cpuMillis: number; readonly memoryBytes: number } {
  const like = release.processes.web ?? Object.values(release.processes)[0];
  return { cpuMillis: like?.cpuMillis ?? 250, memoryBytes: like?.memoryBytes ?? 256 * 1024 ** 2 };
}

/** Reason and hint of an end that is no success. */
function failedEnd({ spec, status }: Resource<"Instance">, command: readonly string[]): [string, string?] | undefined {
  const exit = status.lastExit;
  if (exit === undefined) return ["ended, and its host did not say how"];
  const memory = formatBytes(spec.memoryBytes);
  if (exit.outOfMemory)
    return [`was killed: it needed more than its ${memory}`, "it has what an instance of web has: give that more memory"];
  if (exit.signal !== undefined) return [`was ended by ${exit.signal}`];
  if (exit.code === 0) return undefined;
  const missing = exit.code === 127 ? `the image does not have what it calls: ${command.at(-1)}` : undefined;
  return missing === undefined ? [`exited with ${exit.code}`] : [`exited with ${exit.code}`, missing];
}
