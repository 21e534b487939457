import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { posix } from "node:path";
import { errorCode, type Owner, type RootedTree } from "@plimsoll/host";
import { applySymbolicMode } from "../plan/modes.ts";

/** Something in the way at the destination. */
export class DestinationProblem extends Error {}

export interface EntryAttributes {
  readonly mode: number;
  readonly owner: Owner;
  readonly mtimeNs: bigint;
  readonly xattrs?: ReadonlyMap<string, Buffer>;
}

/**
 * Time of directories that no source gives one: 1980-01-01, the earliest that zip archives know. A fixed one, so that equal inputs give
 * equal layers.
 */
export const DIRECTORY_TIME_NS = 315_532_800n * 1_000_000_000n;
const ZEROS = Buffer.alloc(64 * 1024);
const MAX_LINKS = 40;

/**
 * The writing side of COPY and WORKDIR: puts files into an image's tree by the rules of Docker, and leaves directories that it only
 * writes into with the time they had. Links on the way to the destination are followed inside the tree; links in the place of a file are
 * replaced. Call finish() at the end.
 */
export class Destination {
  private readonly tree: RootedTree;
  /** Given by --chown and --chmod (a checked symbolic mode is applied to a source's own); else a source's own. */
  private readonly owner: Owner | undefined;
  private readonly mode: number | string | undefined;
  /** Told of bytes and entries before they are written; may throw. */
  private readonly spend: (bytes: number, files: number) => void;
  private readonly times = new Map<string, bigint>();
  /** Directories that were made here, and all that was put anywhere: what such a directory holds need not be looked up. */
  private readonly fresh = new Set<string>();
  private readonly put = new Set<string>();

  constructor(
    tree: RootedTree,
    options: {
      readonly owner?: Owner | undefined;
      readonly mode?: number | string | undefined;
      readonly spend?: ((bytes: number, files: number) => void) | undefined;
    } = {},
  ) {
    this.tree = tree;
    this.owner = options.owner;
    this.mode = options.mode;
    this.spend = options.spend ?? (() => undefined);
  }

