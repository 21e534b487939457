import { AppError } from "@plimsoll/core";

/**
 * tar as layers use it: ustar with pax records (POSIX.1-2008 pax, "pax Interchange Format") and, when reading, GNU long names. Names and
 * attributes are bytes throughout: file capabilities and names that are no UTF-8 survive, which libraries that decode text lose.
 */
export interface TarEntry {
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  /** Without leading "./" or "/" and without trailing slash; empty for the root. Not checked for "..". */
  readonly path: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the content that follows; 0 for all but files. */
  readonly size: number;
  readonly mtimeSeconds: number;
  /** Target of a symlink as it is, of a hardlink as a path in the archive. */
  readonly linkTarget: Buffer;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

export const BLOCK = 512;
const XATTR_PREFIX = "SCHILY.xattr.";
const MAX_METADATA_BYTES = 1024 * 1024;

const TYPE_FLAGS = { file: "0", hardlink: "1", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" } as const;

/** Header blocks of an entry, the same bytes for the same entry. Content, padding and the final two zero blocks are the caller's. */
export function tarHeader(entry: TarEntry): Buffer {
  const slash = entry.type === "directory" ? "/" : "";
  const path = Buffer.concat([entry.path.length === 0 ? Buffer.from(".") : entry.path, Buffer.from(slash)]);
  const records: [string, Buffer][] = [];
  if (path.length > 100) records.push(["path", path]);
  if (entry.linkTarget.length > 100) records.push(["linkpath", entry.linkTarget]);
  if (entry.size > 0o77777777777) records.push(["size", Buffer.from(String(entry.size))]);
  if (entry.uid > 0o7777777) records.push(["uid", Buffer.from(String(entry.uid))]);
  if (entry.gid > 0o7777777) records.push(["gid", Buffer.from(String(entry.gid))]);
  for (const name of [...entry.xattrs.keys()].sort()) records.push([XATTR_PREFIX + name, entry.xattrs.get(name) ?? Buffer.alloc(0)]);

  const header = ustar(entry, path, TYPE_FLAGS[entry.type], entry.size);
  if (records.length === 0) return header;
  const pax = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const paxHeader = ustar({ ...entry, mode: 0o644, linkTarget: Buffer.alloc(0) }, Buffer.from("pax"), "x", pax.length);
  return Buffer.concat([paxHeader, pax, tarPadding(pax.length), header]);
}

/** Zeros from the end of a content to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The end of an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

function ustar(entry: TarEntry, path: Buffer, typeFlag: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  path.copy(block, 0, 0, 100);
  writeOctal(block, 100, 8, entry.mode);
  writeOctal(block, 108, 8, Math.min(entry.uid, 0o7777777));
  writeOctal(block, 116, 8, Math.min(entry.gid, 0o7777777));
  writeOctal(block, 124, 12, Math.min(size, 0o77777777777));
  writeOctal(block, 136, 12, Math.min(Math.max(entry.mtimeSeconds, 0), 0o77777777777));
  block.write(typeFlag, 156);
  entry.linkTarget.copy(block, 157, 0, 100);
  block.write("ustar\u000000", 257);
  if (entry.type === "character" || entry.type === "block") {
    writeOctal(block, 329, 8, entry.devMajor);
    writeOctal(block, 337, 8, entry.devMinor);
  }
  block.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), offset);
}

/** `<length> <key>=<value>\n`, the length counting itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Reads an archive front to back. Throws AppError `invalid` for what is not an archive, or ends too early. */
export class TarReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #contentLeft = 0;
  #paddingLeft = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next entry; what was not read of the content before is skipped. Undefined at the end. */
  async next(): Promise<TarEntry | undefined> {
    for await (const _ of this.content()) {
      // skipped
    }
    let records = new Map<string, Buffer>();
    for (;;) {
      const block = await this.#take(BLOCK);
      // Two zero blocks end an archive; one, or none, is tolerated as other readers do.
      if (block === undefined || block.every((byte) => byte === 0)) return undefined;
      checkSum(block);
      const flag = String.fromCharCode(block[156] ?? 0);
      const size = readNumber(block, 124, 12);
      switch (flag) {
        case "x":
          records = new Map([...records, ...parsePax(await this.#metadata(size))]);
          continue;
        case "g":
          await this.#metadata(size);
          continue;
        case "L":
          records.set("path", untilNul(await this.#metadata(size)));
          continue;
        case "K":
          records.set("linkpath", untilNul(await this.#metadata(size)));
          continue;
        default: {
          const entry = parseEntry(block, flag, size, records);
          this.#contentLeft = entry.size;
          this.#paddingLeft = (BLOCK - (entry.size % BLOCK)) % BLOCK;
          return entry;
        }
      }
    }
  }

  /** The content of the entry that next() gave, in pieces that hold until the next one is asked for. */
  async *content(): AsyncGenerator<Buffer, void, undefined> {
    while (this.#contentLeft > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) throw tooShort();
      const piece = this.#buffer.subarray(0, Math.min(this.#contentLeft, this.#buffer.length));
      this.#buffer = this.#buffer.subarray(piece.length);
      this.#contentLeft -= piece.length;
      yield piece;
    }
    if (this.#paddingLeft > 0) await this.#take(this.#paddingLeft);
    this.#paddingLeft = 0;
  }

  /** Reads what follows the end of the archive, so that a stream that is hashed on its way is seen whole. */
  async drain(): Promise<void> {
    while (await this.#fill()) this.#buffer = Buffer.alloc(0);
  }

  async #metadata(size: number): Promise<Buffer> {
    if (size > MAX_METADATA_BYTES) throw new AppError("invalid", "The archive holds a name or attribute of more than 1 MiB.");
    const padded = await this.#take(size + ((BLOCK - (size % BLOCK)) % BLOCK));
    if (padded === undefined) throw tooShort();
    return Buffer.from(padded.subarray(0, size));
  }

  /** Exactly that many bytes; undefined at the end of the source. */
  async #take(length: number): Promise<Buffer | undefined> {
    while (this.#buffer.length < length) {
      if (await this.#fill()) continue;
      if (this.#buffer.length === 0) return undefined;
      throw tooShort();
    }
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #fill(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    return true;
  }
}

function parseEntry(block: Buffer, flag: string, headerSize: number, records: ReadonlyMap<string, Buffer>): TarEntry {
  const numberOf = (key: string, fallback: number) => {
    const value = records.get(key);
    return value === undefined ? fallback : Number(value.toString());
  };
  const isUstar = block.subarray(257, 262).toString() === "ustar";
  const prefix = isUstar && block[262] === 0 ? untilNul(block.subarray(345, 500)) : Buffer.alloc(0);
  const name = untilNul(block.subarray(0, 100));
  const path = records.get("path") ?? (prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), name]) : name);
  const type = typeOf(flag, path);
  const size = type === "file" ? numberOf("size", headerSize) : 0;
  const mtimeSeconds = Math.floor(numberOf("mtime", readNumber(block, 136, 12)));
  if (!Number.isSafeInteger(size) || size < 0) throw new AppError("invalid", "The archive holds an entry of impossible size.");
  const xattrs = new Map<string, Buffer>();
  for (const [key, value] of records) if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), value);
  return {
    type,
    path: trimPath(path),
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: numberOf("uid", readNumber(block, 108, 8)),
    gid: numberOf("gid", readNumber(block, 116, 8)),
    size,
    mtimeSeconds: Number.isFinite(mtimeSeconds) ? mtimeSeconds : 0,
    linkTarget: Buffer.from(records.get("linkpath") ?? untilNul(block.subarray(157, 257))),
    devMajor: readNumber(block, 329, 8),
    devMinor: readNumber(block, 337, 8),
    xattrs,
  };
}

function typeOf(flag: string, path: Buffer): TarEntry["type"] {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      return path.at(-1) === 0x2f ? "directory" : "file";
    case "1":
      return "hardlink";
    case "2":
      return "symlink";
    case "3":
      return "character";
    case "4":
      return "block";
    case "5":
      return "directory";
    case "6":
      return "fifo";
    default:
      throw new AppError("invalid", `The archive holds an entry of unknown type ${JSON.stringify(flag)} (${path.toString()}).`);
  }
}

/** Without "./", "/" in front and "/" behind. */
function trimPath(path: Buffer): Buffer {
  let start = 0;
  let end = path.length;
  while (end > start && path[end - 1] === 0x2f) end--;
  for (;;) {
    if (start < end && path[start] === 0x2f) start++;
    else if (path[start] === 0x2e && (start + 1 === end || path[start + 1] === 0x2f) && start < end) start++;
    else break;
  }
  return Buffer.from(path.subarray(start, end));
}

function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.subarray(at, space).toString());
    const equals = data.indexOf(0x3d, space);
    if (space < 0 || equals < 0 || !Number.isInteger(length) || length <= 0 || at + length > data.length || equals >= at + length)
      throw new AppError("invalid", "The archive holds a broken pax header.");
    records.set(data.subarray(space + 1, equals).toString(), data.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

/** Octal text, or GNU's base 256 when the first bit is set. */
function readNumber(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    let value = 0;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return value;
  }
  const text = untilNul(field).toString("latin1").trim();
  return text === "" ? 0 : Number.parseInt(text, 8) || 0;
}

function untilNul(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

function checkSum(block: Buffer): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  if (sum !== readNumber(block, 148, 8)) throw new AppError("invalid", "This is not a tar archive, or it is damaged.");
}

function tooShort(): AppError {
  return new AppError("invalid", "The archive ends in the middle.");
}
