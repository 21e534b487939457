import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errorCode } from "@plimsoll/host";
import { REOPEN_LOG } from "./conmon.ts";

/** One line of a program's output. */
export interface LogLine {
  /** RFC 3339 with nanoseconds, by the host's clock. */
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  /** Where it ends in the log, for a reader that comes back: the number of its file and a byte in it. */
  readonly cursor: string;
}

export interface LogPolicy {
  /** Size at which the current file is put aside. */
  readonly maxBytes: number;
  /**
   * Files kept at most, the current one among them. A program that writes much between two looks makes larger ones: those that were put
   * aside have no more than `(keep - 1) * maxBytes` together, or are one.
   */
  readonly keep: number;
}

export const DEFAULT_LOG_POLICY: LogPolicy = { maxBytes: 10 * 1024 * 1024, keep: 5 };

export const CURRENT_LOG = "log";
/** A line that never ends is given out in pieces of this size. */
const MAX_LINE_BYTES = 64 * 1024;
const CHUNK_BYTES = 256 * 1024;
const POLL_MS = 100;

/**
 * Puts the current log aside when it is large and tells its monitor to open a new one; true when it did. Lines that the monitor writes in
 * between land in the file that was put aside, so none is lost (by its own size limit conmon loses what it has not written yet).
 */
export function rotateLog(dir: string, controlFifo: string, policy: LogPolicy): boolean {
  const current = join(dir, CURRENT_LOG);
  if (sizeOf(current) < policy.maxBytes) return false;
  const former = rotatedFiles(dir);
  const next = (former.at(-1)?.number ?? 0) + 1;
  renameSync(current, join(dir, `${CURRENT_LOG}.${next}`));
  try {
    const fifo = openSync(controlFifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(fifo, REOPEN_LOG);
    } finally {
      closeSync(fifo);
    }
  } catch (error) {
    // The monitor is gone: the next run makes a new file.
    if (errorCode(error) !== "ENXIO" && errorCode(error) !== "ENOENT") throw error;
  }
  for (const name of tooMany(dir, policy)) rmSync(join(dir, name), { force: true });
  return true;
}

/** Of the files put aside, all older ones from the first on that is too many or too much. */
function tooMany(dir: string, { maxBytes, keep }: LogPolicy): readonly string[] {
  const newestFirst = rotatedFiles(dir)
    .toReversed()
    .map(({ name }) => name);
  let bytes = 0;
  const kept = newestFirst.findIndex((name, index) => {
    bytes += sizeOf(join(dir, name));
    return index > 0 && (index >= keep - 1 || bytes > (keep - 1) * maxBytes);
  });
  return kept < 0 ? [] : newestFirst.slice(kept);
}

/** The last lines, oldest first; none when there is no log. */
export function tailLog(dir: string, lines: number): readonly LogLine[] {
  const current = openOrNothing(join(dir, CURRENT_LOG));
  try {
    return tailUpTo(dir, lines, current).lines;
  } finally {
    if (current !== undefined) closeSync(current);
  }
}

export interface FollowOptions {
  readonly tail: number;
  /** Cursor of a line: instead of the last lines, all that came after it; all that is kept when its file was removed as too old. */
  readonly after?: string;
  readonly signal: AbortSignal;
}

/**
 * The last `tail` lines (or those after a cursor) and then every new one, once each and in order, across rotations, until the signal
 * aborts or the log's directory is removed. Only a reader that is slower than `keep` rotations misses lines.
 */
