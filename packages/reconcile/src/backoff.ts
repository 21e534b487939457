export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/**
 * The pause after the `failures`-th failure in a row: doubled each time up to `mostMs`, of which the upper half is jitter, so that
 * keys that failed together do not come back together.
 */
export function backoffMs({ firstMs, mostMs }: Backoff, failures: number, random: () => number): number {
  const most = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return most / 2 + (most / 2) * random();
}
