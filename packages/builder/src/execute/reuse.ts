import { posix } from "node:path";
import type { LayerContents } from "@plimsoll/containers";
import type { Digest } from "@plimsoll/core";
import { errorCode, RootedTree } from "@plimsoll/host";
import { type CopiedFile, readCopyRecord, writeCopyRecord } from "../cache/copy-record.ts";
import { DestinationProblem, type EntryAttributes, timeNs } from "./destination.ts";

export interface ReuseOptions {
  /** Where the record of this kind of COPY is kept. */
  readonly recordFile: string;
  /** The layer that the last one made, held by the caller; and its directory. */
  readonly previous?: { readonly layer: Digest; readonly directory: string } | undefined;
}

/**
 * Files of a COPY that the one before it has made already become further names of them: a layer of which one file has changed costs one file,
 * which is also the only one that is read to name it. Only between layers that nobody ever writes into, and only where content, owner, mode and
 * time are the same, so that nobody can tell.
 *
 * In three phases, as an upper directory is not to be changed below an overlay: `take` during the copy, `link` when it is unmounted, and
 * as the contents when it is sealed.
 */
export class Reuse implements Disposable, LayerContents {
  private readonly options: ReuseOptions;
  private readonly before: ReadonlyMap<string, CopiedFile>;
  private readonly source: RootedTree | undefined;
  /** All regular files of the layer that is made. */
  private readonly files = new Map<string, CopiedFile>();
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
   * writes it. The record vouches for what the file is: nobody writes into a sealed layer.
   */
  take(path: string, blob: string, { mode, owner, mtimeNs }: EntryAttributes, reserve: () => boolean): boolean {
    const attributes = `${mode.toString(8)} ${owner.uid}:${owner.gid} ${mtimeNs}`;
    const before = this.before.get(path);
    const reused = before !== undefined && before.blob === blob && before.attributes === attributes && reserve();
    if (reused) this.pending.add(path);
    else this.pending.delete(path);
    this.files.set(path, reused ? before : { blob, attributes, sha256: "" });
    return reused;
  }

  /** Gives the files their names in the upper directory, which has their directories; these keep their times. */
  link(upperDir: string): void {
    const { source } = this;
    if (source === undefined || this.pending.size === 0) return;
    using target = new RootedTree(upperDir);
    for (const [directory, names] of Map.groupBy(this.pending, (path) => posix.dirname(path))) {
      const mtimeNs = timeNs(target.lstat(directory).mtimeMs);
      try {
        target.linkAllFrom(
          source,
          directory,
          names.map((path) => posix.basename(path)),
        );
      } catch (error) {
        // A later source has put a directory there.
        if (errorCode(error) === "EEXIST") throw new DestinationProblem(`a file of ${directory} would become a file and a directory`);
        throw error;
      }
      target.utimes(directory, mtimeNs);
    }
  }

  known(path: string): Uint8Array | undefined {
    const inImage = `/${path}`;
    const file = this.pending.has(inImage) ? this.files.get(inImage) : undefined;
    return file === undefined || file.sha256 === "" ? undefined : Buffer.from(file.sha256, "hex");
  }

  found(path: string, sha256: Uint8Array): void {
    const file = this.files.get(`/${path}`);
    if (file === undefined || this.pending.has(`/${path}`)) return;
    this.files.set(`/${path}`, { ...file, sha256: Buffer.from(sha256).toString("hex") });
  }

  /** For the next one. */
  save(layer: Digest): void {
    writeCopyRecord(this.options.recordFile, { layer, files: this.files });
  }

  [Symbol.dispose](): void {
    this.source?.[Symbol.dispose]();
  }
}
