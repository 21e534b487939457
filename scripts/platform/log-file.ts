import { copyFileSync, existsSync, mkdirSync, openSync, renameSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";

const MAX_BYTES = 16 * 1024 * 1024;
const KEPT = 3;

/** A descriptor that appends to the log; its owner closes it. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openSync(path, "a", 0o600);
}

/**
 * Keeps a log under `maxBytes` and the last three before it as `.1` to `.3`. The writers hold the file open and outlive us, so it
 * is copied and emptied: appended lines go on at its new start, and what is written between the two steps, microseconds, is lost.
 * These are the platform's own logs; those of instances are rotated by their monitor, without loss.
 */
export function rotateLog(path: string, maxBytes: number = MAX_BYTES): "rotated" | "unchanged" {
  if (!existsSync(path) || statSync(path).size <= maxBytes) return "unchanged";
  for (let age = KEPT - 1; age >= 1; age--) {
    if (existsSync(`${path}.${age}`)) renameSync(`${path}.${age}`, `${path}.${age + 1}`);
  }
  copyFileSync(path, `${path}.1`);
  truncateSync(path);
  return "rotated";
}
