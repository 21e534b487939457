// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpansionBudget } from "./budget.ts";
import { WordError } from "./word-error.ts";
import { expandWord, expandWords } from "./words.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const vectors = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8"));
const from = (env: Record<string, string>) => ({ get: (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined) });
const options = { escape: "\\" } as const;

describe("expandWord", () => {
  const { env, vectors: cases } = vectors("word-expansion.json") as {
    env: Record<string, string>;
    vectors: { input: string; output?: string; error?: boolean }[];
  };

  it.each(cases)("agrees with BuildKit on $input", ({ input, output, error }) => {
    if (error === true) expect(() => expandWord(input, from(env), options)).toThrow(WordError);
    else expect(expandWord(input, from(env), options)).toBe(output);
  });

  it.each([
    ["${v#a*b}", "cabd"],
    ["${v##a*b}", "d"],
    ["${v%b*}", "abca"],
    ["${v%%b*}", "a"],
    ["${v/b/X}", "aXcabd"],
    ["${v//b/X}", "aXcaXd"],
    ["${v//?b/X}", "XcXd"],
    ["${v#x}", "abcabd"],
    ["${p##*/}", "file.tar.gz"],
    ["${p%%.*}", "/opt/x/file"],
    ["${p//\\//-}", "-opt-x-file.tar.gz"],
    ["${none-d}", "d"],
    ["${empty-d}", ""],
    ["${empty+d}", "d"],
    ["${none+d}", ""],
  ])("edits values: %s", (word, expected) => {
    expect(expandWord(word, from({ v: "abcabd", p: "/opt/x/file.tar.gz", empty: "" }), options)).toBe(expected);
  });

  it("costs what it makes and looks at: a budget ends it, and without one it goes on", () => {
    const variables = from({ v: "a".repeat(1_000) });
    for (const word of ["$v".repeat(20), `"${"$v".repeat(20)}"`, "${v//*a*a*b/x}", "${v//a/aaaaaaaaaaaaaaaa}"]) {
      expect(() => expandWord(word, variables, { ...options, budget: new ExpansionBudget(10_000) })).toThrow(/too long/);
      expect(expandWord(word, variables, { ...options, budget: new ExpansionBudget(10_000_000) })).toMatch(/^a+$/);
    }
    const shared = new ExpansionBudget(10_000);
    const one = () => expandWord("$v$v$v$v", variables, { ...options, budget: shared });
    expect([one(), one()]).toHaveLength(2);
    expect(one).toThrow(/too long/);
  });

  it("stops in time on a pattern made to be slow", SLOW, () => {
    const begun = performance.now();
    try {
      expandWord(`\${v//${"*a".repeat(200)}b/x}`, from({ v: "a".repeat(20_000) }), options);
    } catch (error) {
      expect(error).toBeInstanceOf(WordError);
    }
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  it("answers any text with a text or a WordError", SLOW, () => {
    const text = fc.string({ unit: fc.constantFrom(..."$${}{}:-+?#%/\\'\"`a1_ <\n@é"), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.constantFrom("\\" as const, "`" as const), (word, escapeChar) => {
        for (const expand of [expandWord, expandWords]) {
          try {
            expand(word, from({ a: "aba", a1: "" }), { escape: escapeChar });
          } catch (error) {
            if (!(error instanceof WordError)) throw error;
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("leaves quoted text as it is", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("'")),
        (text) => expandWord(`'${text}'`, from({}), options) === text,
      ),
    );
  });
});

describe("expandWords", () => {
  const { vectors: cases } = vectors("word-splitting.json") as {
    vectors: { env: Record<string, string>; input: string; words: string[] }[];
  };

  it.each(cases)("agrees with BuildKit on $input", ({ env, input, words }) => {
    expect(expandWords(input, from(env), options)).toEqual(words);
  });
});
