import { chownSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { type Output, run } from "@plimsoll/exec";
import { MS, mount, RootedTree, umount } from "@plimsoll/host";
import { FirstSeen } from "../cache/first-seen.ts";
import { GitObjects, parseCommit } from "../context/git-objects.ts";
import { literalPattern } from "../context/pattern.ts";
import { MissingSource } from "../context/select.ts";
import { ContextTree } from "../context/tree.ts";
import { FETCH_ENV, type FetchNetwork, NOBODY } from "./build-network.ts";
import { copyContext } from "./copy-context.ts";
import { copyFromTree } from "./copy-layers.ts";
import { Destination } from "./destination.ts";
import { FetchFailed, MAX_DOWNLOAD_BYTES } from "./fetch-url.ts";
import { Placement } from "./place.ts";
import type { BuildNetworkPath } from "./protocol.ts";

export interface GitWay {
  readonly network: BuildNetworkPath;
  readonly through: FetchNetwork;
  readonly certificates?: string | undefined;
  /** For a repository over SSH: more of git's environment. */
  readonly sshEnv?: Readonly<Record<string, string>> | undefined;
  /** Told of bytes and entries before they are written to the disk; may throw. */
  readonly spend?: ((bytes: number, files: number) => void) | undefined;
  /** No file of git's grows larger. */
  readonly maxFileBytes?: number;
}

/** Of a whole clone; the build's own limit is mostly shorter. */
const TIMEOUT_MS = 60 * 60_000;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * The commit that a branch, tag or full name of a reference is now; empty: the default branch. A branch wins over a tag of its name.
 * Throws FetchFailed.
 */
export async function resolveGit(remote: string, ref: string, way: GitWay): Promise<string> {
  if (COMMIT.test(ref)) return ref;
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const { stdout } = await git(["ls-remote", "--", remote, ...patterns], way, "/");
  const found = new Map(
    stdout.split("\n").flatMap((line) => {
      const [id = "", name = ""] = line.split("\t", 2);
      return COMMIT.test(id) ? [[name, id] as const] : [];
    }),
  );
  const names = ref === "" ? ["HEAD"] : [`${ref}^{}`, ref, `refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/${ref}`];
  for (const name of names) {
    const id = found.get(name);
    if (id !== undefined) return id;
  }
  throw new FetchFailed(ref === "" ? "it has no default branch" : `it has no branch or tag ${ref.slice(0, 100)}`);
}

/**
 * Fetches one commit and writes its files, or those of a directory of it, into a tree: as a build's context is written, with the commit's
 * time. git itself only talks to the server and stores objects, as nobody; it checks nothing out. Throws FetchFailed, MissingSource, AppError.
 */
export async function fetchGit(
  wanted: { readonly remote: string; readonly commit: string; readonly subdir: string; readonly keepGitDir: boolean },
  way: GitWay,
  places: { readonly scratchDir: string; readonly diskDir: string; readonly id: string },
  tree: RootedTree,
): Promise<void> {
  const { remote, commit, subdir, keepGitDir } = wanted;
  const store = join(places.diskDir, "git");
  // Nobody cannot go where the store is, so it is shown in another place, to this process and its children only.
  const place = join(places.scratchDir, `git-${places.id}`);
  mkdirSync(store, { mode: 0o700 });
  chownSync(store, NOBODY, NOBODY);
  mkdirSync(place);
  mount(store, place, "none", MS.bind);
  try {
    await git(["init", "--quiet", "--template=", "."], way, place);
    await download(remote, commit, way, place);
    await using objects = new GitObjects(join(place, ".git"));
    const { tree: rootId, committedAt } = parseCommit(await objects.read(commit, "commit"));
    const destination = new Destination(tree, { owner: { uid: 0, gid: 0 }, spend: way.spend });
    const context = new ContextTree(objects, rootId);
    if (subdir !== "" && (await context.find(subdir, true))?.kind !== "directory") {
      throw new MissingSource(subdir, `the repository has no directory ${subdir}`);
    }
    const firstSeen = new FirstSeen(join(places.diskDir, "times"));
    const copy = {
      objects,
      tree: context,
      taking: { sources: [subdir === "" ? "/" : literalPattern(subdir)] },
      inline: [],
      target: "/",
      firstSeen,
      directory: "",
    };
    await copyContext({ ...copy, committedAt }, destination);
    if (keepGitDir && subdir === "") await copyGitDir(remote, commit, way, place, destination);
    destination.finish();
  } finally {
    umount(place);
    rmdirSync(place);
  }
}

/** Just the commit where the server allows that, else all of its branches and tags. */
async function download(remote: string, commit: string, way: GitWay, place: string): Promise<void> {
  const fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc"];
  try {
    await git([...fetch, "--depth=1", "--", remote, commit], way, place);
  } catch (error) {
    if (!(error instanceof FetchFailed)) throw error;
    await git([...fetch, "--", remote, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"], way, place);
    await git(["cat-file", "-e", `${commit}^{commit}`], way, place).catch(() => {
      throw new FetchFailed(`it has no commit ${commit}`);
    });
  }
}

async function copyGitDir(remote: string, commit: string, way: GitWay, place: string, destination: Destination): Promise<void> {
  await git(["remote", "add", "--", "origin", remote], way, place);
  await git(["update-ref", "--no-deref", "HEAD", commit], way, place);
  await git(["read-tree", commit], way, place);
  using origin = new RootedTree(join(place, ".git"));
  copyFromTree(origin, { sources: ["/"] }, { destination, placement: new Placement(destination, "/.git/") });
}

async function git(
  args: readonly string[],
  { network, through, certificates, sshEnv, maxFileBytes }: GitWay,
  cwd: string,
): Promise<Output> {
  const settings = ["-c", "core.hooksPath=/dev/null", "-c", "credential.helper=", "-c", "gc.auto=0", "-c", "protocol.version=2"];
  const authorities = certificates === undefined ? [] : ["-c", `http.sslCAInfo=${certificates}`];
  const argv = through.argvAsNobody(network, ["git", ...settings, ...authorities, ...args], maxFileBytes ?? MAX_DOWNLOAD_BYTES);
  try {
    return await run(argv, { cwd, env: { ...FETCH_ENV, ...sshEnv }, timeoutMs: TIMEOUT_MS, maxOutputBytes: 4 * 1024 * 1024 });
  } catch (error) {
    const said = error instanceof AppError && typeof error.details?.stderr === "string" ? error.details.stderr : undefined;
    if (said === undefined) throw error;
    throw new FetchFailed(sshEnv === undefined ? gitSays(said.trim().split("\n").at(-1)) : sshFailure(said), { cause: error });
  }
}

function gitSays(line: string | undefined): string {
  return `git says: ${line?.slice(0, 300) ?? "nothing"}`;
}

/** git ends with advice of its own that says nothing of why. */
function sshFailure(said: string): string {
  if (/Host key verification failed|IDENTIFICATION HAS CHANGED/i.test(said))
    return "its server shows an SSH host key that is not the one known; the app's secret SSH_KNOWN_HOSTS says which ones are, as ssh-keyscan prints them";
  if (/Permission denied \([^)]*publickey/i.test(said))
    return "its server does not take the app's SSH key; add the public half of SSH_KEY there";
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  return gitSays(lines.find((line) => !/^fatal: (?:Could not read from remote|the remote end hung up)/i.test(line)));
}
