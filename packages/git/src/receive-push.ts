import { type AppError, errorText, newUid, toAppError } from "@plimsoll/core";
import { commitFiles } from "./commit-files.ts";
import { BUILD_REFS, type Git, LAST_FOR_BUILD } from "./git-command.ts";
import { deployedBranch, type PlannedCommand, planPush, storedNotes } from "./plan-push.ts";
import type { FinishedPush, GitClock, GitLogger, GitPorts, Principal, PushRecord, PushToFinish, RepositoryRef } from "./ports.ts";
import { type ProcReceive, type RefCommand, type RefReport, TooMuch } from "./proc-receive.ts";
import { type Commit, dropPushes, keepPush, NO_COMMIT, type RepositoryRefs, readCommit, readRefs } from "./push-refs.ts";
import { PushRenderer, type Verdict } from "./render/push.ts";
import { cleanLines } from "./render/text.ts";
import { type StoredCommand, storeRefs } from "./store-refs.ts";

/** One push under way: who, where to. */
export interface PushSession {
  readonly principal: Principal;
  readonly ref: RepositoryRef;
  readonly appUid: string;
  readonly repository: string;
}

export interface ReceiveDependencies {
  readonly git: Git;
  readonly ports: GitPorts;
  readonly clock: GitClock;
  readonly logger: GitLogger;
  /** Ids of pushes between "kept" and "recorded": the scan leaves them alone. */
  readonly inFlight: Set<string>;
  /** Aborted when this server stops; the deploys go on. */
  readonly stopping: AbortSignal;
  finishPush(push: PushToFinish): Promise<FinishedPush>;
}

/** Pauses between attempts to record a push while the database does not answer. */
const RECORD_PAUSES_MS = [100, 300, 1_000, 2_000, 3_000];
const SILENCE_MS = 15_000;
const ATOMIC_FAILED = "atomic push failed";
const STOPPING: Verdict = {
  lines: ["", "Plimsoll is being restarted. The deploy goes on without you: push again to see it."],
  reason: "the platform is being restarted",
};

/**
 * Takes one push from git's hook: stores branches and tags, deploys the branch that is deployed, tells what happens, and answers when it
 * is decided. Returns early when nobody listens any more; the deploy goes on then, and finishPush moves the branch. Throws what is no
 * protocol, before anything is changed.
 */
