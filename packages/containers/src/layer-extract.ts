import { closeSync, futimesSync, writeSync } from "node:fs";
import { AppError } from "@plimsoll/core";
import { errorCode, type Owner, type RootedTree } from "@plimsoll/host";
import { isContentXattr } from "./layer-archive.ts";
import { type TarEntry, TarReader } from "./tar.ts";

export interface ExtractRules {
  /**
   * `overlay`: whiteouts as 0/0 devices, any other device is refused. `oci`: whiteouts as `.wh.` names (OCI image spec, layer.md). `none`:
   * an archive of plain files for a tree that has some already; directories that it does not name keep their times.
   */
  readonly whiteouts: "overlay" | "oci" | "none";
  /** What errors call it. Default: the layer. */
  readonly what?: string;
  /** Of everything, instead of what the archive says. */
  readonly owner?: Owner;
  /** Paths to leave out. */
  readonly skip?: (path: string) => boolean;
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Told of an entry's bytes before it is written; may throw. */
  readonly spend?: (bytes: number, files: number) => void;
}

const WHITEOUT = Buffer.from(".wh.");
const OPAQUE = Buffer.from(".wh..wh..opq");
const SLASH = 0x2f;
/** Of a namespace's user range. */
const MAX_ID = 65_535;

/**
 * Unpacks an archive into a tree. Nothing lands outside of it whatever names and links the archive holds. Throws AppError `invalid` for
 * devices, names with "..", or more than the rules allow; the tree is then half-filled and the caller's to throw away.
 */
export async function extractLayer(archive: AsyncIterable<Uint8Array>, tree: RootedTree, rules: ExtractRules): Promise<void> {
  const reader = new TarReader(archive);
  const directories: { path: Buffer; mtimeSeconds: number }[] = [];
  const kept = new Map<string, { path: Buffer; mtimeNs: bigint }>();
  const what = rules.what ?? "The layer";
  let bytes = 0;
  let entries = 0;
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    entries++;
    bytes += entry.size;
    if (entries > rules.maxEntries) throw new AppError("invalid", `${what} holds more than ${rules.maxEntries} entries.`);
    if (bytes > rules.maxBytes) throw new AppError("invalid", `${what} unpacks to more than ${rules.maxBytes} bytes.`);
    rules.spend?.(entry.size, 1);
    checkPath(entry, what);
    if (rules.skip?.(entry.path.toString()) === true) continue;
    if (rules.whiteouts === "none") {
      if (entry.path.length === 0) continue;
      keepTime(tree, entry.path, kept);
    }
    // Directories that the archive only implies must not carry the time of unpacking: the same archive makes the same layer.
    for (const path of makeParents(tree, entry.path)) directories.push({ path, mtimeSeconds: 0 });
    if (rules.whiteouts === "oci" && applyOciWhiteout(tree, entry.path)) continue;
    await place(tree, reader, entry, rules);
    if (entry.type === "directory") directories.push({ path: entry.path, mtimeSeconds: entry.mtimeSeconds });
  }
  for (const { path, mtimeNs } of kept.values()) if (isDirectory(tree, path)) tree.utimes(path, mtimeNs);
  // Last, and inner ones first: whatever is made in a directory changes its time.
  for (const { path, mtimeSeconds } of directories.reverse()) {
    try {
      tree.utimes(path, BigInt(mtimeSeconds) * 1_000_000_000n);
    } catch (error) {
      // A later entry of the same archive took its place.
      if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR") throw error;
    }
  }
  // What follows a layer's archive belongs to its digest; what follows another one is nobody's.
  if (rules.whiteouts !== "none") await reader.drain();
}

/** Notes the time of the directory that an entry goes into, where it is there already. */
function keepTime(tree: RootedTree, path: Buffer, kept: Map<string, { path: Buffer; mtimeNs: bigint }>): void {
  for (let slash = path.lastIndexOf(SLASH); slash > 0; slash = path.lastIndexOf(SLASH, slash - 1)) {
    const parent = path.subarray(0, slash);
    const key = parent.toString("latin1");
    if (kept.has(key)) return;
    if (!isDirectory(tree, parent)) continue;
    kept.set(key, { path: parent, mtimeNs: BigInt(Math.round(tree.lstat(parent).mtimeMs * 1_000)) * 1_000n });
    return;
  }
}

