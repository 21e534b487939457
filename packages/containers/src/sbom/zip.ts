import { inflateRawSync } from "node:zlib";
import { type Allowance, type Bytes, bufferBytes, partOf } from "./bytes.ts";

/** An entry of an archive as its central directory has it (PKWARE's APPNOTE, 4.3). */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly headerOffset: number;
}

const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const MOST_DIRECTORY_BYTES = 16 * 1024 * 1024;
const DIRECTORY_MARK = 0x02014b50;
const ENTRY_MARK = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;

/** What is wrong with an archive, for people. */
export class BadArchive extends Error {}

/** Throws BadArchive. What stands before the archive, as in programs that carry one, is passed over. */
export function readDirectory(bytes: Bytes): readonly ZipEntry[] {
  const tail = bytes.read(Math.max(0, bytes.size - END_BYTES - LONGEST_COMMENT), END_BYTES + LONGEST_COMMENT);
  const end = tail.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0 || end + END_BYTES > tail.length) throw new BadArchive("is no archive that can be read");
  const size = tail.readUInt32LE(end + 12);
  const stated = tail.readUInt32LE(end + 16);
  if (stated === 0xffffffff || size > MOST_DIRECTORY_BYTES) throw new BadArchive("has a table of contents that is too large to be read");
  const start = bytes.size - tail.length + end - size;
  const before = start - stated;
  if (start < 0 || before < 0) throw new BadArchive("is torn");
  const directory = bytes.read(start, size);
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === DIRECTORY_MARK; ) {
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString("utf8", at + 46, at + 46 + nameBytes),
      method: directory.readUInt16LE(at + 10),
      packedBytes: directory.readUInt32LE(at + 20),
      headerOffset: before + directory.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** An entry's content; a stored one is read where it lies. Throws BadArchive, also for more than `maxBytes`. */
export function openEntry(bytes: Bytes, entry: ZipEntry, maxBytes: number, allowance: Allowance): Bytes {
  const header = bytes.read(entry.headerOffset, 30);
  if (header.length < 30 || header.readUInt32LE(0) !== ENTRY_MARK) throw new BadArchive("is torn");
  const start = entry.headerOffset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + entry.packedBytes > bytes.size) throw new BadArchive("is torn");
  if (entry.method === STORED) return partOf(bytes, start, entry.packedBytes);
  if (entry.method !== DEFLATED || entry.packedBytes > maxBytes) throw new BadArchive("is packed in a way that is not read");
  allowance.spend("inflated", 0);
  const packed = bytes.read(start, entry.packedBytes);
  try {
    const content = inflateRawSync(packed, { maxOutputLength: maxBytes });
    allowance.spend("inflated", content.length);
    return bufferBytes(content);
  } catch (error) {
    // What was unpacked until then was work too.
    if (error instanceof RangeError) allowance.spend("inflated", maxBytes);
    if (error instanceof Error && "code" in error) throw new BadArchive("holds more than is unpacked, or is torn");
    throw error;
  }
}
