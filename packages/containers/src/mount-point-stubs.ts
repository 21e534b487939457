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

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;

/** Looks at the merged root before the run. */
export function missingMountPoints(rootPath: string, destinations: readonly string[]): Stubs {
  using tree = new RootedTree(rootPath);
  const missing: string[] = [];
  const times = new Map<string, bigint>();
  for (const destination of destinations) {
    const parts = withoutLinks(tree, destination);
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

/** The destination without the links on its way, which may lead nowhere yet: crun makes no mount point behind such. */
export function destinationIn(tree: RootedTree, destination: string): string {
  return `/${withoutLinks(tree, destination).join("/")}`;
}

/** Where a mount point is made: the upper directory holds it there, and not behind the links that lead to it. */
function withoutLinks(tree: RootedTree, destination: string): readonly string[] {
  const pending = destination.split("/").filter(Boolean).reverse();
  const done: string[] = [];
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === ".") continue;
    if (name === "..") {
      done.pop();
      continue;
    }
    const target = linkAt(tree, [...done, name].join("/"));
    if (target === undefined || ++links > MAX_LINKS) {
      done.push(name);
      continue;
    }
    if (target.startsWith("/")) done.length = 0;
    pending.push(...target.split("/").filter(Boolean).reverse());
  }
  return done;
}

function linkAt(tree: RootedTree, path: string): string | undefined {
  try {
    return tree.lstat(path).isSymbolicLink() ? tree.readlink(path).toString() : undefined;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return undefined;
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
