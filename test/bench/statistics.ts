/** What a benchmark's samples come to; the unit is theirs. */
export interface Summary {
  readonly p50: number;
  readonly p95: number;
  readonly n: number;
}

/** Median and 95th percentile. Throws where there is no sample, or one that is no number: a benchmark without figures has failed. Pure. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0 || samples.some((sample) => !Number.isFinite(sample))) throw new Error("there is nothing that was measured");
  return { p50: median(samples), p95: percentile(samples, 95), n: samples.length };
}

/** The middle one, or the mean of the two in the middle. Throws for none. Pure. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new Error("no sample has a middle");
  return (low + high) / 2;
}

/** The smallest sample that `percent` of them do not exceed (nearest rank). Throws for none. Pure. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (found === undefined) throw new Error("no sample has a rank");
  return found;
}

/** Three significant digits, as far as whole numbers go: more would be noise. Pure. */
export function rounded(value: number): number {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))));
  return Number(value.toFixed(digits));
}
