import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { AppError } from "@plimsoll/core";
import { type ChildProcess, start } from "@plimsoll/exec";
import type { HostLayout } from "./layout.ts";
import { ensureSharedMount } from "./mounts.ts";
import { CLONE_NEWNET, errorCode, loopbackUp, MNT_DETACH, MS, mount, setns, umount } from "./syscalls.ts";

/** The user ids that a platform namespace's containers have outside: container id 0 is `uidBase`. */
export interface UserRange {
  readonly uidBase: number;
  /** Default 65536. */
  readonly size?: number;
}

/**
 * The user namespace of `key` (a platform namespace's uid), made if need be; returns its path. It is pinned by a bind mount and outlives
 * us. A range that changed is another namespace. Safe to call concurrently in one process.
 */
export function ensureUserNamespace(layout: HostLayout, key: string, range: UserRange): Promise<string> {
  const path = join(layout.usernsDir, `${checkedKey(key)}.${range.uidBase}`);
  return once(path, async () => {
    if (isPinned(path)) return path;
    mkdirSync(layout.usernsDir, { recursive: true, mode: 0o700 });
    await pinnedBy(["unshare", "--user", "cat"], path, "user", (pid) => {
      for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${pid}/${map}`, `0 ${range.uidBase} ${range.size ?? 65_536}\n`);
    });
    return path;
  });
}

/** Takes the pin away; the namespace goes with the last process in it. Idempotent. */
export async function removeUserNamespace(layout: HostLayout, key: string): Promise<void> {
  const prefix = `${checkedKey(key)}.`;
  for (const name of namesIn(layout.usernsDir)) if (name.startsWith(prefix)) unpin(join(layout.usernsDir, name));
}

/**
 * The network namespace of `key`, made if need be with `lo` up; returns its path. Its base name is what `ip -n` wants. It is a child of
 * the user namespace where one is given: a container can mount sysfs only in a network namespace that its own user namespace owns.
 * Safe to call concurrently in one process.
 */
export function ensureNetworkNamespace(layout: HostLayout, key: string, usernsPath?: string): Promise<string> {
  const path = join(layout.netnsDir, `${layout.netnsPrefix}${checkedKey(key)}`);
  return once(path, async () => {
    if (isPinned(path)) return path;
    mkdirSync(layout.netnsDir, { recursive: true });
    // As iproute2 does: an unmount there must reach the mount namespaces of the instances, else the network namespace lives on.
    ensureSharedMount(layout.netnsDir);
    const inUser = usernsPath === undefined ? [] : ["nsenter", `--user=${usernsPath}`, "--setuid=0", "--setgid=0", "--"];
    await pinnedBy([...inUser, "unshare", "--net", "cat"], path, "net", (pid) => {
      inNetworkNamespace(`/proc/${pid}/ns/net`, loopbackUp);
    });
    return path;
  });
}

/** Takes the pin away; devices go with the last process in it. Idempotent. */
export async function removeNetworkNamespace(layout: HostLayout, key: string): Promise<void> {
  unpin(join(layout.netnsDir, `${layout.netnsPrefix}${checkedKey(key)}`));
}

/** Keys of this layout's network namespaces. */
export function listNetworkNamespaces(layout: HostLayout): readonly string[] {
  return namesIn(layout.netnsDir)
    .filter((name) => name.startsWith(layout.netnsPrefix))
    .map((name) => name.slice(layout.netnsPrefix.length));
}

/**
 * Runs `body` (synchronous) with the calling thread in that network namespace and goes back. A socket that `body` makes stays in there:
 * `server.listen(port)` without a host name listens in it. Main thread only.
 */
export function inNetworkNamespace<T>(path: string, body: () => T): T {
  const outside = openSync("/proc/thread-self/ns/net", "r");
  try {
    const inside = openSync(path, "r");
    try {
      setns(inside, CLONE_NEWNET);
    } finally {
      closeSync(inside);
    }
    try {
      return body();
    } finally {
      setns(outside, CLONE_NEWNET);
    }
  } finally {
    closeSync(outside);
  }
}

/** Removes every pin of the layout. */
export function removeAllPins(layout: HostLayout): void {
  for (const name of namesIn(layout.usernsDir)) unpin(join(layout.usernsDir, name));
  for (const key of listNetworkNamespaces(layout)) unpin(join(layout.netnsDir, `${layout.netnsPrefix}${key}`));
}

/** `argv` ends in `cat`: what it echoes tells that the namespaces before it are made. */
async function pinnedBy(argv: readonly string[], path: string, type: "user" | "net", prepare: (pid: number) => void): Promise<void> {
  const holder = await start(argv, { stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise<void>((resolve) => holder.once("close", () => resolve()));
  try {
    await echoed(holder);
    prepare(holder.pid);
    writeFileSync(path, "", { mode: 0o600 });
    mount(`/proc/${holder.pid}/ns/${type}`, path, "none", MS.bind);
  } finally {
    holder.stdin?.end();
    await exited;
  }
}

function echoed(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let problem = "";
    holder.stderr?.on("data", (chunk: Buffer) => {
      problem += chunk.toString();
    });
    holder.stdout?.once("data", () => resolve());
    holder.once("close", () => reject(new AppError("internal", `a namespace could not be made: ${problem.trim()}`)));
    holder.stdin?.on("error", () => undefined);
    holder.stdin?.write("\n");
  });
}

/** NSFS_MAGIC of linux/magic.h. */
const NSFS_MAGIC = 0x6e736673;

function isPinned(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function unpin(path: string): void {
  try {
    while (isPinned(path)) umount(path, MNT_DETACH);
    rmSync(path, { force: true });
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Keys become file names. */
function checkedKey(key: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/.test(key) || basename(key) !== key)
    throw new AppError("internal", `not a name for a pin: ${key}`);
  return key;
}

const underWay = new Map<string, Promise<string>>();

function once(path: string, make: () => Promise<string>): Promise<string> {
  const current = underWay.get(path);
  if (current !== undefined) return current;
  const made = make().finally(() => underWay.delete(path));
  underWay.set(path, made);
  return made;
}
