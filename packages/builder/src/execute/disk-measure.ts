import { readdirSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { posix } from "node:path";
import { start } from "@plimsoll/exec";
import type { DiskAmount } from "./disk-budget.ts";

const BLOCK = 512;
/** TMPFS_MAGIC and HUGETLBFS_MAGIC of linux/magic.h: what lies there is on the memory's account. */
const IN_MEMORY = new Set([0x01021994, 0x958458f6]);
/** As many descriptors are looked at in one turn of the event loop. */
const TURN = 500;

/** What directories hold, and which of it is most of it. */
export interface DiskMeasure extends DiskAmount {
  /** Path in its directory of the largest file, and of the directory with the most entries. */
  readonly largestFile: { readonly path: string; readonly bytes: number } | undefined;
  readonly fullestDirectory: { readonly path: string; readonly files: number } | undefined;
}

/**
 * Walks trees that somebody else may be writing into: `find` descends by descriptors and follows nothing, in a program of its own, for
 * there may be a million entries. Ends early with what it has when there are more than `mostFiles`. A file with several names counts once.
 */
export async function measureTrees(directories: readonly string[], mostFiles: number): Promise<DiskMeasure> {
  if (directories.length === 0) return { bytes: 0, files: 0, largestFile: undefined, fullestDirectory: undefined };
  const argv = ["find", "-P", ...directories, "-xdev", "-mindepth", "1", "-printf", "%y %b %s %n %i %P\\0"];
  const child = await start(argv, { stdio: ["ignore", "pipe", "ignore"], cwd: "/" });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const tally = new Tally();
  let rest = "";
  try {
    for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
      const lines = (rest + chunk.toString("latin1")).split("\0");
      rest = lines.pop() ?? "";
      for (const line of lines) tally.add(line);
      if (tally.files > mostFiles) break;
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
  return tally.result();
}

class Tally {
  bytes = 0;
  files = 0;
  private readonly linked = new Set<string>();
  private readonly entries = new Map<string, number>();
  private largest: { path: string; bytes: number } | undefined;

  add(line: string): void {
    const [type, blocks, size, links, inode, ...names] = line.split(" ");
    this.files++;
    const path = `/${names.join(" ")}`;
    const parent = posix.dirname(path);
    this.entries.set(parent, (this.entries.get(parent) ?? 0) + 1);
    if (type === "f" && links !== "1") {
      if (this.linked.has(inode ?? "")) return;
      this.linked.add(inode ?? "");
    }
    const taken = Number(blocks) * BLOCK;
    const bytes = type === "f" ? Math.max(taken, Number(size)) : taken;
    this.bytes += bytes;
    if (type === "f" && bytes > (this.largest?.bytes ?? -1)) this.largest = { path, bytes };
  }

  result(): DiskMeasure {
    let fullestDirectory: DiskMeasure["fullestDirectory"];
    for (const [path, files] of this.entries) if (files > (fullestDirectory?.files ?? 0)) fullestDirectory = { path: utf8(path), files };
    const largestFile = this.largest === undefined ? undefined : { ...this.largest, path: utf8(this.largest.path) };
    return { bytes: this.bytes, files: this.files, largestFile, fullestDirectory };
  }
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

/**
 * What files take that no directory names any more, but some process still has open or mapped: they go with the last of these. Files in
 * memory are not counted, nor one on its way between two processes; processes that end meanwhile have none.
 */
export async function measureUnlinked(pids: readonly number[]): Promise<DiskAmount> {
  const seen = new Set<string>();
  let bytes = 0;
  let looked = 0;
  for (const pid of pids) {
    for (const directory of [`/proc/${pid}/fd`, `/proc/${pid}/map_files`]) {
      for (const name of namesIn(directory)) {
        if (++looked % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
        const found = unlinkedAt(`${directory}/${name}`);
        if (found === undefined || seen.has(found.key)) continue;
        seen.add(found.key);
        bytes += found.bytes;
      }
    }
  }
  return { bytes, files: seen.size };
}

function unlinkedAt(path: string): { readonly key: string; readonly bytes: number } | undefined {
  try {
    if (!readlinkSync(path).endsWith(" (deleted)")) return undefined;
    const { nlink, blocks, dev, ino } = statSync(path);
    if (nlink > 0 || IN_MEMORY.has(statfsSync(path).type)) return undefined;
    return { key: `${dev}:${ino}`, bytes: blocks * BLOCK };
  } catch {
    // Closed, or its process is gone: then it is none.
    return undefined;
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
