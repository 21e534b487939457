import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { AppError } from "@plimsoll/core";
import {
  asFileSystemUser,
  attachTree,
  CLONE_NEWNS,
  errorCode,
  isReadOnly,
  MNT_DETACH,
  MS,
  mount,
  openTreeClone,
  setIdMapping,
  setns,
  umount,
  unshare,
} from "./syscalls.ts";

/** Attaches a copy of the directory or file `source` at `target`, its owners mapped by the user namespace. Main thread only. */
export function mountIdMapped(source: string, target: string, usernsPath: string, options: { readonly readOnly?: boolean } = {}): void {
  const userns = openSync(usernsPath, "r");
  try {
    attachIdMapped(source, target, userns, options.readOnly ?? false);
  } finally {
    closeSync(userns);
  }
}

export interface OverlayMount {
  /** Directories of the layers, bottom first; at least one. */
  readonly layers: readonly string[];
  /** Siblings, empty or of this same overlay. Absent: the overlay is read-only. */
  readonly upper?: { readonly upperDir: string; readonly workDir: string };
  readonly usernsPath: string;
  readonly uidBase: number;
  /** A directory of the caller's private mount namespace, empty, best on a tmpfs: it holds the mounts that the overlay is made of. */
  readonly scratch: string;
}

/**
 * Mounts a snapshot for a user-id range, so that inside the range's user namespace its files belong to container-side ids and what is
 * written is stored with these. Returns the snapshot's root, below `scratch`. Main thread only, in a private mount namespace.
 *
 * Layers and upper directory are id-mapped, and the overlay is mounted with the range's root as fsuid: overlayfs does its work with
 * the mounter's credentials, and an upper directory whose mapping does not know the mounter makes it come up read-only (EOVERFLOW in
 * the kernel's log only), which is an error here.
 */
export function mountOverlay(request: OverlayMount): string {
  const root = join(request.scratch, "root");
  mkdirSync(root);
  const userns = openSync(request.usernsPath, "r");
  try {
    const lowers = request.layers.map((layer, index) => {
      const name = `l${index}`;
      mkdirSync(join(request.scratch, name));
      attachIdMapped(layer, join(request.scratch, name), userns, true);
      return name;
    });
    if (lowers.length === 0) {
      // What begins from nothing: overlayfs wants one lower directory, and an empty one shows nothing.
      mkdirSync(join(request.scratch, "l0"));
      lowers.push("l0");
    }
    // Top first. What overlayfs may be configured to do by default (redirects, metacopy, index) would make upper directories
    // that mean nothing without their lower ones; volatile: a snapshot is not worth an fsync, a sealed layer is synced as a whole.
    const options = [`lowerdir=${lowers.reverse().join(":")}`, "redirect_dir=off", "metacopy=off", "index=off", "xino=off"];
    if (request.upper !== undefined) {
      const { upperDir, workDir } = request.upper;
      if (dirname(upperDir) !== dirname(workDir)) throw new AppError("internal", "upper and work directory must lie side by side");
      const data = join(request.scratch, "d");
      mkdirSync(data);
      attachIdMapped(dirname(upperDir), data, userns, false);
      options.push(`upperdir=d/${basename(upperDir)}`, `workdir=d/${basename(workDir)}`, "volatile");
    }
    // Relative names: mount(2) takes one page of options, which absolute ones of many layers would pass.
    inDirectory(request.scratch, () =>
      asFileSystemUser(request.uidBase, () =>
        mount("overlay", "root", "overlay", request.upper === undefined ? MS.readOnly : 0, options.join(",")),
      ),
    );
  } finally {
    closeSync(userns);
  }
  if (request.upper !== undefined && isReadOnly(root)) {
    throw new AppError("internal", "a snapshot came up read-only: its upper directory is not writable for the namespace's user range");
  }
  return root;
}

/**
 * The calling thread gets a mount namespace of its own, a slave of the one it had: it sees what the host mounts and unmounts later,
 * the host sees nothing of it. Main thread only; **asynchronous fs calls run on other threads and stay outside**. A program that
 * shall live in one with all its threads is started with privateMountNamespaceArgv instead.
 */
export function enterPrivateMountNamespace(): void {
  unshare(CLONE_NEWNS);
  mount("none", "/", "none", MS.slave | MS.recursive);
}

/** argv that runs a program in a mount namespace of its own, a slave of ours. */
export function privateMountNamespaceArgv(argv: readonly string[]): readonly string[] {
  return ["unshare", "--mount", "--propagation", "slave", "--", ...argv];
}

/**
 * Runs `body` (synchronous) with the calling thread in a private mount namespace and goes back; what `body` started stays in there
 * and keeps it alive. Main thread only.
 */
export function inPrivateMountNamespace<T>(body: () => T): T {
  const outside = openSync("/proc/thread-self/ns/mnt", "r");
  try {
    enterPrivateMountNamespace();
    return body();
  } finally {
    setns(outside, CLONE_NEWNS);
    closeSync(outside);
  }
}

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
export const CGROUP2_MAGIC = 0x63677270;

/** crun refuses hybrid cgroups: takes cgroup2 out of sight. Only in a private mount namespace; nothing to do on other hosts. */
export function hideHybridCgroup(): void {
  if (statfsSync("/sys/fs/cgroup").type === CGROUP2_MAGIC) return;
  try {
    umount("/sys/fs/cgroup/unified", MNT_DETACH);
  } catch (error) {
    if (errorCode(error) !== "EINVAL" && errorCode(error) !== "ENOENT") throw error;
  }
}

/** Mounts below and at `path`, deepest last, as the calling process sees them. */
export function mountsBelow(path: string): readonly string[] {
  const real = realPath(path);
  return mountPoints().filter((point) => point === real || point.startsWith(`${real}/`));
}

/** Whether something is mounted exactly at `path`. */
export function isMountPoint(path: string): boolean {
  return mountPoints().includes(realPath(path));
}

/** Unmounts everything at and below `path`, lazily; nothing there is no error. */
export function unmountAll(path: string): void {
  for (const point of mountsBelow(path).toReversed()) {
    try {
      umount(point, MNT_DETACH);
    } catch (error) {
      if (errorCode(error) !== "EINVAL" && errorCode(error) !== "ENOENT") throw error;
    }
  }
}

/** Binds a directory on itself as a shared mount, so that unmounting in it reaches the instances' mount namespaces. Idempotent. */
export function ensureSharedMount(path: string): void {
  if (!isMountPoint(path)) mount(path, path, "none", MS.bind);
  mount("none", path, "none", MS.shared);
}

/** mountinfo knows no symbolic links. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return path;
    throw error;
  }
}

function attachIdMapped(source: string, target: string, userns: number, readOnly: boolean): void {
  const tree = openTreeClone(source);
  try {
    setIdMapping(tree, userns, readOnly);
    attachTree(tree, target);
  } finally {
    closeSync(tree);
  }
}

function inDirectory<T>(directory: string, body: () => T): T {
  process.chdir(directory);
  try {
    return body();
  } finally {
    process.chdir("/");
  }
}

/** Field 5 of mountinfo, octal escapes undone (proc(5)). */
function mountPoints(): readonly string[] {
  return readFileSync("/proc/thread-self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    );
}
