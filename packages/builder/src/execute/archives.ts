import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { extractLayer, TarReader } from "@plimsoll/containers";
import { AppError } from "@plimsoll/core";
import { start } from "@plimsoll/exec";
import { errorCode, type Owner, type RootedTree } from "@plimsoll/host";

/** What an archive may come to. A bomb ends at these, long before the host's disk does. */
export interface ArchiveBounds {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export const ARCHIVE_BOUNDS: ArchiveBounds = { maxBytes: 8 * 1024 ** 3, maxEntries: 1_000_000 };

type Packing = "tar" | "gzip" | "bzip2" | "xz" | "zstd";

const MAGICS: readonly (readonly [Packing, string])[] = [
  ["gzip", "1f8b08"],
  ["bzip2", "425a68"],
  ["xz", "fd377a585a00"],
  ["zstd", "28b52ffd"],
];
export const HEAD_BYTES = 512;
/** What the kernel says of paths that an archive makes impossible. */
const IN_THE_WAY = new Set(["ENOENT", "ENOTDIR", "EEXIST", "EISDIR", "ELOOP", "EPERM", "EXDEV", "ENAMETOOLONG", "EINVAL"]);
/** A header for each entry and some names besides its content. */
const ENTRY_OVERHEAD_BYTES = 4_096;

/** Programs that unpack what Node does not: as nobody, with nothing but their input and output. */
const AS_NOBODY = [
  "setpriv",
  "--reuid=65534",
  "--regid=65534",
  "--clear-groups",
  "--inh-caps=-all",
  "--bounding-set=-all",
  "--no-new-privs",
];
const PROGRAMS: Readonly<Partial<Record<Packing, readonly string[]>>> = {
  bzip2: [...AS_NOBODY, "--", "bzip2", "-dc"],
  xz: [...AS_NOBODY, "--", "xz", "-dc", "--memlimit-decompress=256MiB"],
};

/** Whether a file that begins so may be an archive; most files are none, and are not read twice. */
export function mayBeArchive(head: Buffer): boolean {
  return packingOf(head) !== "tar" || isTarHeader(head);
}

/**
 * Unpacks an archive of ours into a tree. Nothing lands outside of the tree. Throws AppError `invalid` for archives that hold devices,
 * paths with "..", more than the bounds, or end in the middle: the tree is then half-filled.
 */
export async function unpackArchive(
  file: string,
  tree: RootedTree,
  options: {
    readonly what: string;
    readonly owner?: Owner | undefined;
    readonly bounds?: ArchiveBounds;
    readonly spend?: (bytes: number, files: number) => void;
  },
): Promise<void> {
  const bounds = options.bounds ?? ARCHIVE_BOUNDS;
  await using content = await open(file, bounds, options.what);
  const { what, owner, spend } = options;
  const more = { ...(owner === undefined ? {} : { owner }), ...(spend === undefined ? {} : { spend }) };
  const rules = { ...bounds, whiteouts: "none", what, ...more } as const;
  try {
    await extractLayer(content.stream, tree, rules);
  } catch (error) {
    if (!IN_THE_WAY.has(errorCode(error) ?? "")) throw error;
    const reason = "a link on the way leads to nothing in there, or something else is in its place";
    throw new AppError("invalid", `${what} holds an entry that finds no place in the destination: ${reason}.`, { cause: error });
  }
}

/** Whether the content of a file is a tar archive, packed by gzip, bzip2, xz, zstd or not at all; its name says nothing. */
export async function isArchive(file: string): Promise<boolean> {
  await using content = await open(file, ARCHIVE_BOUNDS, file);
  try {
    return (await new TarReader(content.stream).next()) !== undefined;
  } catch {
    // Whatever it is, it is no archive: it is copied as it is.
    return false;
  }
}

interface Content extends AsyncDisposable {
  readonly stream: AsyncIterable<Uint8Array>;
}

async function open(file: string, bounds: ArchiveBounds, what: string): Promise<Content> {
  const packing = packingOf(headOf(file));
  const program = PROGRAMS[packing];
  if (program !== undefined) return openWith(program, file, bounds, what);
  const source = createReadStream(file);
  const stream = packing === "gzip" ? source.pipe(createGunzip()) : packing === "zstd" ? source.pipe(createZstdDecompress()) : source;
  source.on("error", (error) => stream.destroy(error));
  return {
    stream: bounded(named(stream, what), bounds, what),
    [Symbol.asyncDispose]: async () => {
      source.destroy();
      stream.destroy();
    },
  };
}

async function openWith(program: readonly string[], file: string, bounds: ArchiveBounds, what: string): Promise<Content> {
  const input = openSync(file, "r");
  const child = await start(program, { stdio: [input, "pipe", "ignore"], cwd: "/" }).finally(() => closeSync(input));
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const output = child.stdout ?? Readable.from([]);
  const whole = async function* () {
    yield* output as AsyncIterable<Uint8Array>;
    if ((await ended) !== 0) throw new AppError("invalid", `${what} cannot be unpacked: it is damaged.`);
  };
  return {
    stream: bounded(whole(), bounds, what),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      output.destroy();
      await ended;
    },
  };
}

/** Says which archive it was that zlib could not read. */
async function* named(stream: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    throw new AppError("invalid", `${what} cannot be unpacked: it is damaged.`, { cause: error });
  }
}

/** Also what no entry counts, as headers without end. */
async function* bounded(stream: AsyncIterable<Uint8Array>, bounds: ArchiveBounds, what: string): AsyncGenerator<Uint8Array> {
  const limit = bounds.maxBytes + bounds.maxEntries * ENTRY_OVERHEAD_BYTES;
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > limit) throw new AppError("invalid", `${what} unpacks to more than ${bounds.maxBytes} bytes.`);
    yield chunk;
  }
}

function packingOf(head: Buffer): Packing {
  const hex = head.subarray(0, 8).toString("hex");
  return MAGICS.find(([, magic]) => hex.startsWith(magic))?.[0] ?? "tar";
}

function isTarHeader(head: Buffer): boolean {
  if (head.length < HEAD_BYTES) return false;
  const said = Number.parseInt(head.toString("latin1", 148, 156).replace(/\0.*$/s, "").trim(), 8);
  let sum = 0;
  for (let index = 0; index < HEAD_BYTES; index++) sum += index >= 148 && index < 156 ? 0x20 : (head[index] ?? 0);
  return sum === said;
}

function headOf(file: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  const descriptor = openSync(file, "r");
  try {
    return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}
