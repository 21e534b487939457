import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { type Git, PUSH_REFS } from "./git-command.ts";
import type { FinishedPush, PushRecord, PushToFinish } from "./ports.ts";

export const NO_COMMIT = "0".repeat(40);
/** Older finished pushes lose their commit to git's garbage collection, unless a branch still holds it. */
const KEPT_PUSHES = 20;

export interface RepositoryRefs {
  /** Branch name → commit. */
  readonly branches: ReadonlyMap<string, string>;
  /** Push id → commit, oldest first. */
  readonly pushes: ReadonlyMap<string, string>;
}

/** Branches and kept pushes, as of one moment. */
export async function readRefs(git: Git, repository: string): Promise<RepositoryRefs> {
  const format = "--format=%(objectname) %(refname)";
  const { stdout } = await git(repository, ["for-each-ref", format, "refs/heads/", PUSH_REFS]);
  const refs = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => ({ commit: line.slice(0, 40), name: line.slice(41) }));
  const below = (prefix: string) =>
    new Map(refs.filter(({ name }) => name.startsWith(prefix)).map(({ name, commit }) => [name.slice(prefix.length), commit]));
  return { branches: below("refs/heads/"), pushes: below(PUSH_REFS) };
}

/** What cannot be read from the commit, kept in the ref's log: written by git before the ref itself appears. */
type KeptFacts = Pick<PushRecord, "branch" | "oldCommit" | "pusher">;

/** Keeps the commit of a push under its id, with all that is needed to record it after a crash. */
export async function keepPush(git: Git, repository: string, push: PushRecord): Promise<void> {
  const facts: KeptFacts = {
    branch: push.branch,
    oldCommit: push.oldCommit,
    pusher: { userId: push.pusher.userId, name: push.pusher.name },
  };
  const message = `push ${Buffer.from(JSON.stringify(facts)).toString("base64url")}`;
  await git(repository, ["update-ref", "--create-reflog", "-m", message, `${PUSH_REFS}${push.id}`, push.commit, NO_COMMIT]);
}

/** What `keepPush` noted; undefined when it is not there or not readable. */
export async function readKeptFacts(repository: string, pushId: string): Promise<KeptFacts | undefined> {
  const log = await readFile(join(repository, "logs", PUSH_REFS, pushId), "utf8").catch(() => "");
  const encoded = /\tpush ([\w-]+)\n/.exec(log)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(encoded, "base64url").toString()) as KeptFacts;
  } catch {
    return undefined;
  }
}

/** Forgets pushes. Idempotent. */
export async function dropPushes(git: Git, repository: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await git(repository, ["update-ref", "--stdin"], { stdin: ids.map((id) => `delete ${PUSH_REFS}${id}\n`).join("") });
}

/** The finished pushes that may be forgotten: all but the newest twenty. Pure. */
export function prunablePushes(pushes: readonly string[], states: ReadonlyMap<string, "open" | "over">): readonly string[] {
  return [...pushes]
    .sort()
    .filter((id) => states.get(id) === "over")
    .slice(0, -KEPT_PUSHES);
}

export interface Commit {
  readonly subject: string;
  readonly author: string;
}

/** Subject and author of a commit; undefined when the object is no commit. */
export async function readCommit(git: Git, repository: string, commit: string): Promise<Commit | undefined> {
  const { stdout } = await git(repository, ["cat-file", "--batch"], { stdin: `${commit}\n` });
  return parseCommit(stdout);
}

/** Parses `git cat-file --batch` output of one object. Pure. */
export function parseCommit(output: string): Commit | undefined {
  const begin = output.indexOf("\n") + 1;
  if (!/^[0-9a-f]{40} commit \d+$/.test(output.slice(0, begin - 1))) return undefined;
  const end = output.indexOf("\n\n", begin);
  const header = end === -1 ? output.slice(begin) : output.slice(begin, end);
  const author = /^author (.*?) ?<[^\n]*$/m.exec(header)?.[1] ?? "";
  const message = end === -1 ? "" : output.slice(end + 2).trimStart();
  return { author, subject: message.split("\n", 1)[0]?.trimEnd() ?? "" };
}

/**
 * Lets the branch of a live release point at its commit. It moves by compare-and-set from what it was when the push came in; a push
 * that went live before this one but moved the branch after this one came in is stepped over, as what is live is this one's.
 * Idempotent; safe to run concurrently. Throws only when git cannot be asked.
 */
export async function moveBranch(git: Git, repository: string, push: PushToFinish): Promise<FinishedPush> {
  const ref = `refs/heads/${push.branch}`;
  for (let attempt = 0; attempt < 3; attempt++) {
    const { branches, pushes } = await readRefs(git, repository);
    const current = branches.get(push.branch) ?? NO_COMMIT;
    if (current === push.commit) {
      await pointHead(git, repository, ref);
      return { moved: true };
    }
    if (current !== push.oldCommit) {
      const holders = [...pushes].filter(([, commit]) => commit === current).map(([id]) => id);
      if (holders.some((id) => id > push.id)) return { moved: false, reason: "a newer push is live" };
      if (holders.length === 0) return { moved: false, reason: "it was changed meanwhile; fetch, then push again" };
    }
    const { code, stderr } = await git(repository, ["update-ref", ref, push.commit, current], { okCodes: [0, 1, 128] });
    if (code === 0) {
      await pointHead(git, repository, ref);
      return { moved: true };
    }
    if (!/cannot lock ref|unable to/i.test(stderr)) throw new AppError("internal", `git update-ref ${ref} failed: ${stderr.trim()}`);
  }
  return { moved: false, reason: "others change it all the time; push again" };
}

/** What a clone checks out. Asked of the file first: it hardly ever changes, and each push would pay for a program. */
async function pointHead(git: Git, repository: string, ref: string): Promise<void> {
  const head = await readFile(join(repository, "HEAD"), "utf8").catch(() => "");
  if (head.trim() !== `ref: ${ref}`) await git(repository, ["symbolic-ref", "HEAD", ref]);
}
