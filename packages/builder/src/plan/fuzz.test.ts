// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpansionBudget } from "../dockerfile/budget.ts";
import { WordError } from "../dockerfile/word-error.ts";
import { expandWord, expandWords } from "../dockerfile/words.ts";
import { any, inTime, LONG, odd, RUNS, refused, share } from "../testing/fuzz.ts";
import { plan } from "../testing/plan.ts";

const vectors = <T>(name: string) =>
  (JSON.parse(readFileSync(new URL(`../../vectors/${name}`, import.meta.url), "utf8")) as { vectors: T[] }).vectors;
const DOCKERFILES = vectors<{ dockerfile: string }>("parser-trees.json").map(({ dockerfile }) => dockerfile);
const WORDS = [...vectors<{ input: string }>("word-expansion.json"), ...vectors<{ input: string }>("word-splitting.json")].map(
  ({ input }) => input,
);

const blank = any(" ", "  ", "\t", " \\\n", " \\\n# note\n  ");
const variable = fc.oneof(
  any(
    "$A",
    "${A}",
    "$B",
    "${B:-x}",
    "${A:+y}",
    "${A#a*}",
    "${A##*/}",
    "${A%.*}",
    "${A/a/b}",
    "${A//?/-}",
    "${C:?no C}",
    "$TARGETARCH",
    "$1",
    "$$",
  ),
  fc
    .tuple(any("A", "B", "", "0"), any(":-", "-", ":+", "#", "%%", "/", "//", ":?", ":="), fc.string({ maxLength: 5 }))
    .map(([name, operator, rest]) => `\${${name}${operator}${rest}}`),
);
const path = any(
  "/app",
  ".",
  "./",
  "src/",
  "../x",
  "/",
  "*.js",
  "a b",
  "https://example.com/x.tar",
  "git@example.com:a/b.git#main:sub",
  "a?[b-",
  "<<EOF",
);
const word = fc.oneof(
  { weight: 4, arbitrary: path },
  { weight: 2, arbitrary: variable },
  { weight: 1, arbitrary: odd },
  {
    weight: 2,
    arbitrary: any(
      "node",
      "1000:1000",
      "8080/tcp",
      "a=b",
      'c="d e"',
      "SIGTERM",
      '["a", "b"]',
      '["a", 1]',
      "NONE",
      "CMD true",
      "0-70000",
      "AS",
      "scratch",
    ),
  },
);
const flag = fc
  .tuple(
    any(
      "from",
      "chown",
      "chmod",
      "link",
      "parents",
      "exclude",
      "platform",
      "network",
      "security",
      "checksum",
      "interval",
      "retries",
      "unpack",
      "keep-git-dir",
      "form",
    ),
    fc.oneof(
      any(
        "",
        "true",
        "0",
        "1",
        "u=rwX,go=rX",
        "7777",
        "99999",
        "default",
        "host",
        "none",
        "linux/amd64",
        "30s",
        "1h1ns",
        "-1",
        "sha256:00",
      ),
      word,
    ),
  )
  .map(([name, value]) => (value === "" ? `--${name}` : `--${name}=${value}`));
const mount = fc
  .array(
    fc.oneof(
      any(
        "type=bind",
        "type=cache",
        "type=tmpfs",
        "type=secret",
        "type=ssh",
        "ro",
        "rw=false",
        "id=x",
        "target=/t",
        "src=../..",
        "from=a",
        "from=$A",
      ),
      any(
        "sharing=locked",
        "mode=0600",
        "mode=9",
        "size=1g",
        "size=-1",
        "env=T",
        "required",
        "uid=1",
        "uid=x",
        '"target=/a,b"',
        'target="x',
      ),
      odd,
    ),
    { maxLength: 5 },
  )
  .map((fields) => `--mount=${fields.join(",")}`);
const keyword = any(
  ..."FROM RUN COPY ADD CMD ENTRYPOINT ENV LABEL ARG WORKDIR USER EXPOSE VOLUME STOPSIGNAL SHELL HEALTHCHECK MAINTAINER ONBUILD".split(" "),
  "from",
  "RNU",
  "constructor",
  "ONBUILD RUN",
  "ONBUILD COPY",
);
const line = fc
  .tuple(
    keyword,
    fc.array(fc.oneof(flag, mount), { maxLength: 2 }),
    fc.array(word, { maxLength: 4 }),
    blank,
    any("", "\nEOF", "\nx\nEOF\n", " \\"),
  )
  .map(([name, flags, words, between, end]) => [name, ...flags, ...words].join(between) + end);
const grammatical = fc
  .tuple(
    any("", "# syntax=x\n", "# escape=`\n", "\uFEFF", "ARG A=x\n", "#!/bin/x\n"),
    any("FROM a\n", "FROM a AS b\nFROM b\n", "FROM scratch\n", "FROM $A\n", ""),
    fc.array(fc.oneof({ weight: 8, arbitrary: line }, { weight: 1, arbitrary: odd }), { maxLength: 6 }),
  )
  .map(([top, from, lines]) => top + from + lines.join("\n"));

/** Somebody's real text, with a few places cut out, doubled, swapped or overwritten. */
function mutated(texts: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat(12),
    put: fc.oneof(odd, variable, line),
    how: fc.nat(3),
  });
  return fc.tuple(any(...texts), any(...texts), fc.array(edit, { minLength: 1, maxLength: 5 })).map(([text, other, edits]) =>
    edits.reduce((now, { from, length, put, how }) => {
      const at = Math.floor(from * now.length);
      const cut = now.slice(at, at + length);
      const instead = [put, "", cut + cut, other.slice(at, at + 4 * length)][how] ?? "";
      return now.slice(0, at) + instead + now.slice(at + (how === 2 ? 0 : length));
    }, text),
  );
}

describe("the front end of builds", () => {
  it("plans or refuses whatever is written like a Dockerfile", LONG, () => {
    let planned = 0;
    let refusals = 0;
    fc.assert(
      fc.property(fc.oneof(grammatical, mutated(DOCKERFILES)), (text) => {
        refused(text, "Dockerfile", () => {
          refusals++;
          plan(text, { buildArgs: { B: "given" } });
          refusals--;
          planned++;
        });
      }),
      share(0.6),
    );
    // Both happen: inputs that are all refused at once would show nothing.
    expect(planned).toBeGreaterThan(RUNS * 0.6 * 0.05);
    expect(refusals).toBeGreaterThan(RUNS * 0.6 * 0.2);
  });

  it("expands any word, or says why not", LONG, () => {
    const variables = new Map([
      ["A", "a/b.c"],
      ["B", ""],
      ["foo", "bar"],
    ]);
    const text = fc.oneof(
      fc.array(fc.oneof(variable, odd, word), { maxLength: 6 }).map((all) => all.join("")),
      mutated(WORDS),
    );
    fc.assert(
      fc.property(text, any("\\" as const, "`" as const), fc.boolean(), (input, escapeChar, raw) => {
        inTime(() => {
          for (const expand of [expandWord, expandWords]) {
            try {
              expand(input, variables, {
                escape: escapeChar,
                rawQuotes: raw,
                rawEscapes: raw,
                keepUnset: raw,
                budget: new ExpansionBudget(100_000),
              });
            } catch (error) {
              if (!(error instanceof WordError)) throw error;
              expect(error.message).toMatch(/\w+ \w+/);
            }
          }
        });
      }),
      share(0.25),
    );
  });
});
