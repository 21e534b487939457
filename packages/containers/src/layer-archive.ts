import { closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";
import { getXattr, listXattrs, RootedTree, type TreeEntry } from "@plimsoll/host";
import { TAR_END, type TarEntry, tarHeader, tarPadding } from "./tar.ts";

/**
 * The canonical archive of a layer: how it travels between hosts. An uncompressed tar of the directory as overlayfs wants it: names sorted
 * by bytes, container-side ids, modes, whole-second mtimes (0 for the root, whose time changes with every file made in it), hard links
 * inside the layer, whiteouts as 0/0 devices, opaque directories as trusted.overlay.opaque.
 */
export const CHUNK_BYTES = 1024 * 1024;

/** Attributes that belong to a layer's content: what the kernel or this host adds (origin, impure, selinux) does not. */
export function isContentXattr(name: string): boolean {
  return name === "security.capability" || name === "trusted.overlay.opaque" || name.startsWith("user.");
}

/** The archive's bytes. The directory must be at rest. Gives the event loop a turn now and then; ends early when not read on. */
export async function* layerArchive(root: string): AsyncGenerator<Buffer, void, undefined> {
  using tree = new RootedTree(root);
  const linked = new Map<bigint, Buffer>();
  const rest = pauses();
  for (const entry of tree.walk()) {
    await rest();
    const described = describeEntry(entry, linked);
    if (described === undefined) continue;
    yield tarHeader(described);
    if (described.type !== "file" || described.size === 0) continue;
    const fd = openSync(entry.at, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      let left = described.size;
      while (left > 0) {
        const chunk = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES));
        const length = readSync(fd, chunk, 0, chunk.length, null);
        if (length === 0) throw new Error(`${entry.path.toString()} became shorter while its layer was read`);
        left -= length;
        yield chunk.subarray(0, length);
        await rest();
      }
    } finally {
      closeSync(fd);
    }
    yield tarPadding(described.size);
  }
  yield TAR_END;
}

/**
 * An entry as the archive has it; undefined for sockets, which no archive can hold. `linked` are the files with several names that were
 * met before.
 */
export function describeEntry(entry: TreeEntry, linked: Map<bigint, Buffer>, mtimeNs: bigint = entry.stats.mtimeNs): TarEntry | undefined {
  const { stats, path } = entry;
  const common = {
    path,
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: 0,
    mtimeSeconds: path.length === 0 ? 0 : Number(mtimeNs / 1_000_000_000n),
    linkTarget: Buffer.alloc(0),
    devMajor: 0,
    devMinor: 0,
  };
  if (stats.isSocket()) return undefined;
  if (stats.isCharacterDevice() && stats.rdev === 0n)
    return { ...common, type: "character", mode: 0, uid: 0, gid: 0, mtimeSeconds: 0, xattrs: new Map() };
  const xattrs = contentXattrs(entry.at);
  if (stats.isDirectory()) return { ...common, type: "directory", xattrs };
  if (stats.nlink > 1n) {
    const first = linked.get(stats.ino);
    if (first !== undefined) return { ...common, type: "hardlink", linkTarget: first, xattrs: new Map() };
    linked.set(stats.ino, path);
  }
  if (stats.isSymbolicLink()) {
    return { ...common, type: "symlink", mode: 0o777, linkTarget: readlinkSync(entry.at, { encoding: "buffer" }), xattrs };
  }
  if (stats.isFIFO()) return { ...common, type: "fifo", xattrs };
  if (stats.isFile()) return { ...common, type: "file", size: Number(stats.size), xattrs };
  throw new Error(`${path.toString()} is a device: a layer holds none`);
}

function contentXattrs(at: Buffer): ReadonlyMap<string, Buffer> {
  const names = listXattrs(at).filter(isContentXattr);
  return new Map(names.map((name) => [name, getXattr(at, name)]));
}

/** A function to await often: every 10 ms of work it lets the event loop run. */
export function pauses(): () => Promise<void> | undefined {
  let until = performance.now() + 10;
  return () => {
    if (performance.now() < until) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        until = performance.now() + 10;
        resolve();
      }),
    );
  };
}
