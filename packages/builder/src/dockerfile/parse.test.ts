import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { readKeyValues } from "./key-values.ts";
import { type RawInstruction, readLines } from "./lines.ts";
import { parseDockerfile } from "./parse.ts";

/** Many examples, on a machine that may be busy. */
const SLOW = { timeout: 60_000 };

const parse = (text: string) => parseDockerfile(text, "Dockerfile");
const problem = (text: string) => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof BuildProblem) return error.failure;
    throw error;
  }
  throw new Error("it parsed");
};

/** The S-expressions of BuildKit's parser test files. */
function dump(raw: RawInstruction, escapeChar: "\\" | "`"): string {
  const json = () => {
    try {
      const list: unknown = JSON.parse(raw.rest);
      return Array.isArray(list) ? list : undefined;
    } catch {
      return undefined;
    }
  };
  const args = () => {
    if (raw.keyword === "ENV" || raw.keyword === "LABEL") {
      const pairs = readKeyValues(raw.keyword, raw.rest, escapeChar);
      if (typeof pairs === "string") throw new Error(pairs);
      return pairs.flatMap(([name, value]) => [name, value, raw.rest.includes(`${name}=`) ? "=" : ""]);
    }
    if (["RUN", "CMD", "ENTRYPOINT"].includes(raw.keyword)) return json() ?? [raw.rest];
    return json() ?? raw.rest.split(/[\t\v\f\r ]+/);
  };
  return `(${raw.keyword.toLowerCase()}${args()
    .map((arg) => ` ${JSON.stringify(arg)}`)
    .join("")})`;
}

