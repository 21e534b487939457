import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { AppError, ifThere } from "@plimsoll/core/errors";
import { run } from "@plimsoll/exec";
import { askGit, gitEnvironment } from "./place.ts";
import { SEND_TIMEOUT_MS, sendCommit, type Where } from "./send-commit.ts";

/** A folder as one commit, ready to be sent. */
export interface Snapshot {
  readonly commit: string;
  /** Whether it holds more than what is committed. */
  readonly changed: boolean;
  /** Sends the commit's objects. AppError `unavailable` with git's words when they do not arrive. */
  send(url: string, token: string): Promise<void>;
  /** Removes what was made for it; the repository itself is as it was before. */
  dispose(): Promise<void>;
}

/** Of commits that stand for a folder: the same content is the same commit, and need not be sent again. */
const NOBODY = { name: "plim build", email: "plim@localhost" };
const LONG_AGO = "946684800 +0000";

/**
 * The folder as it is now: its last commit when nothing is changed since or only what is committed is wanted, else a commit of all that
 * git does not ignore. Of a folder in a repository the whole repository; a folder without one is taken whole. The repository's branches,
 * index and working tree stay as they are.
 */
export async function snapshot(folder: string, options: { readonly committed: boolean }): Promise<Snapshot> {
  const repository = await repositoryOf(folder);
  if (repository === undefined) return ofFolder(resolve(folder), options);
  const { top, gitDirectory, head } = repository;
  const at = { cwd: top };
  const taken = (commit: string, changed: boolean): Snapshot => ({
    commit,
    changed,
    dispose: async () => undefined,
    send: (url, token) => sendCommit(at, commit, { url, token }, gitDirectory),
  });
  if (head !== undefined && options.committed) return taken(head, false);
  if (options.committed)
    throw new AppError("invalid", "Nothing is committed here yet: git commit first, or leave --committed out.", {
      details: { usage: true },
    });
  const scratch = await mkdtemp(join(tmpdir(), "plim-build-"));
  try {
    const index = join(scratch, "index");
    // What git knows of the files' times spares it from reading those that are as they were.
    await ifThere(copyFile(repository.index, index));
    const inIndex = { ...at, env: { GIT_INDEX_FILE: index } };
    // Side by side: each looks at every file once, and mostly both are needed.
    const [status] = await Promise.all([
      head === undefined ? "new" : inGit(at, ["--no-optional-locks", "status", "--porcelain"]),
      inGit(inIndex, ["add", "--all"]),
    ]);
    return status === "" && head !== undefined ? taken(head, false) : taken(await commitIndex(inIndex, head), true);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface Repository {
  readonly top: string;
  readonly gitDirectory: string;
  readonly index: string;
  /** Its last commit. */
  readonly head?: string;
}

/** The repository that a folder is in, if any. */
async function repositoryOf(folder: string): Promise<Repository | undefined> {
  const ask = ["--show-toplevel", "--absolute-git-dir", "--git-path", "index"];
  const { code, stdout } = await run(["git", "rev-parse", ...ask, "--verify", "--quiet", "HEAD"], {
    cwd: folder,
    env: gitEnvironment(),
    okCodes: [0, 1, 128],
  }).catch((cause: unknown) => {
    throw new AppError("invalid", `git cannot be run in ${folder}; is the folder there, is git installed?`, {
      cause,
      details: { usage: true },
    });
  });
  const answer = code === 0 ? stdout : await askGit(["rev-parse", ...ask], folder);
  const [top, gitDirectory, index, head] = answer?.trim().split("\n") ?? [];
  if (top === undefined || gitDirectory === undefined || index === undefined) return undefined;
  return { top, gitDirectory, index: resolve(folder, index), ...(head === undefined ? {} : { head }) };
}

/** A folder that is no repository: committed in one of its own that is thrown away. */
async function ofFolder(folder: string, { committed }: { readonly committed: boolean }): Promise<Snapshot> {
  if (committed)
    throw new AppError("invalid", `${folder} is in no git repository, so nothing is committed there.`, { details: { usage: true } });
  const scratch = await mkdtemp(join(tmpdir(), "plim-build-"));
  const dispose = () => rm(scratch, { recursive: true, force: true });
  try {
    const at = { cwd: folder, env: { GIT_DIR: join(scratch, "git"), GIT_WORK_TREE: folder } };
    await inGit(at, ["init", "-q"]);
    await inGit(at, ["add", "--all"]);
    const commit = await commitIndex(at, undefined);
    return { commit, changed: true, dispose, send: (url, token) => sendCommit(at, commit, { url, token }) };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function inGit(at: Where, args: readonly string[], timeoutMs = SEND_TIMEOUT_MS): Promise<string> {
  const { stdout } = await run(["git", ...args], { cwd: at.cwd, env: { ...gitEnvironment(), ...at.env }, timeoutMs });
  return stdout.trim();
}

/** What the index that `at` names holds as a commit on top of `parent`. */
async function commitIndex(at: Where, parent: string | undefined): Promise<string> {
  const [tree, date] = await Promise.all([
    inGit(at, ["write-tree"]),
    parent === undefined ? LONG_AGO : inGit(at, ["show", "-s", "--format=%cd", "--date=raw", parent]),
  ]);
  const env = {
    ...at.env,
    GIT_AUTHOR_NAME: NOBODY.name,
    GIT_AUTHOR_EMAIL: NOBODY.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: NOBODY.name,
    GIT_COMMITTER_EMAIL: NOBODY.email,
    GIT_COMMITTER_DATE: date,
  };
  return inGit({ ...at, env }, [
    "commit-tree",
    "--no-gpg-sign",
    "-m",
    "The folder as it is",
    ...(parent === undefined ? [] : ["-p", parent]),
    tree,
  ]);
}
