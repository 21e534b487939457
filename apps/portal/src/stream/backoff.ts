const FIRST_MS = 300;
const LONGEST_MS = 15_000;

/** Pause before try `attempt` (0, 1, …): doubles up to 15 s; spread by ±30 % so that browsers do not come back all at once. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt) * (0.7 + 0.6 * random());
}