export async function receivePush(session: PushSession, conversation: ProcReceive, deps: ReceiveDependencies): Promise<void> {
  const { commands, atomic } = await conversation.open().catch((error: unknown) => {
    if (error instanceof TooMuch) conversation.say([error.message]);
    throw error;
  });
  try {
    const [refs, commit] = await Promise.all([
      commands.every(isForBuild) ? NO_REFS : readRefs(deps.git, session.repository),
      readPushedCommit(commands, session.repository, deps),
    ]);
    const planned = planPush(commands, refs.branches);
    const stored = planned.filter(isStored);
    const others = planned.filter((one): one is Exclude<PlannedCommand, StoredCommand> => !isStored(one));
    let broken = atomic && planned.some(({ action }) => action === "refuse");
    const reports: RefReport[] = [];
    const report = ({ command: { ref } }: PlannedCommand, rejected: string | undefined) => {
      if (rejected !== undefined && atomic) broken = true;
      reports.push(rejected === undefined ? { ref } : { ref, rejected });
    };
    const store = async () => {
      const refused = broken ? new Map<StoredCommand, string>() : await storeRefs(deps.git, session.repository, stored, atomic);
      conversation.say(
        storedNotes(broken ? [] : stored.filter((one) => !refused.has(one)), deployedBranch(refs.branches, commands), session.ref.app),
      );
      const failed = broken;
      for (const one of stored) report(one, failed ? ATOMIC_FAILED : refused.get(one));
    };
    // The refs of an atomic push stand or fall with the deploy, so it comes first there; else what is stored need not wait for it.
    if (!atomic) await store();
    for (const one of others) report(one, broken && one.action !== "refuse" ? ATOMIC_FAILED : await execute(one, commit, refs.pushes));
    if (atomic) await store();
    conversation.answer(reports);
    if (!broken) await keepForNextBuild(planned, reports);
  } catch (error) {
    deps.logger.error("a push could not be taken", { appUid: session.appUid, error: errorText(error) });
    const { message } = toAppError(error);
    conversation.answer(commands.map(({ ref }) => ({ ref, rejected: message })));
  }

  /** Does what is planned for one ref that is not just stored; the reason when it is not done. */
  async function execute(
    planned: Exclude<PlannedCommand, StoredCommand>,
    commit: PushedCommit | undefined,
    pushes: ReadonlyMap<string, string>,
  ): Promise<string | undefined> {
    const { command } = planned;
    switch (planned.action) {
      case "refuse":
        if (planned.note !== undefined) conversation.say([planned.note]);
        return planned.reason;
      case "take":
      case "deploy": {
        const found = commit?.id === command.newCommit ? commit.commit : await readCommit(deps.git, session.repository, command.newCommit);
        if (found === undefined) return "not a commit";
        return planned.action === "take" ? undefined : deploy(command, planned.branch, found, pushes);
      }
    }
  }

  /** Nobody waits for it, and nothing depends on it: without it, the next one is sent whole. */
  async function keepForNextBuild(planned: readonly PlannedCommand[], reports: readonly RefReport[]): Promise<void> {
    const refused = new Set(reports.flatMap(({ ref, rejected }) => (rejected === undefined ? [] : [ref])));
    const taken = planned.filter(({ action, command: { ref } }) => action === "take" && !refused.has(ref)).at(-1);
    if (taken === undefined) return;
    await deps
      .git(session.repository, ["update-ref", LAST_FOR_BUILD, taken.command.newCommit])
      .catch((error: unknown) =>
        deps.logger.error("a commit for a build was not kept", { appUid: session.appUid, error: errorText(error) }),
      );
  }

  async function deploy(
    command: RefCommand,
    branch: string,
    commit: Commit,
    pushes: ReadonlyMap<string, string>,
  ): Promise<string | undefined> {
    const { principal, ref, appUid } = session;
    const renderer = new PushRenderer({ ...ref, commit: command.newCommit, subject: commit.subject });
    conversation.say(renderer.heading());
    const running = await findOpenPush(command.newCommit, pushes);
    const push: PushRecord = {
      id: running ?? newUid("push", deps.clock.now()),
      appUid,
      commit: command.newCommit,
      oldCommit: command.oldCommit,
      branch,
      ...commit,
      pusher: { userId: principal.userId, name: principal.name },
    };
    if (running !== undefined) {
      conversation.say(["This commit is being deployed already: this is how that goes.", ""]);
    } else {
      const refusal = await recordPush(session.repository, push, deps);
      if (refusal !== undefined) {
        conversation.say(cleanLines(refusal.message));
        return reasonOf(refusal);
      }
    }
    const verdict = await followPush(push, renderer, conversation, deps);
    conversation.say(verdict.lines);
    return verdict.reason;
  }

  /** The unfinished push of this commit, so that pushing again after a lost connection shows its deploy instead of a second one. */
  async function findOpenPush(commit: string, pushes: ReadonlyMap<string, string>): Promise<string | undefined> {
    const same = [...pushes].filter(([, kept]) => kept === commit).map(([id]) => id);
    if (same.length === 0) return undefined;
    const known = await deps.ports.knownPushes(session.appUid, same);
    return same.filter((id) => known.get(id) === "open").at(-1);
  }
}

const NO_REFS: RepositoryRefs = { branches: new Map(), pushes: new Map() };

function isForBuild({ ref }: RefCommand): boolean {
  return ref.startsWith(BUILD_REFS);
}

