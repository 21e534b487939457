import { stripVTControlCharacters, styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Text in a colour where standard output is a terminal that wants it (NO_COLOR, FORCE_COLOR and TERM are heeded). */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Columns as wide as their widest cell, three spaces apart; the last one as it is. A first row in capitals is a heading. */
export function table(rows: readonly (readonly string[])[], headings?: readonly string[]): string {
  const all = headings === undefined ? rows : [headings, ...rows];
  const widths: number[] = [];
  for (const row of all) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return all
    .map((row, at) => {
      const line = row.map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - widthOf(cell)))).join("   ");
      return headings !== undefined && at === 0 ? styled("dim", line.trimEnd()) : line.trimEnd();
    })
    .join("\n");
}

/** Columns that a terminal gives it; wide characters of East Asian scripts count as one, as this is for names and states. */
export function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** Columns that a terminal gives it at most: of what may be drawn wide, two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const char of stripVTControlCharacters(text))
    columns += (char.codePointAt(0) ?? 0) >= 0x1100 && !/[\u2000-\u2bff]/.test(char) ? 2 : 1;
  return columns;
}

/** At most so many columns; the last one is … where something was cut. Colours stay, and end. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let room = columns - 1;
  let kept = "";
  for (const [part] of text.matchAll(SEQUENCE_OR_CHARACTER)) {
    const isColour = part.startsWith("\u001b");
    if (!isColour) room -= columnsOf(part);
    if (isColour || room >= 0) kept += part;
  }
  return `${kept}…`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const SEQUENCE_OR_CHARACTER = /\u001b\[[0-9;]*m|[\s\S]/gu;

/** `12 s`, `4 min`, `2 h`, `3 d`: how long ago, roughly, as people say it. */
export function age(iso: string, nowMs: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `0.4 s`, `59.9 s`, `1 min 12 s`, `2 h 3 min`. */
export function duration(ms: number): string {
  const tenths = Math.round(Math.max(0, ms) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** From one time to another; `–` while there is none. */
export function between(from: string | undefined, to: string | undefined): string {
  return from === undefined || to === undefined ? "–" : duration(Date.parse(to) - Date.parse(from));
}

export { formatSize as size } from "@plimsoll/core/size";

/** `512 MiB`, `1.5 GiB`: binary units, as memory is counted. */
export function memory(bytes: number): string {
  const mib = bytes / 1024 ** 2;
  return mib >= 1024 ? `${Number((mib / 1024).toFixed(1))} GiB` : `${Number(mib.toFixed(1))} MiB`;
}

/** Text of tenants without what could drive the terminal or turn its text: escape sequences, control and direction characters. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, "?");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be taken away
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `4f2c1d9`. */
export function shortCommit(commit: string): string {
  return commit.slice(0, 7);
}

/** A state's word, with its shape and colour: it is told by all three. */
export function state(word: string): string {
  const [shape, style] = SHAPES[word] ?? ["○", "dim"];
  return styled(style, `${shape} ${word}`);
}

const SHAPES: Readonly<Record<string, readonly [string, Style]>> = {
  live: ["●", "green"],
  ready: ["●", "green"],
  complete: ["●", "green"],
  succeeded: ["●", "green"],
  deploying: ["▲", "yellow"],
  starting: ["▲", "yellow"],
  draining: ["▲", "yellow"],
  pending: ["▲", "yellow"],
  placed: ["▲", "yellow"],
  running: ["▲", "yellow"],
  scheduled: ["▲", "yellow"],
  preparing: ["▲", "yellow"],
  stopping: ["▲", "yellow"],
  unready: ["◐", "yellow"],
  degraded: ["◐", "yellow"],
  backoff: ["✖", "red"],
  failing: ["✖", "red"],
  failed: ["✖", "red"],
  lost: ["✖", "red"],
  unreachable: ["✖", "red"],
};