export async function* followLog(dir: string, options: FollowOptions): AsyncGenerator<LogLine, void, undefined> {
  const { signal } = options;
  const resumed = options.after === undefined ? undefined : openAt(dir, options.after);
  let fd = options.after === undefined ? openOrNothing(join(dir, CURRENT_LOG)) : resumed?.fd;
  try {
    const before = options.after === undefined ? tailUpTo(dir, options.tail, fd) : { lines: [], position: resumed?.position ?? 0 };
    let position = before.position;
    let parser = before.parser ?? (fd === undefined ? undefined : new LogParser(numberOf(dir, fd), position));
    yield* before.lines;
    while (!signal.aborted) {
      // Asked before reading: once there is a newer file, nothing more comes into this one, so its end is the end.
      const next = nextFile(dir, fd);
      if (fd !== undefined) {
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        const length = readSync(fd, chunk, 0, chunk.length, position);
        position += length;
        if (parser !== undefined) yield* parser.push(chunk.subarray(0, length));
        if (length > 0) continue;
      }
      const opened = next === undefined ? undefined : openOrNothing(join(dir, next));
      if (opened !== undefined) {
        if (fd !== undefined) closeSync(fd);
        fd = opened;
        position = 0;
        parser = new LogParser(numberOf(dir, fd), 0, parser);
        continue;
      }
      if (!existsSync(dir)) return;
      await pause(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

interface Tail {
  readonly lines: readonly LogLine[];
  readonly position: number;
  /** Has read up to there. */
  readonly parser?: LogParser;
}

/** The last lines of all files; of the current one only what it holds now, which ends at `position`. */
function tailUpTo(dir: string, count: number, current: number | undefined): Tail {
  const newest = current === undefined ? undefined : lastLines(current, count, numberOf(dir, current));
  let lines = newest?.lines ?? [];
  // The first lines of a file may be the ends of lines that began in the file before.
  let mayBeEnds = newest?.fromStart ?? true;
  const inode = current === undefined ? undefined : inodeOf(`/proc/self/fd/${current}`);
  for (const { name, number } of rotatedFiles(dir).toReversed()) {
    if (lines.length >= count && !mayBeEnds) break;
    const fd = openOrNothing(join(dir, name));
    if (fd === undefined) continue;
    try {
      // It may have been put aside since it was opened as the current one.
      if (inodeOf(`/proc/self/fd/${fd}`) === inode) continue;
      const missing = count - lines.length;
      const former = lastLines(fd, Math.max(1, missing), number);
      lines = [...(missing > 0 ? former.lines : []), ...joined(former.parser, lines)];
      mayBeEnds = missing > 0 && former.fromStart;
    } finally {
      closeSync(fd);
    }
  }
  return { position: 0, ...newest, lines: count <= 0 ? [] : lines.slice(-count) };
}

/** Lines of later files, each stream's first with what the file before had of it. */
function joined(former: LogParser, lines: readonly LogLine[]): readonly LogLine[] {
  const firsts = new Map((["stdout", "stderr"] as const).map((stream) => [lines.find((line) => line.stream === stream), stream]));
  return lines.map((line) => {
    const stream = firsts.get(line);
    return stream === undefined ? line : { ...line, text: `${former.unfinished(stream)}${line.text}` };
  });
}

/**
 * The number that an open file has, or gets once it is put aside: fixed from its first line on. A file that was removed meanwhile has
 * none that is of use.
 */
function numberOf(dir: string, fd: number): number {
  const inode = inodeOf(`/proc/self/fd/${fd}`);
  for (;;) {
    const former = rotatedFiles(dir);
    const own = former.find(({ name }) => inodeOf(join(dir, name)) === inode);
    if (own !== undefined) return own.number;
    // Seen after the list: were it put aside in between, it would not be the current one now.
    if (inodeOf(join(dir, CURRENT_LOG)) === inode) return (former.at(-1)?.number ?? 0) + 1;
    if (!rotatedFiles(dir).some(({ name }) => inodeOf(join(dir, name)) === inode)) return 0;
  }
}

/** The file of a cursor, opened, and the byte to go on from; undefined when it is not there any more. */
function openAt(dir: string, cursor: string): { readonly fd: number; readonly position: number } | undefined {
  const [, number, byte] = (/^(\d{1,9}):(\d{1,15})$/.exec(cursor) ?? []).map(Number);
  if (number === undefined || byte === undefined) return undefined;
  // The current one may be put aside at any moment: it is looked for under both of its names, and again under the first.
  for (const name of [`${CURRENT_LOG}.${number}`, CURRENT_LOG, `${CURRENT_LOG}.${number}`]) {
    const fd = openOrNothing(join(dir, name));
    if (fd === undefined) continue;
    if (numberOf(dir, fd) === number && byte <= sizeOf(`/proc/self/fd/${fd}`)) return { fd, position: byte };
    closeSync(fd);
  }
  return undefined;
}

/** The file that follows the open one; undefined while it is the current one, or there is none. */
function nextFile(dir: string, fd: number | undefined): string | undefined {
  const inode = fd === undefined ? undefined : inodeOf(`/proc/self/fd/${fd}`);
  if (inode !== undefined && inodeOf(join(dir, CURRENT_LOG)) === inode) return undefined;
  const names = [...rotatedFiles(dir).map(({ name }) => name), CURRENT_LOG];
  const own = names.findIndex((name) => inode !== undefined && inodeOf(join(dir, name)) === inode);
  // Not among them: it was removed as too old, and what is oldest now comes next. Nothing open: from the first on.
  const next = names[own + 1];
  return next !== undefined && existsSync(join(dir, next)) ? next : undefined;
}

/** conmon's k8s-file format: `<time> <stream> <P|F> <text>`; P is a piece of a line that goes on. */
export class LogParser {
  readonly #file: number;
  #position: number;
  #rest: Buffer = Buffer.alloc(0);
  #pieces = new Map<LogLine["stream"], Buffer[]>();

  /** `file` is the number of what is read, from byte `position` on, where a line begins; `former` has read the file before to its end. */
  constructor(file = 0, position = 0, former?: LogParser) {
    this.#file = file;
    this.#position = position;
    if (former !== undefined && former.#file === file - 1) this.#pieces = new Map(former.#pieces);
  }

  /** What was read of a line whose end was not. */
  unfinished(stream: LogLine["stream"]): string {
    return Buffer.concat(this.#pieces.get(stream) ?? []).toString();
  }

  push(chunk: Uint8Array): LogLine[] {
    const data = Buffer.concat([this.#rest, chunk]);
    const lines: LogLine[] = [];
    let start = 0;
    for (let end = data.indexOf(0x0a); end >= 0; end = data.indexOf(0x0a, start)) {
      const line = this.#line(data.subarray(start, end));
      start = end + 1;
      if (line !== undefined) lines.push({ ...line, cursor: `${this.#file}:${this.#position + start}` });
    }
    this.#rest = data.subarray(start);
    this.#position += start;
    return lines;
  }

  #line(line: Buffer): Omit<LogLine, "cursor"> | undefined {
    const first = line.indexOf(0x20);
    const second = line.indexOf(0x20, first + 1);
    const third = line.indexOf(0x20, second + 1);
    if (first < 0 || second < 0) return undefined;
    const stream = line.subarray(first + 1, second).toString() === "stderr" ? "stderr" : "stdout";
    const tag = line.subarray(second + 1, third < 0 ? line.length : third).toString();
    const pieces = [...(this.#pieces.get(stream) ?? []), third < 0 ? Buffer.alloc(0) : line.subarray(third + 1)];
    const whole = tag !== "P" || pieces.reduce((sum, piece) => sum + piece.length, 0) >= MAX_LINE_BYTES;
    this.#pieces.set(stream, whole ? [] : pieces.map((piece) => Buffer.from(piece)));
    if (!whole) return undefined;
    return { at: line.subarray(0, first).toString(), stream, text: Buffer.concat(pieces).toString() };
  }
}

/** At least so many, where it has them: they are found from the end, in steps that double. `position` is behind the last whole line. */
function lastLines(fd: number, count: number, file: number): Required<Tail> & { readonly fromStart: boolean } {
  const size = sizeOf(`/proc/self/fd/${fd}`);
  for (let span = CHUNK_BYTES; ; span *= 2) {
    const from = Math.max(0, size - span);
    const data = Buffer.alloc(size - from);
    const length = readSync(fd, data, 0, data.length, from);
    const end = data.subarray(0, length).lastIndexOf(0x0a) + 1;
    // In the middle of a file the first line is a piece of one.
    const start = from === 0 ? 0 : data.indexOf(0x0a) + 1;
    const parser = new LogParser(file, from + start);
    const lines = parser.push(data.subarray(start, end));
    if (lines.length >= count || from === 0) return { lines, position: from + end, parser, fromStart: from === 0 };
  }
}

function rotatedFiles(dir: string): readonly { readonly name: string; readonly number: number }[] {
  try {
    return readdirSync(dir)
      .map((name) => ({ name, number: Number(/^log\.(\d+)$/.exec(name)?.[1] ?? Number.NaN) }))
      .filter(({ number }) => !Number.isNaN(number))
      .sort((a, b) => a.number - b.number);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function openOrNothing(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function inodeOf(path: string): number | undefined {
  return statOrNothing(path)?.ino;
}

function sizeOf(path: string): number {
  return statOrNothing(path)?.size ?? 0;
}

function statOrNothing(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
