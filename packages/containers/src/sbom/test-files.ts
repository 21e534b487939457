import { crc32, deflateRawSync } from "node:zlib";

/* Programs and archives for tests, byte by byte as their specifications have them: so that each can also be made wrong. */

/** A program for 64 bit, little-endian, whose sections are also loaded, writable, from BASE on. */
const BASE = 0x400000;
const HEADER = 64;
const SEGMENT = 56;
const SECTION = 64;

export function elfOf(parts: readonly { readonly name: string; readonly content: Buffer }[]): Buffer {
  const dataAt = HEADER + SEGMENT;
  const names = Buffer.from(["", ...parts.map(({ name }) => name), ".shstrtab", ""].join("\0"), "latin1");
  const all = [...parts, { name: ".shstrtab", content: names }];
  const data = Buffer.concat(all.map(({ content }) => content));
  const header = Buffer.alloc(HEADER);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeBigUInt64LE(BigInt(HEADER), 32);
  header.writeBigUInt64LE(BigInt(dataAt + data.length), 40);
  header.writeUInt16LE(SEGMENT, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(SECTION, 58);
  header.writeUInt16LE(all.length + 1, 60);
  header.writeUInt16LE(all.length, 62);
  const segment = Buffer.alloc(SEGMENT);
  segment.writeUInt32LE(1, 0);
  segment.writeUInt32LE(6, 4);
  segment.writeBigUInt64LE(BigInt(dataAt), 8);
  segment.writeBigUInt64LE(BigInt(BASE), 16);
  segment.writeBigUInt64LE(BigInt(data.length), 32);
  let at = dataAt;
  const sections = all.map(({ name, content }) => {
    const row = Buffer.alloc(SECTION);
    row.writeUInt32LE(names.indexOf(`\0${name}\0`, 0, "latin1") + 1, 0);
    row.writeBigUInt64LE(BigInt(at), 24);
    row.writeBigUInt64LE(BigInt(content.length), 32);
    at += content.length;
    return row;
  });
  return Buffer.concat([header, segment, data, Buffer.alloc(SECTION), ...sections]);
}

const MAGIC = Buffer.from("\xff Go buildinf:", "latin1");
const marked = (modules: string) => Buffer.concat([Buffer.alloc(16, 1), Buffer.from(modules), Buffer.alloc(16, 2)]);

/** As Go's linker writes it since 1.18. */
export function goInline(version: string, modules: string, { section = true } = {}): Buffer {
  const text = (content: Buffer) => {
    const length: number[] = [];
    for (let rest = content.length; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) return Buffer.concat([Buffer.from([...length, rest]), content]);
      length.push((rest % 128) + 128);
    }
  };
  const header = Buffer.concat([MAGIC, Buffer.from([8, 2]), Buffer.alloc(16)]);
  const content = Buffer.concat([header, text(Buffer.from(version)), text(marked(modules))]);
  return elfOf([{ name: section ? ".go.buildinfo" : ".data", content: section ? content : Buffer.concat([Buffer.alloc(48), content]) }]);
}

/** As it wrote it before: two addresses of strings, each an address and a length. */
export function goPointers(version: string, modules: string): Buffer {
  const texts = [Buffer.from(version), marked(modules)];
  const content = Buffer.alloc(32 + 2 * 16);
  Buffer.concat([MAGIC, Buffer.from([8, 0])]).copy(content);
  let at = BASE + content.length;
  for (const [index, one] of texts.entries()) {
    content.writeBigUInt64LE(BigInt(BASE + 32 + index * 16), 16 + index * 8);
    content.writeBigUInt64LE(BigInt(at), 32 + index * 16);
    content.writeBigUInt64LE(BigInt(one.length), 40 + index * 16);
    at += one.length;
  }
  return elfOf([{ name: ".go.buildinfo", content: Buffer.concat([content, ...texts]) }]);
}

export interface ZipPart {
  readonly name: string;
  readonly content: Buffer;
  readonly stored?: boolean;
  /** Instead of the content, packed. */
  readonly packed?: Buffer;
}

export function zipOf(parts: readonly ZipPart[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, stored = false, packed } of parts) {
    const body = packed ?? (stored ? content : deflateRawSync(content));
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const row = Buffer.alloc(46);
    row.writeUInt32LE(0x02014b50, 0);
    row.writeUInt16LE(stored ? 0 : 8, 10);
    row.writeUInt32LE(crc32(content), 16);
    row.writeUInt32LE(body.length, 20);
    row.writeUInt32LE(content.length, 24);
    row.writeUInt16LE(name.length, 28);
    row.writeUInt32LE(at, 42);
    bodies.push(local, Buffer.from(name), body);
    directory.push(row, Buffer.from(name));
    at += 30 + name.length + body.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, table, end]);
}
