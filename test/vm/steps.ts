import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MS = 500;

let passed = 0;
const began = performance.now();

/** Says what has been seen to hold. */
export function step(text: string): void {
  passed++;
  console.log(`  ✔ ${text}   (${seconds(performance.now() - began)})`);
}

export function passedSteps(): number {
  return passed;
}

/** Throws what was expected and what was found instead. */
export function expectThat(holds: boolean, sentence: string, found: unknown): asserts holds {
  if (!holds) throw new Error(`${sentence}; found:\n${typeof found === "string" ? found : JSON.stringify(found)}`);
}

/** What `look` finds, as soon as it finds something. */
export async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await sleep(LOOK_EVERY_MS);
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
