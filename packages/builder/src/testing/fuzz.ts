import fc from "fast-check";
import { expect } from "vitest";
import { BuildProblem } from "../problem.ts";

/**
 * Inputs that nobody writes on purpose: a program never crashes and never hangs on one, and what it refuses it explains. `npm test` takes
 * the same few thousand each time; `npm run test:fuzz` takes many, others each time, and prints the seed of what it finds.
 */
export const RUNS = Number(process.env.PLIMSOLL_FUZZ_RUNS ?? 20_000);
const SEED = process.env.PLIMSOLL_FUZZ_RUNS === undefined ? 20_261_121 : Number(process.env.PLIMSOLL_FUZZ_SEED ?? Date.now() % 2 ** 31);
export const share = (part: number) => ({ seed: SEED, numRuns: Math.max(1, Math.round(RUNS * part)) });
export const LONG = { timeout: 60_000 + RUNS * 10 };
/** Of processor time: what others use of the machine must not count. */
const MOST_CPU_MS = 2_000;

/** What it takes, or a failure that says where and what: the input is in what fast-check prints. */
export function inTime<T>(work: () => T): T {
  const before = process.cpuUsage();
  try {
    return work();
  } finally {
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
  }
}

/** The same for work that waits; of what else this process does meanwhile the time counts too. */
export async function inTimeAsync<T>(work: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const done = await work();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
  return done;
}

export function refused(text: string, file: string, work: () => void): void {
  inTime(() => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof BuildProblem)) throw error;
      const { failure } = error;
      expect(failure.file).toBe(file);
      expect(failure.line).toBeGreaterThanOrEqual(1);
      expect(failure.line).toBeLessThanOrEqual(text.split("\n").length);
      expect(["dockerfile", "unsupported"]).toContain(failure.reason);
      // What is wrong and what to do: one of the sentences of which test/messages has them all.
      expect(failure.message).toMatch(/\w+ \w+.*\w+/s);
      expect(failure.message.length).toBeLessThanOrEqual(700);
      expect(failure.message).not.toMatch(/[\n\0]|undefined|\[object|is not a function|of null/);
    }
  });
}

export const any = <T>(...all: readonly T[]) => fc.constantFrom(...all);
/** What stands where nobody expects it. */
export const odd = fc.oneof(
  any(
    "",
    "$",
    "${",
    "}",
    "\\",
    "'",
    '"',
    "`",
    "<<",
    "<<E",
    "=",
    "--",
    "[",
    "]",
    "\0",
    "\u00a0",
    "\uFEFF",
    "..",
    "*",
    "!",
    "#",
    "\r",
    "\u{1F6A2}",
  ),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 4 }),
);
