import { hash } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "@plimsoll/host";

/**
 * Modification times of files from a repository: git has none, so a file's time is the committer time of the commit where this host first
 * built it, path and content together. So a file keeps its time until it changes (an ETag made of size and time changes with the content),
 * equal content gives equal layers, and no history is walked.
 *
 * One text file per repository, a line per file version: 32 hex digits, a blank, seconds. Only appended to; the first line of a file
 * version counts, a torn one is no line. Two writers at once are harmless.
 */
export class FirstSeen {
  private readonly file: string;
  private readonly times = new Map<string, number>();
  private added = "";

  constructor(file: string) {
    this.file = file;
    for (const line of read(file).split("\n")) {
      const seconds = Number(line.slice(33));
      const key = line.slice(0, 32);
      if (/^[0-9a-f]{32} \d+$/.test(line) && !this.times.has(key)) this.times.set(key, seconds);
    }
  }

  /** Seconds since 1970. A file version not seen before is from now on of `committedAt`. */
  timeOf(path: string, blob: string, committedAt: number): number {
    const key = hash("sha256", `${path}\0${blob}`).slice(0, 32);
    const known = this.times.get(key);
    if (known !== undefined) return known;
    this.times.set(key, committedAt);
    this.added += `${key} ${committedAt}\n`;
    return committedAt;
  }

  /** Writes what is new, in one append. */
  save(): void {
    if (this.added === "") return;
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    // A leading line feed ends a line that a crash has torn.
    appendFileSync(this.file, `\n${this.added}`, { mode: 0o600 });
    this.added = "";
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
