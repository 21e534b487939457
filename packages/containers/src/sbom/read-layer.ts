import { isUtf8 } from "node:buffer";
import { closeSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { MOST_PACKAGE_NOTES, MOST_PACKAGES } from "@plimsoll/core";
import { errorCode, type RootedTree, type TreeEntry } from "@plimsoll/host";
import { type Allowance, type Bytes, fileBytes, OutOfAllowance, UnpackedTooMuch } from "./bytes.ts";
import { type Elf, openElf } from "./elf.ts";
import { type FileKind, fileKind } from "./file-kinds.ts";
import type { Found, OsRelease } from "./found.ts";
import { readGoProgram } from "./go-program.ts";
import { readJar } from "./jar.ts";
import { readCargoList, readComposerInstalled, readGemspec, readPackageJson, readPythonMetadata } from "./language-files.ts";
import { readApkInstalled, readDpkgStatus, readOsRelease } from "./os-databases.ts";
import { BadArchive } from "./zip.ts";

/** A file of a layer that tells of packages. One that tells of none counts too: it takes the place of the same file below. */
export interface ToldFile {
  readonly path: string;
  readonly packages: readonly Found[];
  readonly os?: OsRelease;
}

/** What one layer tells, whatever lies above and below it. */
export interface LayerRecord {
  readonly files: readonly ToldFile[];
  readonly notes: readonly string[];
}

/** What one layer may cost. Entries of archives count as entries of the layer. */
export interface LayerLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly inflated: number;
  readonly packages: number;
  /** Processor time. */
  readonly cpuMs: number;
}

export const LAYER_LIMITS: LayerLimits = {
  entries: 1_500_000,
  bytes: 2 * 1024 ** 3,
  inflated: 512 * 1024 ** 2,
  packages: MOST_PACKAGES,
  cpuMs: 60_000,
};

const DEEPEST = 200;
const LONGEST_PATH = 1_000;
const MOST_DATABASE_BYTES = 32 * 1024 ** 2;
const MOST_METADATA_BYTES = 1024 ** 2;
const CARGO_SECTION = ".dep-v0";
const MOST_CARGO_BYTES = 8 * 1024 ** 2;

/**
 * Everything in a layer that tells of packages. The tree is a stranger's: nothing in it is followed, everything has a limit, and what is
 * malformed becomes a note. Synchronous: for a process of its own.
 */
export function readLayer(tree: RootedTree, limits: LayerLimits = LAYER_LIMITS): LayerRecord {
  const files: ToldFile[] = [];
  const notes = new Notes();
  const allowance = createAllowance(limits);
  let packages = 0;
  const walk = tree.walk({
    enter: (depth) => {
      if (depth <= DEEPEST) return true;
      notes.add(`Directories that are nested deeper than ${DEEPEST} were not looked into.`);
      return false;
    },
  });
  try {
    for (const entry of walk) {
      allowance.spend("entries", 1);
      if (!entry.stats.isFile() || entry.path.length > LONGEST_PATH || !isUtf8(entry.path)) continue;
      const told = readFile(tree, entry, allowance, notes);
      if (told === undefined) continue;
      packages += told.packages.length;
      files.push({ ...told, packages: told.packages.flatMap(bounded) });
      if (packages > limits.packages) throw new OutOfAllowance(`it tells of more than ${limits.packages} packages`);
    }
  } catch (error) {
    if (!(error instanceof OutOfAllowance)) throw error;
    notes.add(`A layer was read in part only: ${error.message}.`);
  }
  return { files, notes: notes.all };
}

function readFile(tree: RootedTree, entry: TreeEntry, allowance: Allowance, notes: Notes): ToldFile | undefined {
  const path = entry.path.toString();
  const kind = fileKind(path);
  const executable = (entry.stats.mode & 0o111n) !== 0n;
  if (kind === undefined && !executable) return undefined;
  if (kind === "rpm") {
    notes.add(`It has an rpm database (${path}), which is not read: packages that came with rpm are missing here.`);
    return undefined;
  }
  const size = Number(entry.stats.size);
  try {
    const fd = tree.openRead(entry.path, { follow: false });
    try {
      const bytes = fileBytes(fd, size, allowance);
      if (kind === undefined) return readProgram(path, bytes, allowance);
      if (kind === "jar") {
        let bad = 0;
        const packages = readJar(bytes, path.slice(path.lastIndexOf("/") + 1), { allowance, onBad: () => bad++ });
        if (bad > 0) notes.add(`${path}: ${bad} archives in it could not be read, and were passed over.`);
        return { path, packages };
      }
      return readText(path, kind, bytes);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof UnpackedTooMuch) notes.add(`A layer's archives were read in part only: ${error.message}.`);
    else if (error instanceof OutOfAllowance) throw error;
    else if (!isContentsFault(error)) throw error;
    else
      notes.add(
        `${path} ${error instanceof BadArchive || error instanceof TooLarge ? error.message : "is malformed"}, and was passed over.`,
      );
    return { path, packages: [] };
  }
}

