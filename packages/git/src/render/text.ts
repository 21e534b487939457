import { stripVTControlCharacters } from "node:util";

const MAX_LINE = 300;
const MAX_SENTENCES = 2_000;
/** Of a longer line only this much is looked at: its escape sequences must not cost time without end. */
const MAX_RAW_LINE = 8_192;
/** Control characters, line and paragraph separators, and the marks that turn the direction of text: a log must not paint a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be removed
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * One line of foreign text (a tenant's log, a commit's subject, a name) as it may be shown on a terminal: no escape sequence, no
 * control character, tabs as spaces, at most 300 characters. Of a line that was redrawn with carriage returns the last state stays.
 */
export function cleanLine(text: string): string {
  return shorten(printable(text), MAX_LINE).trimEnd();
}

function printable(text: string): string {
  const redrawn = text.replace(/[\r\n]+$/, "");
  const last = redrawn.slice(redrawn.lastIndexOf("\r") + 1).slice(0, MAX_RAW_LINE);
  return stripVTControlCharacters(last).replaceAll("\t", "    ").replace(UNPRINTABLE, "");
}

/** Foreign text of several lines, each cleaned; no empty line at either end. */
export function cleanLines(text: string): readonly string[] {
  return cleanedLines(text, cleanLine);
}

/** Our own sentences with foreign words in them, each paragraph whole: what to do stands at their end. */
export function cleanText(text: string): readonly string[] {
  return cleanedLines(text, (line) => shorten(printable(line), MAX_SENTENCES).trimEnd());
}

function cleanedLines(text: string, clean: (line: string) => string): readonly string[] {
  const lines = text.split(/\r?\n/).map(clean);
  while (lines.length > 0 && lines[0] === "") lines.shift();
  while (lines.length > 0 && lines.at(-1) === "") lines.pop();
  return lines;
}

/** At most `length` characters; the last is … where something was cut. Never cuts a surrogate pair. */
export function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** `0.1 s`, `59.9 s`, `1 min 12 s`, `2 h 3 min`. */
export function formatDuration(ms: number): string {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `1,204`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `4f2c1d9`. */
export function shortCommit(commit: string): string {
  return commit.slice(0, 7);
}
