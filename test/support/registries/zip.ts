import { crc32 } from "node:zlib";

/** A zip archive of files as they are, not compressed (PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16); which of them may be executed. */
export function zip(files: Readonly<Record<string, Buffer>>, isProgram: (path: string) => boolean): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const name = Buffer.from(path);
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const about = Buffer.alloc(26);
    about.writeUInt16LE(20, 0);
    about.writeUInt16LE(0x0800, 2);
    about.writeUInt16LE(0x21, 8);
    about.writeUInt32LE(crc32(content), 10);
    about.writeUInt32LE(content.length, 14);
    about.writeUInt32LE(content.length, 18);
    about.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from("PK\x03\x04", "latin1"), about, name, content);
    const where = Buffer.alloc(14);
    // A regular file that all may read, as Unix has it.
    where.writeUInt32LE(((isProgram(path) ? 0o100755 : 0o100644) << 16) >>> 0, 6);
    where.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\x03", "latin1"), about, where, name);
    offset += 30 + name.length + content.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  const count = Object.keys(files).length;
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(entries.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, entries, Buffer.from("PK\x05\x06", "latin1"), end]);
}