/** What the bytes of a file can bring about, whoever wrote them; anything else is a fault of ours or of the disk. */
function isContentsFault(error: unknown): boolean {
  const zlib = errorCode(error)?.startsWith("Z_") === true || errorCode(error) === "ERR_BUFFER_TOO_LARGE";
  return error instanceof SyntaxError || error instanceof RangeError || error instanceof BadArchive || error instanceof TooLarge || zlib;
}

class TooLarge extends Error {}

function readText(path: string, kind: Exclude<FileKind, "jar" | "rpm">, bytes: Bytes): ToldFile {
  const mostBytes =
    kind === "dpkg" || kind === "apk" ? MOST_DATABASE_BYTES : kind === "composer" ? MOST_DATABASE_BYTES / 4 : MOST_METADATA_BYTES;
  if (bytes.size > mostBytes) throw new TooLarge(`is larger than ${mostBytes / 1024 ** 2} MiB`);
  const text = bytes.read(0, bytes.size).toString("utf8");
  switch (kind) {
    case "dpkg":
      return { path, packages: readDpkgStatus(text) };
    case "apk":
      return { path, packages: readApkInstalled(text) };
    case "os-release":
      return { path, packages: [], os: readOsRelease(text) };
    case "npm":
      return { path, packages: readPackageJson(text) };
    case "python":
      return { path, packages: readPythonMetadata(text) };
    case "gem":
      return { path, packages: readGemspec(text) };
    case "composer":
      return { path, packages: readComposerInstalled(text) };
  }
}

/** A program with nothing to tell is not kept: thousands of them say nothing, and what they replace is looked at when layers are put together. */
function readProgram(path: string, bytes: Bytes, allowance: Allowance): ToldFile | undefined {
  const elf = openElf(bytes);
  if (elf === undefined) return undefined;
  const packages = [...readGoProgram(elf), ...readCargoSection(elf, allowance)];
  return packages.length === 0 ? undefined : { path, packages };
}

/** Compressed by zlib (cargo-auditable's FORMAT.md). */
function readCargoSection(elf: Elf, allowance: Allowance): readonly Found[] {
  const section = elf.section(CARGO_SECTION);
  if (section === undefined) return [];
  allowance.spend("inflated", MOST_CARGO_BYTES / 8);
  const packed = elf.bytes.read(section.offset, Math.min(section.size, MOST_CARGO_BYTES));
  return readCargoList(inflateSync(packed, { maxOutputLength: MOST_CARGO_BYTES }).toString("utf8"));
}

const LONGEST = { name: 300, version: 200, inside: 600, other: 300 } as const;

/** Of what is too long, a name or version is none; copied, so that no text that it was cut from is kept with it. */
function bounded({ type, name, version, license, arch, group, inside }: Found): readonly Found[] {
  if (name.trim() === "" || name.length > LONGEST.name || version.length > LONGEST.version) return [];
  const copy = (text: string, longest: number) => Buffer.from(text.slice(0, longest)).toString();
  return [
    {
      type,
      name: copy(name, LONGEST.name),
      version: copy(version, LONGEST.version),
      ...(license === undefined ? {} : { license: copy(license, LONGEST.other) }),
      ...(arch === undefined ? {} : { arch: copy(arch, LONGEST.other) }),
      ...(group === undefined ? {} : { group: copy(group, LONGEST.other) }),
      ...(inside === undefined ? {} : { inside: copy(inside, LONGEST.inside) }),
    },
  ];
}

/** Different ones, the first of them. */
class Notes {
  readonly all: string[] = [];

  add(note: string): void {
    const text = note.slice(0, 500);
    if (this.all.length < MOST_PACKAGE_NOTES && !this.all.includes(text)) this.all.push(text);
  }
}

const SAYS: Readonly<Record<"entries" | "bytes" | "inflated", (most: number) => string>> = {
  entries: (most) => `it has more than ${most.toLocaleString("en-US")} files`,
  bytes: (most) => `more than ${most / 1024 ** 2} MiB of it would have to be read`,
  inflated: (most) => `they hold more than ${most / 1024 ** 2} MiB to be unpacked`,
};

const EXCEEDED = { entries: OutOfAllowance, bytes: OutOfAllowance, inflated: UnpackedTooMuch } as const;

function createAllowance(limits: LayerLimits): Allowance {
  const spent = { entries: 0, bytes: 0, inflated: 0 };
  const startedMs = cpuMs();
  let asked = 0;
  return {
    spend(what, amount) {
      spent[what] += amount;
      if (spent[what] > limits[what]) throw new EXCEEDED[what](SAYS[what](limits[what]));
      if (++asked % 64 === 0 && cpuMs() - startedMs > limits.cpuMs)
        throw new OutOfAllowance(`reading it took more than ${Math.round(limits.cpuMs / 1_000)} s`);
    },
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
