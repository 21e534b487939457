import type { Waterfall, WaterfallRow } from "@plimsoll/core/waterfall";
import { columnsOf, cut, duration, plain, styled } from "./render.ts";

const LABEL = 44;
const STAGE = 16;
const LEAST_BAR = 10;

/** What ran when as bars on the build's time, a line a step, and what the cache saved. `columns`: what the terminal has. Pure. */
export function waterfallText({ rows, totalMs, ranMs, savedMs, cached }: Waterfall, columns: number): string {
  if (rows.length === 0) return "This build has run no step.";
  const stage = Math.min(STAGE, Math.max(5, ...rows.map((row) => columnsOf(plain(row.stage)))));
  const label = Math.min(LABEL, Math.max(4, ...rows.map((row) => columnsOf(plain(row.label)))));
  const took = Math.max(...rows.map((row) => resultOf(row).length), 4);
  const bar = Math.max(LEAST_BAR, columns - stage - label - took - 9);
  const line = (row: WaterfallRow, before: WaterfallRow | undefined) => {
    const name = before?.stage === row.stage ? "" : plain(row.stage);
    return [pad(name, stage), pad(plain(row.label), label), pad(resultOf(row), took), barOf(row, totalMs, bar)].join("   ").trimEnd();
  };
  const heading = [pad("STAGE", stage), pad("STEP", label), pad("TOOK", took), `0 s${duration(totalMs).padStart(bar - 3)}`].join("   ");
  const sums = [
    `${duration(totalMs)} in all${ranMs > totalMs ? `, ${duration(ranMs)} of steps, some side by side` : ""}.`,
    cached === 0 ? "Nothing came from the cache." : `${cached} of ${rows.length} steps came from the cache${savedWords(savedMs)}.`,
  ];
  return [styled("dim", heading), ...rows.map((row, at) => line(row, rows[at - 1])), "", ...sums].join("\n");
}

function savedWords(savedMs: number): string {
  return savedMs === 0 ? "; what they took when they ran is not known" : `, which saved ${duration(savedMs)}`;
}

function resultOf({ outcome, startMs, endMs, savedMs }: WaterfallRow): string {
  if (outcome === "cached") return savedMs === undefined ? "cached" : `saved ${duration(savedMs)}`;
  if (outcome === "waiting") return "not begun";
  return outcome === "done" ? duration(endMs - startMs) : `${outcome}, ${duration(endMs - startMs)}`;
}

function barOf({ outcome, startMs, endMs }: WaterfallRow, totalMs: number, width: number): string {
  if (outcome === "waiting" || totalMs === 0) return "";
  const at = Math.min(width - 1, Math.floor((startMs / totalMs) * width));
  const length = Math.max(1, Math.min(width - at, Math.round(((endMs - startMs) / totalMs) * width)));
  if (outcome === "cached") return `${" ".repeat(at)}${styled("dim", "·")}`;
  const drawn = (outcome === "running" ? "▒" : "█").repeat(length);
  return `${" ".repeat(at)}${styled(outcome === "failed" ? "red" : "cyan", drawn)}`;
}

function pad(text: string, columns: number): string {
  const shown = cut(text, columns);
  return shown + " ".repeat(Math.max(0, columns - columnsOf(shown)));
}
