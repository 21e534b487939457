import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { AppError, ifThere } from "@plimsoll/core/errors";
import { run } from "@plimsoll/exec";
import { askGit, git, gitEnvironment } from "./place.ts";

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

const SEND_TIMEOUT_MS = 10 * 60_000;
/** Of commits that stand for a folder: the same content is the same commit, and need not be sent again. */
const NOBODY = { name: "plim build", email: "plim@localhost" };
const LONG_AGO = "946684800 +0000";

/**
 * The folder as it is now: its last commit when nothing is changed since or only what is committed is wanted, else a commit of all that
 * git does not ignore. Of a folder in a repository the whole repository; a folder without one is taken whole. The repository's branches,
 * index and working tree stay as they are.
 */
export async function snapshot(folder: string, options: { readonly committed: boolean }): Promise<Snapshot> {
  const [top, head] = await headOf(folder);
  if (top === undefined) return ofFolder(resolve(folder), options);
  const isClean = async () => (await git(["--no-optional-locks", "status", "--porcelain"], { cwd: top })) === "";
  if (head !== undefined && (options.committed || (await isClean())))
    return { commit: head, changed: false, dispose: async () => undefined, send: (url, token) => send({ cwd: top }, head, url, token) };
  if (options.committed)
    throw new AppError("invalid", "Nothing is committed here yet: git commit first, or leave --committed out.", {
      details: { usage: true },
    });
  const scratch = await mkdtemp(join(tmpdir(), "plim-build-"));
  const dispose = () => rm(scratch, { recursive: true, force: true });
  try {
    const index = join(scratch, "index");
    // What git knows of the files' times spares it from reading those that are as they were.
    const known = (await git(["rev-parse", "--git-path", "index"], { cwd: top })).trim();
    await ifThere(copyFile(resolve(top, known), index));
    const commit = await commitAll({ cwd: top, env: { GIT_INDEX_FILE: index } }, head);
    return { commit, changed: true, dispose, send: (url, token) => send({ cwd: top }, commit, url, token) };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The repository's top folder and its last commit, each undefined where there is none. */
async function headOf(folder: string): Promise<readonly [top: string | undefined, head: string | undefined]> {
  const { code, stdout } = await run(["git", "rev-parse", "--show-toplevel", "--verify", "--quiet", "HEAD"], {
    cwd: folder,
    env: gitEnvironment(),
    okCodes: [0, 1, 128],
  }).catch((cause: unknown) => {
    throw new AppError("invalid", `git cannot be run in ${folder}; is the folder there, is git installed?`, {
      cause,
      details: { usage: true },
    });
  });
  const [top, head] = stdout.trim().split("\n");
  if (code === 0 && top !== undefined && head !== undefined) return [top, head];
  return [(await askGit(["rev-parse", "--show-toplevel"], folder))?.trim(), undefined];
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
    const commit = await commitAll(at, undefined);
    return { commit, changed: true, dispose, send: (url, token) => send(at, commit, url, token) };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface Where {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

async function inGit(at: Where, args: readonly string[], timeoutMs = SEND_TIMEOUT_MS): Promise<string> {
  const { stdout } = await run(["git", ...args], { cwd: at.cwd, env: { ...gitEnvironment(), ...at.env }, timeoutMs });
  return stdout.trim();
}

/** Everything that is not ignored as a commit on top of `parent`, by the index that `at` names. */
async function commitAll(at: Where, parent: string | undefined): Promise<string> {
  await inGit(at, ["add", "--all"]);
  const tree = await inGit(at, ["write-tree"]);
  const date = parent === undefined ? LONG_AGO : await inGit(at, ["show", "-s", "--format=%cd", "--date=raw", parent]);
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

/** Over HTTP with the token that plim has: git needs no key and no remote. The token is in no argument, where others could see it. */
async function send(at: Where, commit: string, url: string, token: string): Promise<void> {
  const authorization = `Authorization: Basic ${Buffer.from(`plim:${token}`).toString("base64")}`;
  const { code, stderr } = await run(["git", "push", "--quiet", "--no-verify", "--force", url, `${commit}:refs/for-build/head`], {
    cwd: at.cwd,
    env: {
      ...gitEnvironment(),
      ...at.env,
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "http.extraHeader",
      GIT_CONFIG_VALUE_0: authorization,
    },
    timeoutMs: SEND_TIMEOUT_MS,
    okCodes: [0, 1, 128],
  });
  if (code === 0) return;
  const said = stderr
    .split("\n")
    .map((line) => line.replace(/^remote: ?/, "").trimEnd())
    .filter((line) => line !== "");
  throw new AppError("unavailable", `The commit did not arrive:\n${said.slice(-10).join("\n")}`);
}
