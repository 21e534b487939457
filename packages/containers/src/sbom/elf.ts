import type { Bytes } from "./bytes.ts";

/** What is read of a program in the Executable and Linkable Format (the System V ABI, chapters 4 and 5). */
export interface Elf {
  readonly bytes: Bytes;
  readonly pointerBytes: 4 | 8;
  section(name: string): Range | undefined;
  /** The first segment that is loaded writable. */
  writableSegment(): Range | undefined;
  /** Where in the file an address lies; undefined where it is not of the file. */
  offsetOf(address: number): number | undefined;
  number(content: Buffer, offset: number, size: 2 | 4 | 8): number;
}

export interface Range {
  readonly offset: number;
  readonly size: number;
}

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const MOST_HEADERS = 4_096;
const MOST_NAMES_BYTES = 1024 * 1024;
const LOADED = 1;
const WRITABLE = 2;

interface Section extends Range {
  readonly name: number;
}
interface Segment extends Range {
  readonly address: number;
  readonly writable: boolean;
}

/** Undefined for what is no such program, or a torn one. */
export function openElf(bytes: Bytes): Elf | undefined {
  const header = bytes.read(0, 64);
  if (header.length < 52 || !header.subarray(0, 4).equals(MAGIC)) return undefined;
  const wide = header[4] === 2;
  const big = header[5] === 2;
  const word = wide ? 8 : 4;
  const number = (content: Buffer, offset: number, size: 2 | 4 | 8) => readNumber(content, offset, size, big);
  const at = (narrowOffset: number, wideOffset: number) => (wide ? wideOffset : narrowOffset);
  /** Rows of a table of headers; a torn table has none. */
  const table = (offset: number, rowBytes: number, rows: number, atLeast: number): readonly Buffer[] => {
    if (rowBytes < atLeast || rowBytes > 256 || rows > MOST_HEADERS) return [];
    const content = bytes.read(offset, rowBytes * rows);
    return Array.from({ length: Math.floor(content.length / rowBytes) }, (_, row) =>
      content.subarray(row * rowBytes, (row + 1) * rowBytes),
    );
  };
  if (wide && header.length < 64) return undefined;
  const half = (offset: number) => number(header, offset, 2);
  const sections = table(number(header, at(32, 40), word), half(at(46, 58)), half(at(48, 60)), at(40, 64)).map(
    (row): Section => ({
      name: number(row, 0, 4),
      offset: number(row, at(16, 24), word),
      size: number(row, at(20, 32), word),
    }),
  );
  const segments = table(number(header, at(28, 32), word), half(at(42, 54)), half(at(44, 56)), at(32, 56)).flatMap((row): Segment[] => {
    if (number(row, 0, 4) !== LOADED) return [];
    const flags = number(row, at(24, 4), 4);
    return [
      {
        writable: (flags & WRITABLE) !== 0,
        offset: number(row, at(4, 8), word),
        address: number(row, at(8, 16), word),
        size: number(row, at(16, 32), word),
      },
    ];
  });
  const namesAt = sections[half(at(50, 62))];
  let names: Buffer | undefined;
  return {
    bytes,
    pointerBytes: word,
    number,
    section(name) {
      if (namesAt === undefined) return undefined;
      names ??= bytes.read(namesAt.offset, Math.min(namesAt.size, MOST_NAMES_BYTES));
      const wanted = Buffer.from(`${name}\0`, "latin1");
      const all = names;
      return sections.find((section) => all.subarray(section.name, section.name + wanted.length).equals(wanted));
    },
    writableSegment: () => segments.find(({ writable }) => writable),
    offsetOf(address) {
      const segment = segments.find((one) => address >= one.address && address < one.address + one.size);
      return segment === undefined ? undefined : segment.offset + (address - segment.address);
    },
  };
}

/** Numbers that no file is long enough for become Infinity, which no read reaches. */
function readNumber(content: Buffer, offset: number, size: 2 | 4 | 8, big: boolean): number {
  if (offset + size > content.length) return 0;
  if (size === 2) return big ? content.readUInt16BE(offset) : content.readUInt16LE(offset);
  if (size === 4) return big ? content.readUInt32BE(offset) : content.readUInt32LE(offset);
  const value = big ? content.readBigUInt64BE(offset) : content.readBigUInt64LE(offset);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}
