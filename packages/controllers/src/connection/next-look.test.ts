import { expect, it } from "vitest";
import { nextLookMs } from "./next-look.ts";

const at = (ms: number) => new Date(ms);

it("looks at once when it never did, soon when it is asked to, and every five minutes when it is not", () => {
  expect(nextLookMs({}, 0)).toBe(0);
  expect(nextLookMs({ lookedAt: at(1_000) }, 2_000)).toBe(299_000);
  expect(nextLookMs({ lookedAt: at(1_000) }, 301_000)).toBe(0);
  expect(nextLookMs({ lookedAt: at(1_000), wantedAt: at(900) }, 2_000)).toBe(299_000);
  // Told while it looked: what it saw may be what was before.
  expect(nextLookMs({ lookedAt: at(1_000), wantedAt: at(1_000) }, 2_000)).toBe(4_000);
  expect(nextLookMs({ lookedAt: at(1_000), wantedAt: at(1_500) }, 7_000)).toBe(0);
});
