import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, newSecret } from "@plimsoll/core";
import type { Git } from "./git-command.ts";

const SUFFIX = ".git";
const APP_UID = /^[a-z0-9_]{1,64}$/;

/** The bare repositories of all apps, one directory per app uid: renaming an app moves nothing. */
export class Repositories {
  readonly #directory: string;
  readonly #git: Git;
  readonly #making = new Map<string, Promise<string>>();

  constructor(directory: string, git: Git) {
    this.#directory = directory;
    this.#git = git;
  }

  /** Where an app's repository is, whether it exists or not. Throws AppError internal on what is no app uid. */
  path(appUid: string): string {
    if (!APP_UID.test(appUid)) throw new AppError("internal", "A repository was asked for by something that is no app uid.");
    return join(this.#directory, `${appUid}${SUFFIX}`);
  }

  async has(appUid: string): Promise<boolean> {
    return isDirectory(this.path(appUid));
  }

  /** The path of the app's repository, made when it is not there. Idempotent, safe to run concurrently, never seen half made. */
  async ensure(appUid: string): Promise<string> {
    const path = this.path(appUid);
    if (await isDirectory(path)) return path;
    const making = this.#making.get(path) ?? this.#make(path).finally(() => this.#making.delete(path));
    this.#making.set(path, making);
    return making;
  }

  /** The app uids that have a repository. */
  async list(): Promise<readonly string[]> {
    const entries = await readdir(this.#directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return entries
      .filter((entry) => entry.endsWith(SUFFIX))
      .map((entry) => entry.slice(0, -SUFFIX.length))
      .filter((uid) => APP_UID.test(uid));
  }

  /** Removes the repository of an app that is gone. Idempotent. */
  async remove(appUid: string): Promise<void> {
    const grave = join(this.#directory, `.removed-${newSecret(6)}`);
    await rename(this.path(appUid), grave).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rm(grave, { recursive: true, force: true });
  }

  /** Removes what a crash left half made or half removed. */
  async sweep(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const entries = await readdir(this.#directory);
    const leftovers = entries.filter((entry) => entry.startsWith(".making-") || entry.startsWith(".removed-"));
    await Promise.all(leftovers.map((entry) => rm(join(this.#directory, entry), { recursive: true, force: true })));
  }

  async #make(path: string): Promise<string> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const draft = join(this.#directory, `.making-${newSecret(6)}`);
    try {
      await this.#git(draft, ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format=sha1"]);
      // All other settings come with each process; this one also holds where a process is not ours: without our hook, no push.
      await this.#git(draft, ["config", "receive.procReceiveRefs", "refs/heads/"]);
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      if (!(await isDirectory(path))) throw error;
    }
    return path;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
