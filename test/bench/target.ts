/** What can be asked of a benchmark: `ratio` is ours ÷ peer's (medians), `p50` ours in the benchmark's unit, `dropped` failed requests. */
const MEASURES = ["ratio", "p50", "dropped"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Condition {
  readonly measure: Measure;
  readonly atMost: number;
}

/** What came out; absent: not measured, for instance because there was no peer. */
export type Outcome = Readonly<Partial<Record<Measure, number>>>;

export interface Verdict {
  /** Undefined when something that the target asks for was not measured, and nothing that was missed it. */
  readonly ok: boolean | undefined;
  /** One phrase for each condition that is not met: `p50 1310 > 1000`. */
  readonly misses: readonly string[];
}

/**
 * Reads a target: conditions that all have to hold, as `<=0.5` for the ratio, or `<=1.0, p50<=1000, dropped<=0`. Throws for anything else.
 * Pure.
 */
export function parseTarget(text: string): readonly Condition[] {
  return text.split(",").map((part) => {
    const [, name = "ratio", number] = /^\s*([a-z0-9]+)?\s*<=\s*(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    const measure = MEASURES.find((one) => one === name);
    if (measure === undefined || number === undefined) throw new Error(`\`${part.trim()}\` is no condition; write for example p50<=1000`);
    return { measure, atMost: Number(number) };
  });
}

/** Whether the outcome is as the target wants it. Figures count as they were measured, not as they are printed. Pure. */
export function judge(target: string, outcome: Outcome): Verdict {
  const misses: string[] = [];
  let unknown = false;
  for (const { measure, atMost } of parseTarget(target)) {
    const value = outcome[measure];
    if (value === undefined) unknown = true;
    else if (!(value <= atMost)) misses.push(`${measure} ${Number(value.toPrecision(4))} > ${atMost}`);
  }
  return { ok: misses.length > 0 ? false : unknown ? undefined : true, misses };
}
