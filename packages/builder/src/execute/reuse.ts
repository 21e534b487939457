import { posix } from "node:path";
import type { Digest } from "@plimsoll/core";
import { errorCode, RootedTree } from "@plimsoll/host";
import { readCopyRecord, writeCopyRecord } from "../cache/copy-record.ts";
import { DestinationProblem, type EntryAttributes, timeNs } from "./destination.ts";

export interface ReuseOptions {
  /** Where the record of this kind of COPY is kept. */
  readonly recordFile: string;
  /** The layer that the last one made, held by the caller; and its directory. */
  readonly previous?: { readonly layer: Digest; readonly directory: string } | undefined;
}

/**
 * Files of a COPY that the one before it has made already become further names of them: a layer of which one file has changed costs one file.
 * Only between layers that nobody ever writes into, and only where content, owner, mode and time are the same, so that nobody can tell.
 *
 * In two phases, as an upper directory is not to be changed below an overlay: `take` during the copy, `link` when it is unmounted.
 */
export class Reuse implements Disposable {
  private readonly options: ReuseOptions;
  private readonly before: ReadonlyMap<string, string>;
  private readonly source: RootedTree | undefined;
  /** All regular files of the layer that is made. */
  private readonly files = new Map<string, string>();
  private readonly pending = new Set<string>();

  constructor(options: ReuseOptions) {
    const { recordFile, previous } = options;
    const record = previous === undefined ? undefined : readCopyRecord(recordFile);
    this.options = options;
    this.before = record === undefined || record.layer !== previous?.layer ? new Map() : record.files;
    this.source = this.before.size === 0 || previous === undefined ? undefined : new RootedTree(previous.directory);
  }

  /**
   * Whether the file will come from the layer before, and need not be written. `reserve` makes its place ready, or says no. Else the caller
   * writes it.
   */
  take(path: string, blob: string, wanted: EntryAttributes, reserve: () => boolean): boolean {
    this.files.set(path, blob);
    const reused = this.before.get(path) === blob && this.isSame(path, wanted) && reserve();
    if (reused) this.pending.add(path);
    else this.pending.delete(path);
    return reused;
  }

  /** Gives the files their names in the upper directory, which has their directories; these keep their times. */
  link(upperDir: string): void {
    const { source } = this;
    if (source === undefined || this.pending.size === 0) return;
    using target = new RootedTree(upperDir);
    const times = new Map<string, bigint>();
    for (const path of this.pending) {
      const directory = posix.dirname(path);
      if (!times.has(directory)) times.set(directory, timeNs(target.lstat(directory).mtimeMs));
      try {
        target.linkFrom(source, path, path);
      } catch (error) {
        // A later source has put a directory there.
        if (errorCode(error) === "EEXIST") throw new DestinationProblem(`${path} would become a file and a directory`);
        throw error;
      }
    }
    for (const [directory, mtimeNs] of times) target.utimes(directory, mtimeNs);
  }

  /** For the next one. */
  save(layer: Digest): void {
    writeCopyRecord(this.options.recordFile, { layer, files: this.files });
  }

  [Symbol.dispose](): void {
    this.source?.[Symbol.dispose]();
  }

  private isSame(path: string, { mode, owner, mtimeNs }: EntryAttributes): boolean {
    try {
      const stats = this.source?.lstat(path);
      return (
        stats?.isFile() === true &&
        stats.uid === owner.uid &&
        stats.gid === owner.gid &&
        (stats.mode & 0o7777) === mode &&
        timeNs(stats.mtimeMs) === mtimeNs
      );
    } catch (error) {
      if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
      throw error;
    }
  }
}
