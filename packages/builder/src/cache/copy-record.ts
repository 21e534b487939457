import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Digest, isDigest } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";

/** Which file of the context each regular file of a layer was made of, and what it came to. */
export interface CopyRecord {
  readonly layer: Digest;
  /** By path in the image. */
  readonly files: ReadonlyMap<string, CopiedFile>;
}

export interface CopiedFile {
  readonly blob: string;
  /** Mode, owner and time, in the words of whoever wrote the record. */
  readonly attributes: string;
  /** Of its content, in hex; empty for an empty file. */
  readonly sha256: string;
}

/** Fewer files than this are written again as fast as they are looked up. */
const MIN_FILES = 64;
/** Ours, and those that were being written when somebody was killed. */
const OWN = /^[0-9a-f]{64}(?:\.\d+\.new)?$/;
const DIGEST_BYTES = "sha256:".length + 64;
/** Records of another format are none. */
const FORMAT = "\n2\n";

/*
 * One file for each kind of COPY (its instruction, not what it takes): the digest of the layer that it made last, the format, and JSON of each
 * file's path, blob, attributes and digest. Renamed into place, so a crash leaves the old one or the new one; a torn one (power cut) reads as none.
 */

/** The layer that the record is about, without reading the rest; undefined where there is none. */
export function recordedLayer(file: string): Digest | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(DIGEST_BYTES);
    const length = readSync(fd, bytes, 0, DIGEST_BYTES, 0);
    const digest = bytes.toString("latin1", 0, length);
    return isDigest(digest) ? digest : undefined;
  } finally {
    closeSync(fd);
  }
}

export function readCopyRecord(file: string): CopyRecord | undefined {
  try {
    const text = readFileSync(file, "utf8");
    const layer = text.slice(0, DIGEST_BYTES);
    if (!isDigest(layer) || !text.startsWith(FORMAT, DIGEST_BYTES)) return undefined;
    const lines = JSON.parse(text.slice(DIGEST_BYTES + FORMAT.length)) as [string, string, string, string][];
    return { layer, files: new Map(lines.map(([path, blob, attributes, sha256]) => [path, { blob, attributes, sha256 }])) };
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Keeps the record where it is worth it. */
export function writeCopyRecord(file: string, { layer, files }: CopyRecord): void {
  if (files.size < MIN_FILES) return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  const lines = Array.from(files, ([path, { blob, attributes, sha256 }]) => [path, blob, attributes, sha256]);
  writeFileSync(temporary, `${layer}${FORMAT}${JSON.stringify(lines)}`, { mode: 0o600 });
  renameSync(temporary, file);
}

/** Removes records that no build has written since `before`. */
export function collectCopyRecords(directory: string, before: Date): void {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return;
    throw error;
  }
  for (const name of names) {
    if (!OWN.test(name)) continue;
    const file = join(directory, name);
    if ((statSync(file, { throwIfNoEntry: false })?.mtime ?? before) < before) rmSync(file, { force: true });
  }
}