async function place(tree: RootedTree, reader: TarReader, entry: TarEntry, rules: ExtractRules): Promise<void> {
  const { path } = entry;
  const owner = rules.owner ?? { uid: entry.uid, gid: entry.gid };
  if (rules.whiteouts === "none" && Math.max(owner.uid, owner.gid) > MAX_ID) {
    throw new AppError(
      "invalid",
      `${rules.what ?? "The layer"} holds ${path.toString()} of the user ${owner.uid}:${owner.gid}, which is beyond ${MAX_ID}.`,
    );
  }
  if (entry.type !== "directory") tree.remove(path);
  switch (entry.type) {
    case "directory":
      if (isDirectory(tree, path)) tree.chown(path, owner);
      else {
        tree.remove(path);
        tree.mkdir(path, entry.mode, owner);
      }
      tree.chmod(path, entry.mode);
      break;
    case "file": {
      const fd = tree.createFile(path, entry.mode, owner);
      try {
        for await (const piece of reader.content()) writeAll(fd, piece);
        futimesSync(fd, entry.mtimeSeconds, entry.mtimeSeconds);
      } finally {
        closeSync(fd);
      }
      break;
    }
    case "symlink":
      tree.symlink(entry.linkTarget, path, owner);
      break;
    case "hardlink":
      // All else belongs to the file that it is another name of.
      tree.link(entry.linkTarget, path);
      return;
    case "fifo":
      tree.fifo(path, entry.mode, owner);
      break;
    case "character":
    case "block":
      if (rules.whiteouts === "overlay" && entry.type === "character" && entry.devMajor === 0 && entry.devMinor === 0) {
        tree.whiteout(path);
        return;
      }
      // Containers have a /dev of their own; anywhere else a device is no accident.
      if (rules.whiteouts !== "overlay" && path.subarray(0, 4).toString() === "dev/") return;
      throw new AppError("invalid", `${rules.what ?? "The layer"} holds a device node (${path.toString()}), which is not allowed.`);
  }
  // Through a mounted overlay its own attributes are not for setting.
  const isWanted = rules.whiteouts === "none" ? (name: string) => isContentXattr(name) && !name.startsWith("trusted.") : isContentXattr;
  for (const [name, value] of entry.xattrs) if (isWanted(name)) tree.setXattr(path, name, value);
  if (entry.type !== "directory" && entry.type !== "file") tree.utimes(path, BigInt(entry.mtimeSeconds) * 1_000_000_000n);
}

/** True when the path was a whiteout and has been dealt with. */
function applyOciWhiteout(tree: RootedTree, path: Buffer): boolean {
  const slash = path.lastIndexOf(SLASH);
  const name = path.subarray(slash + 1);
  if (!name.subarray(0, WHITEOUT.length).equals(WHITEOUT)) return false;
  if (name.equals(OPAQUE)) {
    tree.opaque(path.subarray(0, Math.max(0, slash)));
    return true;
  }
  const hidden = name.subarray(WHITEOUT.length);
  // `.wh..wh.` names are AUFS's own bookkeeping.
  if (hidden.length === 0 || hidden.subarray(0, WHITEOUT.length).equals(WHITEOUT)) return true;
  tree.whiteout(Buffer.concat([path.subarray(0, slash + 1), hidden]));
  return true;
}

/** Makes the directories above a path; returns those that were not there. */
function makeParents(tree: RootedTree, path: Buffer): readonly Buffer[] {
  const missing: Buffer[] = [];
  for (let slash = path.lastIndexOf(SLASH); slash > 0; slash = path.lastIndexOf(SLASH, slash - 1)) {
    const parent = path.subarray(0, slash);
    if (tree.exists(parent)) break;
    missing.unshift(parent);
  }
  if (path.lastIndexOf(SLASH) > 0) tree.mkdirs(path.subarray(0, path.lastIndexOf(SLASH)));
  return missing;
}

function checkPath(entry: TarEntry, what: string): void {
  for (const path of entry.type === "hardlink" ? [entry.path, entry.linkTarget] : [entry.path]) {
    const climbs = path.toString("latin1").split("/").includes("..");
    if (climbs || path.length > 4096) throw new AppError("invalid", `${what} holds a path that is not allowed (${path.toString()}).`);
  }
}

function isDirectory(tree: RootedTree, path: Buffer): boolean {
  try {
    return tree.lstat(path).isDirectory();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

function writeAll(fd: number, data: Buffer): void {
  for (let written = 0; written < data.length; ) written += writeSync(fd, data, written);
}
