import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { any, LONG, odd, refused, share } from "../testing/fuzz.ts";
import { IgnoreRules } from "./ignore.ts";

describe("a .dockerignore", () => {
  it("is read or refused whatever it says, and judges any path", LONG, () => {
    const piece = fc.oneof(
      any("*", "**", "?", "/", "!", "[", "]", "[a-z]", "[^", "\\", "..", ".", "a", "b.c", "#", " ", "\r", "\uFEFF", "{a,b}", "(", "+"),
      odd,
    );
    const file = fc
      .array(
        fc.array(piece, { maxLength: 8 }).map((all) => all.join("")),
        { maxLength: 6 },
      )
      .map((lines) => lines.join("\n"));
    const paths = fc.array(any("a", "b.c", "a/b", "a/a/b.c", ".git", "(", "a\\b", "\u{1F6A2}/x"), { maxLength: 4 });
    fc.assert(
      fc.property(file, paths, (text, all) => {
        refused(text, ".dockerignore", () => {
          const rules = IgnoreRules.parse(text, ".dockerignore");
          for (const one of all) {
            const ignored = rules.ignores(one);
            expect(rules.ignoringLine(one) !== undefined).toBe(ignored);
            // What is said of a directory without looking below holds for what is below.
            const verdict = rules.judge(one, rules.root());
            if (!one.includes("/") && !rules.reachesBelow(one, verdict)) expect(rules.ignores(`${one}/x/y`)).toBe(verdict.ignored);
          }
        });
      }),
      share(0.15),
    );
  });
});