  /** The path without links, as far as it exists; `..` and absolute links stay inside. */
  resolve(path: string): string {
    const pending = path.split("/").filter(Boolean).reverse();
    const done: string[] = [];
    let links = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === ".") continue;
      if (name === "..") {
        done.pop();
        continue;
      }
      const target = this.linkAt([...done, name].join("/"));
      if (target === undefined) {
        done.push(name);
        continue;
      }
      if (++links > MAX_LINKS) throw new DestinationProblem(`${path} leads through more than ${MAX_LINKS} links, probably in a circle`);
      if (target.startsWith("/")) done.length = 0;
      pending.push(...target.split("/").filter(Boolean).reverse());
    }
    return `/${done.join("/")}`;
  }

  isDirectory(path: string): boolean {
    return this.kindOf(path) === "directory";
  }

  /** Makes the directory (resolved path) and its parents where they are missing: 0755, owned by --chown's owner or root. */
  ensureDirectory(path: string): void {
    const kind = this.kindOf(path);
    if (kind === "directory" || path === "/") return;
    if (kind !== "nothing") throw new DestinationProblem(`${path} exists and is no directory`);
    const parent = posix.dirname(path);
    this.ensureDirectory(parent);
    this.touch(parent);
    this.spend(0, 1);
    this.make(path, 0o755, this.owner ?? { uid: 0, gid: 0 });
    this.times.set(path, DIRECTORY_TIME_NS);
  }

  /** A directory that came with a source: made, or given the source's mode, owner and time. */
  putDirectory(path: string, attributes: EntryAttributes): void {
    const kind = this.kindOf(path);
    if (kind !== "directory" && kind !== "nothing")
      throw new DestinationProblem(`${path} is there and no directory, so a directory cannot take its place`);
    if (kind === "nothing") {
      this.touch(posix.dirname(path));
      this.spend(0, 1);
      this.make(path, 0o700);
    }
    this.setAttributes(path, attributes, true);
    this.times.set(path, attributes.mtimeNs);
  }

  /** What a file with these attributes will have here, after --chown and --chmod. */
  attributesOf(attributes: EntryAttributes): EntryAttributes {
    return { ...attributes, mode: this.modeOf(attributes, false), owner: this.owner ?? attributes.owner };
  }

  /** Makes ready for a file that somebody else will put here; false where something is there already. */
  reserve(path: string): boolean {
    if (this.kindOf(path) !== "nothing") return false;
    this.touch(posix.dirname(path));
    this.spend(0, 1);
    this.put.add(path);
    return true;
  }

  /** A new file in the place of a file or link; the caller writes into it and ends it. */
  putFile(path: string, attributes: EntryAttributes): FileWriter {
    this.touch(posix.dirname(path));
    this.spend(0, 1);
    this.put.add(path);
    const descriptor = this.create(path, this.modeOf(attributes, false), this.owner ?? attributes.owner);
    return new FileWriter(descriptor, this.spend, () => {
      // After the content: writing takes file capabilities away.
      for (const [name, value] of attributes.xattrs ?? []) this.tree.setXattr(path, name, value);
      this.tree.utimes(path, attributes.mtimeNs);
    });
  }

  putLink(path: string, target: Uint8Array, attributes: EntryAttributes): void {
    this.clear(path);
    this.tree.symlink(target, path, this.owner ?? attributes.owner);
    this.tree.utimes(path, attributes.mtimeNs);
  }

  /** A further name for a file that this COPY has made. */
  putHardLink(path: string, existing: string): void {
    this.clear(path);
    this.tree.link(existing, path);
  }

  putFifo(path: string, attributes: EntryAttributes): void {
    this.clear(path);
    this.tree.fifo(path, attributes.mode & 0o7777, attributes.owner);
    this.setAttributes(path, attributes, false);
    this.tree.utimes(path, attributes.mtimeNs);
  }

  /** Of a directory that somebody else is going to write into. */
  keepTime(path: string): void {
    this.touch(path);
    // Whatever they put there, nobody tells us of.
    this.fresh.clear();
  }

  /** Gives directories back the time they had, or sets the one that came with them. */
  finish(): void {
    for (const [path, mtimeNs] of this.times) this.tree.utimes(path, mtimeNs);
    this.times.clear();
  }

  private create(path: string, mode: number, owner: Owner): number {
    try {
      return this.tree.createFile(path, mode, owner);
    } catch (error) {
      if (errorCode(error) === "EISDIR" || errorCode(error) === "EPERM") throw inTheWay(path);
      throw error;
    }
  }

  /** Makes room for something that is no directory. */
  private clear(path: string): void {
    const kind = this.kindOf(path);
    if (kind === "directory") throw inTheWay(path);
    this.touch(posix.dirname(path));
    this.spend(0, 1);
    if (kind === "other") this.tree.remove(path);
    this.put.add(path);
  }

  private make(path: string, mode: number, owner?: Owner): void {
    this.tree.mkdir(path, mode, owner);
    this.fresh.add(path);
    this.put.add(path);
  }

  private modeOf({ mode }: EntryAttributes, isDirectory: boolean): number {
    if (typeof this.mode === "string") return applySymbolicMode(this.mode, mode, isDirectory);
    return this.mode ?? mode & 0o7777;
  }

  private setAttributes(path: string, attributes: EntryAttributes, isDirectory: boolean): void {
    this.tree.chown(path, this.owner ?? attributes.owner);
    this.tree.chmod(path, this.modeOf(attributes, isDirectory));
    for (const [name, value] of attributes.xattrs ?? []) this.tree.setXattr(path, name, value);
  }

  private touch(directory: string): void {
    if (this.times.has(directory)) return;
    this.times.set(directory, timeNs(this.tree.lstat(directory).mtimeMs));
  }

  private kindOf(path: string): "nothing" | "directory" | "other" {
    if (!this.put.has(path) && this.fresh.has(posix.dirname(path))) return "nothing";
    try {
      return this.tree.lstat(path).isDirectory() ? "directory" : "other";
    } catch (error) {
      if (errorCode(error) === "ENOENT") return "nothing";
      if (errorCode(error) === "ENOTDIR") return "nothing";
      throw error;
    }
  }

  private linkAt(path: string): string | undefined {
    try {
      return this.tree.lstat(path).isSymbolicLink() ? this.tree.readlink(path).toString("utf8") : undefined;
    } catch (error) {
      if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }
}

/** Writes one file front to back; blocks of zeros become holes. */
export class FileWriter {
  private readonly descriptor: number;
  private readonly spend: (bytes: number, files: number) => void;
  private readonly complete: () => void;
  private position = 0;

  constructor(descriptor: number, spend: (bytes: number, files: number) => void, complete: () => void) {
    this.descriptor = descriptor;
    this.spend = spend;
    this.complete = complete;
  }

  write(bytes: Buffer): void {
    this.spend(bytes.length, 0);
    for (let start = 0; start < bytes.length; start += ZEROS.length) {
      const part = bytes.subarray(start, start + ZEROS.length);
      if (part.length < ZEROS.length || !part.equals(ZEROS)) writeFully(this.descriptor, part, this.position);
      this.position += part.length;
    }
  }

  /** Closes it and sets what only a finished file can have. */
  end(): void {
    try {
      ftruncateSync(this.descriptor, this.position);
    } finally {
      closeSync(this.descriptor);
    }
    this.complete();
  }

  abort(): void {
    closeSync(this.descriptor);
  }
}

function inTheWay(path: string): DestinationProblem {
  return new DestinationProblem(`${path} is a directory, so a file cannot take its place; end the destination with a / to copy into it`);
}

function writeFully(descriptor: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
}

/** Node gives milliseconds as a float, exact to the microsecond for today's dates. */
export function timeNs(mtimeMs: number): bigint {
  return BigInt(Math.round(mtimeMs * 1_000)) * 1_000n;
}
