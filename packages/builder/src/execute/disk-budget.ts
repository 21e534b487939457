import type { BigIntStats } from "node:fs";
import { formatBytes } from "@plimsoll/core";

/** Bytes and directory entries. Of a file the larger of its length and what it takes on the disk counts: a hole is read and hashed too. */
export interface DiskAmount {
  readonly bytes: number;
  readonly files: number;
}

/** Adds up the entries of a tree that is at rest: what a layer will count. */
export class DiskTally {
  private readonly linked = new Set<bigint>();
  private bytes = 0;
  private files = -1; // The root is none of the build's.

  add(stats: BigIntStats): DiskAmount {
    this.files++;
    if (stats.isFile() && stats.nlink > 1n) {
      if (this.linked.has(stats.ino)) return this.amount();
      this.linked.add(stats.ino);
    }
    const taken = Number(stats.blocks) * 512;
    this.bytes += stats.isFile() ? Math.max(taken, Number(stats.size)) : taken;
    return this.amount();
  }

  private amount(): DiskAmount {
    return { bytes: this.bytes, files: this.files };
  }
}

/** What a build tried to take beyond its disk limit. */
export class OutOfDisk extends Error {
  readonly dimension: "bytes" | "files";
  readonly limit: number;
  /** What took most of it, where that was looked at: `/data/big.img (9.3 GiB)`. */
  readonly culprit: string | undefined;
  /** Of the command that was stopped. */
  readonly logTail: readonly string[];

  constructor(dimension: "bytes" | "files", limit: number, culprit?: string, logTail: readonly string[] = []) {
    super(`more than ${limit} ${dimension}`);
    this.dimension = dimension;
    this.limit = limit;
    this.culprit = culprit;
    this.logTail = logTail;
  }
}

/** What happened, as part of a sentence about the step. */
export function outOfDiskText({ dimension, limit, culprit }: OutOfDisk): string {
  const most = culprit === undefined ? "" : `; most of it is ${culprit}`;
  if (dimension === "files") return `it made more than the build's ${limit.toLocaleString("en")} files and directories${most}`;
  return `it wrote more than the build's ${formatBytes(limit)} of disk${most}`;
}

/** The disk that a build's steps share. What a finished step has made stays counted: it lies in the store. */
export class DiskBudget {
  readonly limit: DiskAmount;
  private kept: DiskAmount = { bytes: 0, files: 0 };
  private readonly open = new Set<DiskAccount>();

  constructor(limit: DiskAmount) {
    this.limit = limit;
  }

  /** The account of one step. */
  account(): DiskAccount {
    const account = new DiskAccount(this);
    this.open.add(account);
    return account;
  }

  /** What is left for this account, with what it has taken already. */
  leftFor(account: DiskAccount): DiskAmount {
    let { bytes, files } = this.kept;
    for (const one of this.open) {
      if (one === account) continue;
      bytes += one.amount.bytes;
      files += one.amount.files;
    }
    return { bytes: Math.max(0, this.limit.bytes - bytes), files: Math.max(0, this.limit.files - files) };
  }

  close(account: DiskAccount, isKept: boolean): void {
    if (!this.open.delete(account) || !isKept) return;
    const { bytes, files } = account.amount;
    this.kept = { bytes: this.kept.bytes + bytes, files: this.kept.files + files };
  }
}

/** What one step has written so far: told by whoever writes, or measured. */
export class DiskAccount {
  private readonly budget: DiskBudget;
  private taken = { bytes: 0, files: 0 };

  constructor(budget: DiskBudget) {
    this.budget = budget;
  }

  get amount(): DiskAmount {
    return this.taken;
  }

  /** All that this step may have, with what it has. */
  get limit(): DiskAmount {
    return this.budget.leftFor(this);
  }

  /** What it may still take. */
  get left(): DiskAmount {
    const { bytes, files } = this.limit;
    return { bytes: Math.max(0, bytes - this.taken.bytes), files: Math.max(0, files - this.taken.files) };
  }

  /** Throws OutOfDisk before more is taken than there is. */
  spend(bytes: number, files: number): void {
    const { taken } = this;
    this.check({ bytes: taken.bytes + bytes, files: taken.files + files });
    taken.bytes += bytes;
    taken.files += files;
  }

  /** What is there, whatever was told before. Throws OutOfDisk, which names the culprit. */
  measured(amount: DiskAmount, culprit?: (dimension: "bytes" | "files") => string | undefined): void {
    this.taken = { ...amount };
    this.check(amount, culprit);
  }

  /** Kept: what it took goes on counting. */
  close(isKept: boolean): void {
    this.budget.close(this, isKept);
  }

  private check(amount: DiskAmount, culprit?: (dimension: "bytes" | "files") => string | undefined): void {
    const { limit } = this;
    for (const dimension of ["bytes", "files"] as const)
      if (amount[dimension] > limit[dimension]) throw new OutOfDisk(dimension, this.budget.limit[dimension], culprit?.(dimension));
  }
}
