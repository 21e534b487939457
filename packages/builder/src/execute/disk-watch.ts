import { formatBytes } from "@plimsoll/core";
import { type DiskRoom, diskRoom } from "@plimsoll/host";
import { type DiskAccount, type DiskAmount, OutOfDisk } from "./disk-budget.ts";
import { type DiskMeasure, measureTrees, measureUnlinked } from "./disk-measure.ts";

export interface DiskWatchOptions {
  readonly account: DiskAccount;
  /** What a command writes into and nobody else: upper directories, on one file system. */
  readonly directories: readonly string[];
  /** Directories that outlive the build: each may hold as much as a build. */
  readonly caches: readonly { readonly directory: string; readonly target: string }[];
  readonly cacheLimit: DiskAmount;
  /** Of the command, now. */
  readonly processes: () => readonly number[];
  /** Called once. What is written until the command is dead comes on top. */
  readonly onFull: (reason: OutOfDisk | HostOutOfDisk | CacheFull) => void;
}

/** The file system is nearly full, whoever filled it. */
export class HostOutOfDisk extends Error {}

/** A cache mount holds more than a build may write. */
export class CacheFull extends Error {
  readonly directory: string;
  readonly target: string;
  constructor(cache: { readonly directory: string; readonly target: string }) {
    super(`the cache mount ${cache.target} is full`);
    this.directory = cache.directory;
    this.target = cache.target;
  }
}

const TICK_MS = 100;
/** A walk is worth it when the file system has grown by this share of what is left, … */
const SHARE = 4;
/** … but not for less than this, … */
const LEAST = { bytes: 16 * 1024 ** 2, files: 2_000 };
/** … or when it was long ago: holes do not show there, nor what others have freed meanwhile. */
const LONG_AGO_MS = 5_000;
/** Of a processor's time, walks that are only due by time take one part in so many; all of them, one in so many. */
const [RARELY, AT_MOST] = [50, 4];
/** Growth that no directory explains is looked for in files without a name. */
const UNEXPLAINED_BYTES = 64 * 1024 ** 2;

/**
 * Holds a command to its disk limit, on any file system. Its trees are walked only when the file system as a whole has lost as much free
 * space as the command could then have taken too much of (statfs, some microseconds), and now and then: an ordinary command is never walked.
 */
export class DiskWatch implements AsyncDisposable {
  private readonly options: DiskWatchOptions;
  private readonly timer: NodeJS.Timeout;
  private readonly began: DiskAmount;
  /** Free at the last walk. */
  private free: DiskAmount;
  private walkedAt = performance.now();
  private tookMs = 0;
  private walking: Promise<void> | undefined;
  private isOver = false;

  constructor(options: DiskWatchOptions) {
    this.options = options;
    this.began = freeIn(this.room());
    this.free = this.began;
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    clearInterval(this.timer);
    await this.walking;
  }

  private tick(): void {
    if (this.walking !== undefined || this.isOver) return;
    const room = this.room();
    const free = freeIn(room);
    if (room.freeBytes < room.reserveBytes) {
      this.full(new HostOutOfDisk());
      return;
    }
    const sinceMs = performance.now() - this.walkedAt;
    const isLongAgo = sinceMs > Math.max(LONG_AGO_MS, this.tookMs * RARELY);
    if (sinceMs < this.tookMs * AT_MOST || !(this.hasGrown(free) || isLongAgo)) return;
    this.walking = this.walk(free, isLongAgo)
      .catch((error: unknown) => this.full(error instanceof OutOfDisk || error instanceof CacheFull ? error : this.judgeUnseen(free)))
      .finally(() => {
        this.walking = undefined;
      });
  }

  private hasGrown(free: DiskAmount): boolean {
    const { left } = this.options.account;
    return (["bytes", "files"] as const).some((what) => this.free[what] - free[what] >= Math.max(LEAST[what], left[what] / SHARE));
  }

  private async walk(free: DiskAmount, isLongAgo: boolean): Promise<void> {
    const { account, directories, caches, cacheLimit, processes } = this.options;
    this.walkedAt = performance.now();
    this.free = free;
    const found = await measureTrees(directories, account.limit.files);
    let { bytes } = found;
    if (isLongAgo || this.began.bytes - free.bytes - bytes > UNEXPLAINED_BYTES) bytes += (await measureUnlinked(processes())).bytes;
    account.measured({ bytes, files: found.files }, (dimension) => culprit(found, dimension, account.limit.bytes));
    for (const cache of caches) {
      const held = await measureTrees([cache.directory], cacheLimit.files);
      if (held.bytes > cacheLimit.bytes || held.files > cacheLimit.files) throw new CacheFull(cache);
    }
    this.tookMs = performance.now() - this.walkedAt;
  }

  /** Nothing could be walked: a command that has taken all processes can see to that. Then all growth is taken for its own. */
  private judgeUnseen(free: DiskAmount): OutOfDisk | undefined {
    try {
      this.options.account.measured({ bytes: this.began.bytes - free.bytes, files: this.began.files - free.files });
      return undefined;
    } catch (error) {
      if (error instanceof OutOfDisk) return error;
      throw error;
    }
  }

  private full(reason: OutOfDisk | HostOutOfDisk | CacheFull | undefined): void {
    if (this.isOver || reason === undefined) return;
    this.isOver = true;
    clearInterval(this.timer);
    this.options.onFull(reason);
  }

  private room(): DiskRoom {
    return diskRoom(this.options.directories[0] ?? "/");
  }
}

function freeIn({ freeBytes, freeFiles }: DiskRoom): DiskAmount {
  return { bytes: freeBytes, files: freeFiles };
}

/** `/data/big.img (9.3 GiB)`, `/tmp/many (500001 entries)`. */
function culprit({ largestFile, fullestDirectory }: DiskMeasure, dimension: "bytes" | "files", limit: number): string | undefined {
  if (dimension === "files")
    return fullestDirectory === undefined ? undefined : `${fullestDirectory.path} (${fullestDirectory.files.toLocaleString("en")} entries)`;
  // Where no file is a good part of the limit, naming one would mislead.
  if (largestFile === undefined || largestFile.bytes * 4 < limit) return undefined;
  return `${largestFile.path} (${formatBytes(largestFile.bytes)})`;
}
