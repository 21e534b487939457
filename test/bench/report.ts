import { median, rounded, type Summary, summarize } from "./statistics.ts";
import { judge } from "./target.ts";

/** What one benchmark measured: every sample, in the order in which it was taken. */
export interface Measurement {
  readonly bench: string;
  readonly unit: "ms" | "MB";
  readonly target: string;
  readonly ours: readonly number[];
  readonly peer?: { readonly name: string; readonly samples: readonly number[] };
  /** Failed requests, where they were counted. */
  readonly dropped?: number;
  /** Sentences that belong to the figures: what exactly was timed, inner times. */
  readonly notes: readonly string[];
  /** Kept with the raw samples. */
  readonly details?: unknown;
}

/** The line that `--json` prints. `null` stands for what was not measured. */
export interface Line {
  readonly bench: string;
  readonly unit: string;
  readonly ours: Summary;
  readonly peer: (Summary & { readonly name: string }) | null;
  readonly ratio: number | null;
  readonly target: string;
  readonly ok: boolean | null;
}

/** The figures of one measurement and whether its target is met. Pure. */
export function lineOf({ bench, unit, target, ours, peer, dropped }: Measurement): {
  readonly line: Line;
  readonly misses: readonly string[];
} {
  const ratio = peer === undefined ? undefined : median(ours) / median(peer.samples);
  const outcome = { p50: median(ours), ...(ratio === undefined ? {} : { ratio }), ...(dropped === undefined ? {} : { dropped }) };
  const { ok, misses } = judge(target, outcome);
  const line: Line = {
    bench,
    unit,
    ours: roundedSummary(ours),
    peer: peer === undefined ? null : { name: peer.name, ...roundedSummary(peer.samples) },
    ratio: ratio === undefined ? null : Number(ratio.toFixed(2)),
    target,
    ok: ok ?? null,
  };
  return { line, misses };
}

/** The table for people (GitHub's Markdown, as docs/reference/benchmarks.md has it). Pure. */
export function tableOf(lines: readonly Line[]): string {
  const rows = lines.map(({ bench, unit, ours, peer, ratio, target, ok }) => [
    bench,
    figures(ours, unit),
    peer === null ? "–" : `${figures(peer, unit)}, ${peer.name}`,
    ratio === null ? "–" : ratio.toFixed(2),
    target.replaceAll("<=", " ≤ ").trim(),
    ok === null ? "not judged" : ok ? "met" : "missed",
  ]);
  const head = ["benchmark", "ours: p50 (p95)", "peer: p50 (p95)", "ratio", "target", ""];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  const drawn = [head, widths.map((width) => "-".repeat(width)), ...rows];
  return drawn.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`).join("\n");
}

function figures({ p50, p95, n }: Summary, unit: string): string {
  return n === 1 ? `${p50} ${unit}, once` : `${p50} (${p95}) ${unit}, n ${n}`;
}

function roundedSummary(samples: readonly number[]): Summary {
  const { p50, p95, n } = summarize(samples);
  return { p50: rounded(p50), p95: rounded(p95), n };
}
