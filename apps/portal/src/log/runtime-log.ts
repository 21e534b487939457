import type { LogLine as RuntimeLine } from "@plimsoll/contracts";
import { cleanLine, type LogLine } from "./lines.ts";

/** Lines kept in the page; older ones are let go. */
export const LINES_KEPT = 20_000;

/**
 * Collects an instance's log over reconnects: a connection that begins again with the last lines brings some that are there
 * already; these are recognised by time and text and left out.
 */
export class RuntimeLog {
  #lines: LogLine[] = [];
  #dropped = 0;
  /** The newest time that is known, and what was said at it. */
  #newest = "";
  #atNewest: string[] = [];
  /** While the present connection repeats what an earlier one brought: up to which time, and what it has yet to repeat of it. */
  #repeating: { readonly until: string; readonly left: string[] } | undefined;

  /** A new connection begins: what it says first may be a repetition. */
  reconnected(): void {
    this.#repeating = this.#newest === "" ? undefined : { until: this.#newest, left: [...this.#atNewest] };
  }

  push({ stream, at, text }: RuntimeLine): void {
    const key = `${stream} ${text}`;
    if (this.#repeating) {
      if (at < this.#repeating.until) return;
      if (at > this.#repeating.until) this.#repeating = undefined;
      else {
        const known = this.#repeating.left.indexOf(key);
        if (known >= 0) {
          this.#repeating.left.splice(known, 1);
          return;
        }
      }
    }
    if (at > this.#newest) {
      this.#newest = at;
      this.#atNewest = [];
    }
    if (at === this.#newest) this.#atNewest.push(key);
    this.#lines.push({ text: cleanLine(text), at, tone: stream === "stderr" ? "stderr" : "plain" });
    if (this.#lines.length > 2 * LINES_KEPT) {
      this.#dropped += this.#lines.length - LINES_KEPT;
      this.#lines = this.#lines.slice(-LINES_KEPT);
    }
  }

  /** A snapshot. `dropped` lines came before. */
  get state(): { readonly lines: readonly LogLine[]; readonly dropped: number } {
    return { lines: [...this.#lines], dropped: this.#dropped };
  }
}
