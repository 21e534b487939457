import { describe, expect, it } from "vitest";
import { newUid } from "./ids.ts";

describe("uids", () => {
  it("sort in the order in which they were made, also within one moment", () => {
    const moment = 1_763_683_200_000;
    const made = Array.from({ length: 1_000 }, () => newUid("x", moment));
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(1_000);
    expect(newUid("x", moment + 32) > (made.at(-1) ?? "")).toBe(true);
    expect(newUid("x", moment - 32) < (made[0] ?? "")).toBe(true);
  });

  it("are 20 digits behind their prefix, and do not tell the next one", () => {
    const [first, second] = [newUid("app"), newUid("app")];
    expect(first).toMatch(/^app_[0-9a-hjkmnp-tv-z]{20}$/);
    expect(second.slice(-8)).not.toBe(first.slice(-8));
  });
});
