import { createHash, hash } from "node:crypto";
import { type BigIntStats, closeSync, constants, lutimesSync, openSync, readSync, unlinkSync } from "node:fs";
import type { LayerRef } from "@plimsoll/core";
import { listXattrs, RootedTree, removeXattr, type TreeEntry } from "@plimsoll/host";
import { CHUNK_BYTES, describeEntry, isContentXattr, layerArchive, pauses } from "./layer-archive.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar.ts";

/*
 * A layer is named by SHA-256 over its canonical archive with the SHA-256 of each file's content in the place of the content (docs/adr,
 * 0008): whoever knows the digests of files that did not change need not read them to name the layer.
 */

/** So that no archive can be made whose plain digest is a layer's name. */
const SCHEME = "plimsoll layer 2\n";

/** Digests of the contents of a layer's regular files, by path in it without leading slash (UTF-8; other names are left out). */
export interface LayerContents {
  /** SHA-256 of the content, where the caller is certain of it: the file is not read then. */
  known(path: string): Uint8Array | undefined;
  /** Told of every file that is not empty. */
  found(path: string, sha256: Uint8Array): void;
}

export interface SealOptions {
  /** Seconds since 1970: what is younger gets this time, so that equal content made at another time is an equal layer. */
  readonly latestSeconds?: number | undefined;
  /** Sees everything that is in it, before it is read, and may end it by throwing. */
  readonly onEntry?: ((stats: BigIntStats) => void) | undefined;
  readonly contents?: LayerContents | undefined;
}

/**
 * Names a fresh upper directory, and takes from it on the way what is of this host only, so that it equals what another host would
 * unpack: attributes that are no content, and sockets, which no archive can hold. The directory must be at rest.
 */
export function sealEntries(root: string, { latestSeconds, onEntry, contents }: SealOptions): Promise<LayerRef> {
  const latestNs = latestSeconds === undefined ? undefined : BigInt(latestSeconds) * 1_000_000_000n;
  const directoryTimes = new Map<string, bigint>();
  const prepare = ({ stats, at, path }: TreeEntry): bigint => {
    onEntry?.(stats);
    if (stats.isSocket()) {
      unlinkSync(at);
      const parent = path.toString("latin1", 0, Math.max(0, path.lastIndexOf(0x2f)));
      // Its directory has the time that it is named with.
      const timeNs = directoryTimes.get(parent);
      if (timeNs !== undefined) lutimesSync(at.subarray(0, at.lastIndexOf(0x2f) + 1), Number(timeNs) / 1e9, Number(timeNs) / 1e9);
      return stats.mtimeNs;
    }
    for (const name of listXattrs(at)) if (!isContentXattr(name)) removeXattr(at, name);
    const isLate = latestSeconds !== undefined && latestNs !== undefined && stats.mtimeNs > latestNs;
    if (isLate) lutimesSync(at, latestSeconds, latestSeconds);
    const mtimeNs = isLate ? latestNs : stats.mtimeNs;
    if (stats.isDirectory()) directoryTimes.set(path.toString("latin1"), mtimeNs);
    return mtimeNs;
  };
  return nameOf(root, prepare, contents);
}

/** The name of a layer that is sealed. */
export function nameLayer(root: string): Promise<LayerRef> {
  return nameOf(root, ({ stats }) => stats.mtimeNs);
}

/** What layers were called by before names were made of the files' digests: the digest of the whole archive. */
export async function archiveDigest(root: string): Promise<LayerRef["digest"]> {
  const whole = createHash("sha256");
  for await (const chunk of layerArchive(root)) whole.update(chunk);
  return `sha256:${whole.digest("hex")}`;
}

/** `prepare` sees each entry first and answers the time that it counts with. */
async function nameOf(root: string, prepare: (entry: TreeEntry) => bigint, contents?: LayerContents): Promise<LayerRef> {
  using tree = new RootedTree(root);
  const name = createHash("sha256").update(SCHEME);
  const linked = new Map<bigint, Buffer>();
  const rest = pauses();
  let sizeBytes = TAR_END.length;
  for (const entry of tree.walk()) {
    await rest();
    const described = describeEntry(entry, linked, prepare(entry));
    if (described === undefined) continue;
    const header = tarHeader(described);
    name.update(header);
    sizeBytes += header.length + described.size + tarPadding(described.size).length;
    if (described.type !== "file" || described.size === 0) continue;
    const path = contents === undefined ? undefined : textOf(entry.path);
    const digest = (path === undefined ? undefined : contents?.known(path)) ?? (await digestFile(entry, described.size, rest));
    name.update(digest);
    if (path !== undefined) contents?.found(path, digest);
  }
  return { digest: `sha256:${name.digest("hex")}`, sizeBytes };
}

/** For files that are read at once, by whoever reads one at the moment. */
const room = Buffer.allocUnsafeSlow(CHUNK_BYTES);

async function digestFile({ at, path }: TreeEntry, size: number, rest: () => Promise<void> | undefined): Promise<Uint8Array> {
  const fd = openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (size <= room.length) {
      for (let length = 0; length < size; ) length += readSome(fd, room.subarray(length, size), path);
      return hash("sha256", room.subarray(0, size), "buffer");
    }
    const content = createHash("sha256");
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let left = size; left > 0; ) {
      const length = readSome(fd, chunk.subarray(0, Math.min(left, chunk.length)), path);
      content.update(chunk.subarray(0, length));
      left -= length;
      await rest();
    }
    return content.digest();
  } finally {
    closeSync(fd);
  }
}

function readSome(fd: number, into: Buffer, path: Buffer): number {
  const length = readSync(fd, into, 0, into.length, null);
  if (length === 0) throw new Error(`${path.toString()} became shorter while its layer was read`);
  return length;
}

/** Undefined for names that are no text. */
function textOf(path: Buffer): string | undefined {
  const text = path.toString("utf8");
  return Buffer.from(text).equals(path) ? text : undefined;
}
