import { createHash } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, readSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MS, mount, RootedTree, umount } from "@plimsoll/host";

/** One line an entry, by its absolute path: `f 644 1:2 "text"`, `d 755`, `l -> target`; owner left out where it is 0:0. */
export type Tree = Readonly<Record<string, string>>;

/** Text up to this long stands in the snapshot as it is; other content as its size and digest. */
const INLINE_BYTES = 96;
const [TYPE_BITS, DIRECTORY, FILE, LINK, FIFO, CHARACTER, BLOCK] = [0o170000, 0o040000, 0o100000, 0o120000, 0o010000, 0o020000, 0o060000];

/** Reads the tree that layer directories (overlay format, bottom first) make together. Needs root. Mounts for as long as it runs. */
export function snapshotOf(layers: readonly string[]): Tree {
  if (layers.length === 0) return {};
  const scratch = mkdtempSync(join(tmpdir(), "plimsoll-conformance-tree-"));
  const [root, empty] = [join(scratch, "root"), join(scratch, "empty")];
  for (const directory of [root, empty]) mkdirSync(directory);
  try {
    // An overlay without an upper needs two.
    mount("overlay", root, "overlay", MS.readOnly, `lowerdir=${[...layers.toReversed(), empty].join(":")}`);
    try {
      return read(root);
    } finally {
      umount(root);
    }
  } finally {
    rmdirSync(root);
    rmSync(scratch, { recursive: true });
  }
}

function read(root: string): Tree {
  using tree = new RootedTree(root);
  const entries: Record<string, string> = {};
  const byInode = new Map<number, string>();
  const pending = ["/"];
  for (let directory = pending.shift(); directory !== undefined; directory = pending.shift()) {
    for (const name of tree.readdir(directory)) {
      const path = join(directory, name.toString("utf8"));
      const stats = tree.lstat(path);
      const isFile = (stats.mode & TYPE_BITS) === FILE;
      if ((stats.mode & TYPE_BITS) === DIRECTORY) pending.push(path);
      const first = isFile && stats.nlink > 1 ? byInode.get(stats.ino) : undefined;
      if (first === undefined) byInode.set(stats.ino, path);
      entries[path] = `${describe(tree, path, stats)}${attributes(tree, path)}${first === undefined ? "" : ` = ${first}`}`;
    }
  }
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function describe(tree: RootedTree, path: string, stats: ReturnType<RootedTree["lstat"]>): string {
  const owner = stats.uid === 0 && stats.gid === 0 ? "" : ` ${stats.uid}:${stats.gid}`;
  const mode = (stats.mode & 0o7777).toString(8);
  const device = `${(stats.rdev >> 8) & 0xfff}:${stats.rdev & 0xff}`;
  switch (stats.mode & TYPE_BITS) {
    case FILE:
      return `f ${mode}${owner} ${content(tree, path, stats.size)}`;
    case DIRECTORY:
      return `d ${mode}${owner}`;
    case LINK:
      return `l${owner} -> ${tree.readlink(path).toString("utf8")}`;
    case FIFO:
      return `p ${mode}${owner}`;
    case CHARACTER:
      return `c ${mode}${owner} ${device}`;
    case BLOCK:
      return `b ${mode}${owner} ${device}`;
    default:
      return `s ${mode}${owner}`;
  }
}

function content(tree: RootedTree, path: string, size: number): string {
  const bytes = Buffer.alloc(64 * 1024);
  const descriptor = tree.openRead(path, { follow: false });
  try {
    const hash = createHash("sha256");
    for (let at = 0; ; ) {
      const count = readSync(descriptor, bytes, 0, bytes.length, at);
      if (at === 0 && size <= INLINE_BYTES && count === size) {
        const text = bytes.toString("utf8", 0, count);
        if (Buffer.from(text).equals(bytes.subarray(0, count))) return JSON.stringify(text);
      }
      if (count === 0) return `${size} ${hash.digest("hex").slice(0, 32)}`;
      hash.update(bytes.subarray(0, count));
      at += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

function attributes(tree: RootedTree, path: string): string {
  const found = [...tree.xattrs(path)].filter(([name]) => !name.startsWith("trusted.overlay.") && !name.startsWith("system."));
  return found
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ` {${name}=${value.toString("hex")}}`)
    .join("");
}

/** What of a tree is not as in `base`, where `base` is part of it; else all of it. */
export function relativeTo(base: Tree, tree: Tree): Tree {
  if (tree["/bin/busybox"] !== base["/bin/busybox"]) return tree;
  const changed = Object.entries(tree).filter(([path, entry]) => base[path] !== entry);
  const gone = Object.keys(base).filter((path) => !(path in tree));
  return Object.fromEntries([...changed, ...gone.map((path) => [path, "gone"] as const)].sort(([a], [b]) => (a < b ? -1 : 1)));
}
