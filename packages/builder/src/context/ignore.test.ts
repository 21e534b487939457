import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { IgnoreRules } from "./ignore.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const rules = (...lines: string[]) => IgnoreRules.parse(lines.join("\n"), ".dockerignore");

describe("IgnoreRules", () => {
  const { vectors } = JSON.parse(readFileSync(new URL("../../vectors/dockerignore-match.json", import.meta.url), "utf8")) as {
    vectors: { patterns: string[]; path: string; ignored: boolean }[];
  };

  it.each(vectors)("agrees with moby: $patterns on $path → $ignored", ({ patterns, path, ignored }) => {
    expect(rules(...patterns).ignores(path)).toBe(ignored);
  });

  it("lets the last rule win and covers what is below a match", () => {
    const some = rules("# comment", " docs ", "!docs/README.md", "/build/", "node_modules", "*.log");
    expect(some.ignores("docs/a/b")).toBe(true);
    expect(some.ignores("docs/README.md")).toBe(false);
    expect(some.ignores("build/x")).toBe(true);
    expect(some.ignores("src/node_modules/x")).toBe(false);
    expect(some.ignores("src/a.log")).toBe(false);
    expect(some.ignoringLine("docs/x")).toBe(2);
  });

  it.each(["!", "[", "a[]b", "x\\", "[a-"])("refuses %j with its line", (pattern) => {
    expect(() => rules("a", pattern)).toThrow(BuildProblem);
    try {
      rules("a", pattern);
    } catch (error) {
      expect(error).toMatchObject({ failure: { file: ".dockerignore", line: 2, reason: "dockerfile" } });
    }
  });

  it("says that no rule reaches below a directory only where that is true", SLOW, () => {
    const name = fc.constantFrom("a", "b", "ab", "a.b");
    const pattern = fc.array(fc.oneof(name, fc.constantFrom("*", "**", "a*", "?", "**b", "[ab]")), { minLength: 1, maxLength: 4 });
    const path = fc.array(name, { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), pattern), { maxLength: 4 }), path, (patterns, segments) => {
        const some = rules(...patterns.map(([includes, parts]) => (includes ? "!" : "") + parts.join("/")));
        let verdict = some.root();
        for (let depth = 1; depth < segments.length; depth++) {
          const directory = segments.slice(0, depth).join("/");
          verdict = some.judge(directory, verdict);
          if (!some.reachesBelow(directory, verdict)) expect(some.ignores(segments.join("/"))).toBe(verdict.ignored);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("is not slowed down by any pattern", SLOW, () => {
    const begun = performance.now();
    rules(`${"*a".repeat(100)}b`, `${"**/a".repeat(50)}/**/b`).ignores("a".repeat(4_000));
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});