describe("parseDockerfile", () => {
  const { vectors } = JSON.parse(readFileSync(new URL("../../vectors/parser-trees.json", import.meta.url), "utf8")) as {
    vectors: { name: string; dockerfile: string; tree: string }[];
  };

  it.each(vectors)("reads $name as BuildKit does", ({ dockerfile, tree }) => {
    const { instructions, escape: escapeChar } = readLines(dockerfile, "Dockerfile");
    expect(instructions.map((raw) => dump(raw, escapeChar)).join("\n")).toBe(tree.trimEnd());
  });

  it("knows stages, flags, forms and lines", () => {
    const { globalArgs, stages } = parse(
      '# a comment\nARG TAG=22\nfrom node:$TAG as Build\nRUN npm ci\\\n # why\n\n  && x\nFROM scratch\nCOPY --from=build --chown=1:2 a b /c/\nCMD ["x", "y"]\n',
    );
    expect(globalArgs).toMatchObject([{ args: [{ name: "TAG", value: "22" }] }]);
    expect(stages).toMatchObject([
      {
        from: { base: "node:$TAG", name: "build", at: { line: 3 } },
        instructions: [{ type: "run", command: { form: "shell", line: "npm ci  && x" }, at: { line: 4 } }],
      },
      {
        from: { base: "scratch" },
        instructions: [
          { type: "copy", from: "build", chown: "1:2", sources: ["a", "b"], destination: "/c/", at: { line: 9 } },
          { type: "cmd", command: { form: "exec", argv: ["x", "y"] } },
        ],
      },
    ]);
  });

  it("reads directives at the top only", () => {
    expect(parse("# syntax=docker/dockerfile:1\n# Escape = `\nFROM a\nRUN x `\n y\n").stages[0]?.instructions).toMatchObject([
      { command: { line: "x  y" } },
    ]);
    expect(parse("# hello\n# escape=`\nFROM a\nRUN x \\\n y\n").stages[0]?.instructions).toMatchObject([{ command: { line: "x  y" } }]);
    expect(problem("# escape=`\n# escape=`\nFROM a")).toMatchObject({ line: 2, reason: "dockerfile" });
    expect(problem("# escape=x\nFROM a")).toMatchObject({ line: 1 });
    expect(parse("\uFEFF#!/usr/bin/env x\n# escape=`\r\nFROM a\r\n").escape).toBe("`");
  });

  it.each([
    ["RUN --network=host y", "the host's network"],
    ["RUN --security=insecure y", "in the sandbox"],
    ["RUN --device=/dev/kvm y", "no devices"],
    ["ONBUILD RUN --network=host y", "the host's network"],
  ])("refuses %s and says what to do", (line, advice) => {
    const failure = problem(`FROM a\n\n${line}\n`);
    expect(failure).toMatchObject({ reason: "unsupported", file: "Dockerfile", line: 3 });
    expect(failure.message).toContain(advice);
    expect(failure.instruction).toBe(line.split("\n")[0]?.trim());
  });

  it.each([
    ["", "FROM"],
    ["RUN x", "before the first FROM"],
    ["FROM", "FROM takes"],
    ["FROM a b c", "FROM takes"],
    ["FROM a AS 1x", "cannot name a stage"],
    ["FROM a\nRNU x", "did you mean RUN"],
    ["FROM a\nfoo", "no Dockerfile instruction"],
    ["FROM a\nconstructor x", "no Dockerfile instruction"],
    ["FROM a\nCOPY x", "destination"],
    ["FROM a\nCOPY --form=x a b", "no flag of COPY"],
    ["FROM a\nCOPY --from=x --from=y a b", "twice"],
    ["FROM a\nCOPY --from a b", "needs a value"],
    ["FROM a\nENV x", "write ENV x="],
    ["FROM a\nENV a=b c", "no ="],
    ["FROM a\nARG =x", "no name"],
    ['FROM a\nCMD ["a", 1]', "strings only"],
    ["FROM a\nRUN --foo x", "no flag of RUN"],
    ["FROM a\nRUN --mout=type=cache x", "did you mean --mount"],
    ["FROM a\nRUN []", "no program"],
    ["FROM a\nRUN --network=lan x", "no network"],
    ["FROM a\nRUN --security=x y", "no mode"],
    ['FROM a\nRUN --mount=type=cache,\\"target=/x y', "quote in the wrong place"],
    ["FROM a\nRUN --mount=from=$X,target=/x y", "takes no variables"],
    ["FROM a\nCOPY --link=maybe a b", "true or false"],
    ["FROM a\nVOLUME", "needs a path"],
    ['FROM a\nVOLUME [""]', "needs a path"],
    ["FROM a\nSTOPSIGNAL", "needs a signal"],
    ["FROM a\nSHELL /bin/bash -c", "JSON list"],
    ["FROM a\nSHELL []", "JSON list"],
    ["FROM a\nMAINTAINER", "needs a name"],
    ["FROM a\nONBUILD", "needs an instruction"],
    ["FROM a\nONBUILD ONBUILD RUN x", "cannot stand in an ONBUILD"],
    ["FROM a\nONBUILD FROM x", "cannot stand in an ONBUILD"],
    ["FROM a\nONBUILD MAINTAINER x", "cannot stand in an ONBUILD"],
    ["FROM a\nONBUILD RNU x", "did you mean RUN"],
    ["# check=skip=all\n# check=error=true\nFROM a", "once only"],
    ["# syntax=a\n#syntax=b\nFROM a", "once only"],
  ])("explains %j", (text, advice) => {
    const failure = problem(text);
    expect(failure).toMatchObject({ reason: "dockerfile", file: "Dockerfile", line: expect.any(Number) });
    expect(failure.message).toContain(advice);
  });

  it("takes shifts and here-strings for what they are", () => {
    expect(parse("FROM a\nRUN echo $((1<<2)) && cat <<< x").stages[0]?.instructions).toHaveLength(1);
  });

  it("takes invalid JSON for a shell line", () => {
    expect(parse("FROM a\nRUN ['x']").stages[0]?.instructions).toMatchObject([{ command: { form: "shell", line: "['x']" } }]);
  });

  it("answers any text with stages or a problem that has file and line", SLOW, () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "FROM a\n",
        "FROM ",
        "RUN ",
        "COPY --from=",
        "ENV ",
        "ARG ",
        "\\\n",
        "#",
        "\n",
        "<<EOF",
        "[",
        '"',
        "--",
        "=",
        " ",
        "`",
        "LABEL a=",
        "EXPOSE ",
        "ONBUILD ",
        "HEALTHCHECK --interval=",
        "SHELL ",
        "VOLUME ",
        "--mount=type=",
        "<<-'E' ",
        "\nE\n",
        "\0",
      ),
      fc.string({ maxLength: 8 }),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        try {
          expect(parse(pieces.join("")).stages.length).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof BuildProblem)) throw error;
          expect(error.failure.file).toBe("Dockerfile");
          expect(error.failure.line).toBeGreaterThan(0);
          expect(error.failure.message.length).toBeGreaterThan(10);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