function isStored(one: PlannedCommand): one is StoredCommand {
  return one.action === "store" || one.action === "delete";
}

interface PushedCommit {
  readonly id: string;
  readonly commit: Commit | undefined;
}

/** What is most likely deployed or built, read while the refs are read: it saves the pusher the time of one process. */
async function readPushedCommit(
  commands: readonly RefCommand[],
  repository: string,
  deps: ReceiveDependencies,
): Promise<PushedCommit | undefined> {
  const command = commands.find((one) => one.newCommit !== NO_COMMIT && (/^refs\/heads\/(main|master)$/.test(one.ref) || isForBuild(one)));
  if (command === undefined) return undefined;
  return { id: command.newCommit, commit: await readCommit(deps.git, repository, command.newCommit) };
}

/**
 * Keeps the commit, then records the push: a crash in between leaves a ref for the scan to find. Returns the error when the platform
 * does not take it; the commit is then not kept either, so that the scan does not bring it back.
 */
async function recordPush(repository: string, push: PushRecord, deps: ReceiveDependencies): Promise<AppError | undefined> {
  deps.inFlight.add(push.id);
  try {
    await keepPush(deps.git, repository, push);
    for (let attempt = 0; ; attempt++) {
      try {
        await deps.ports.recordPush(push, commitFiles(deps.git, repository, push.commit));
        return undefined;
      } catch (error) {
        const failure = toAppError(error);
        const pauseMs = RECORD_PAUSES_MS[attempt];
        if (failure.retry !== "never" && pauseMs !== undefined) {
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
          continue;
        }
        if (failure.code === "internal") deps.logger.error("a push could not be recorded", { push: push.id, error: errorText(error) });
        await dropPushes(deps.git, repository, [push.id]);
        return failure;
      }
    }
  } finally {
    deps.inFlight.delete(push.id);
  }
}

function reasonOf(refusal: AppError): string {
  switch (refusal.code) {
    case "quota_exceeded":
      return "quota exceeded";
    case "forbidden":
      return "not allowed";
    case "unavailable":
    case "timeout":
    case "internal":
      return "the platform cannot take pushes now; try again";
    default:
      return "refused";
  }
}

/** Tells what happens to a recorded push until its outcome, and moves the branch when its release is live. */
async function followPush(
  push: PushRecord,
  renderer: PushRenderer,
  conversation: ProcReceive,
  deps: ReceiveDependencies,
): Promise<Verdict> {
  const stop = AbortSignal.any([conversation.gone, deps.stopping]);
  let silentMs = 0;
  let toldAtMs = performance.now();
  const idle = setInterval(() => {
    silentMs += SILENCE_MS;
    conversation.say(renderer.idle({ silentMs, sinceToldMs: performance.now() - toldAtMs }));
  }, SILENCE_MS);
  try {
    for await (const progress of untilAborted(deps.ports.followPush(push.id, stop), stop)) {
      toldAtMs = performance.now();
      if (progress.type !== "outcome") {
        const lines = renderer.next(progress);
        // Much is told that shows nothing, such as each line of a command: whoever pushed has then still seen nothing.
        if (lines.length === 0) continue;
        silentMs = 0;
        idle.refresh();
        conversation.say(lines);
        continue;
      }
      if (!progress.outcome.ok) return renderer.end(progress.outcome);
      const finished = await deps.finishPush(push);
      return finished.moved ? renderer.end(progress.outcome) : renderer.notMoved(push.branch, finished.reason);
    }
    return deps.stopping.aborted ? STOPPING : renderer.lost("the platform stopped telling about it.");
  } catch (error) {
    deps.logger.error("a push could not be followed", { push: push.id, error: errorText(error) });
    return renderer.lost(toAppError(error).message);
  } finally {
    clearInterval(idle);
  }
}

/** Ends with the signal even where the source does not obey it. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a source that waits for something would keep us.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
