import { expect, it } from "vitest";
import en from "../../messages/en.json" with { type: "json" };
import { LOOKS } from "./state-looks.ts";

it("every state has a word, and no two states of a kind share one", () => {
  for (const [kind, looks] of Object.entries(LOOKS)) {
    const words: Record<string, string> = en.state[kind as keyof typeof LOOKS];
    expect(Object.keys(words).sort(), kind).toEqual(Object.keys(looks).sort());
    expect(new Set(Object.values(words)).size, kind).toBe(Object.keys(words).length);
  }
});

it("states of different meaning differ in shape, not only in colour", () => {
  const tones = new Map<string, Set<string>>();
  for (const looks of Object.values(LOOKS)) {
    for (const { shape, tone } of Object.values(looks)) tones.set(shape, (tones.get(shape) ?? new Set()).add(tone));
  }
  for (const [shape, seen] of tones) expect(seen.size, shape).toBe(1);
});
