import { errorCode, RootedTree } from "@plimsoll/host";

/**
 * Mount points that a runtime makes in a root file system where the image has none (`/proc`, `/etc/resolv.conf`) would end up in the
 * layer of a build step. What is missing before the run is noted, and what is still an empty stub after it is taken away.
 */
export interface Stubs {
  /** Paths that were not there, parents before what is in them. */
  readonly missing: readonly string[];
  /** Time of the directories that stubs were made in. */
  readonly times: ReadonlyMap<string, bigint>;
}

/** Looks at the merged root before the run. */
export function missingMountPoints(rootPath: string, destinations: readonly string[]): Stubs {
  using tree = new RootedTree(rootPath);
  const missing: string[] = [];
  const times = new Map<string, bigint>();
  for (const destination of destinations) {
    const parts = destination.split("/").filter((part) => part !== "");
    for (let length = 1; length <= parts.length; length++) {
      const path = parts.slice(0, length).join("/");
      if (missing.includes(path)) continue;
      const parent = parts.slice(0, length - 1).join("/");
      if (isThere(tree, path)) continue;
      missing.push(path);
      if (parent !== "" && !missing.includes(parent)) times.set(parent, BigInt(Math.floor(tree.stat(parent).mtimeMs)) * 1_000_000n);
    }
  }
  return { missing, times };
}

/** Takes the stubs out of the upper directory, after the container is gone. What the command has put there stays. */
export function removeStubs(upperDir: string, stubs: Stubs): void {
  using tree = new RootedTree(upperDir);
  for (const path of stubs.missing.toReversed()) if (isEmptyStub(tree, path)) tree.remove(path);
  for (const [path, time] of stubs.times) {
    if (!isThere(tree, path)) continue;
    // A directory that was copied up for a stub alone says nothing any more.
    if (tree.readdir(path).length === 0 && !tree.xattrs(path).has("trusted.overlay.opaque")) tree.remove(path);
    else tree.utimes(path, time);
  }
}

function isEmptyStub(tree: RootedTree, path: string): boolean {
  try {
    const stats = tree.lstat(path);
    return stats.isDirectory() ? tree.readdir(path).length === 0 : stats.isFile() && stats.size === 0;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}

function isThere(tree: RootedTree, path: string): boolean {
  try {
    tree.stat(path);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}
