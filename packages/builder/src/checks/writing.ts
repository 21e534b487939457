import type { Dockerfile } from "../dockerfile/parse.ts";
import { type Finding, finding, quoted } from "./finding.ts";

/** Checks of how the file is written: letters, lines and comments. */
export function checkWriting(dockerfile: Dockerfile, text: string): readonly Finding[] {
  return [...casing(dockerfile), ...fromCasing(dockerfile), ...emptyContinuations(dockerfile, text), ...descriptions(dockerfile, text)];
}

function* all({ globalArgs, stages }: Dockerfile) {
  yield* globalArgs;
  for (const { from, instructions } of stages) {
    yield from;
    yield* instructions;
  }
}

/** The keyword of each instruction, as it is written. */
function keywordOf(written: string | undefined): string {
  return /^\S+/.exec(written ?? "")?.[0] ?? "";
}

function casing(dockerfile: Dockerfile): readonly Finding[] {
  const keywords = [...all(dockerfile)]
    .map(({ at }) => ({ at, keyword: keywordOf(at.instruction) }))
    .filter(({ keyword }) => keyword !== "");
  const lower = keywords.filter(({ keyword }) => keyword === keyword.toLowerCase()).length;
  const upper = keywords.filter(({ keyword }) => keyword === keyword.toUpperCase()).length;
  const [wanted, word] =
    lower > upper ? [(one: string) => one.toLowerCase(), "lowercase"] : [(one: string) => one.toUpperCase(), "uppercase"];
  return keywords
    .filter(({ keyword }) => keyword !== wanted(keyword))
    .map(({ at, keyword }) =>
      finding(
        "ConsistentInstructionCasing",
        at,
        `${quoted(keyword)} is written unlike most instructions here, which are ${word}; write ${quoted(wanted(keyword))}.`,
      ),
    );
}

function* fromCasing({ stages }: Dockerfile): Generator<Finding> {
  for (const { from } of stages) {
    const [, keyword = "", as, name] = /^(\S+).*?\s(as)\s+(\S+)\s*$/i.exec(from.at.instruction ?? "") ?? [];
    if (as === undefined || name === undefined || from.name === undefined) continue;
    const isUpper = keyword === keyword.toUpperCase();
    const wanted = isUpper ? "AS" : "as";
    if (as !== wanted) yield finding("FromAsCasing", from.at, `${as} and ${keyword} are written in different case; write ${wanted}.`);
    if (name !== name.toLowerCase())
      yield finding("StageNameCasing", from.at, `The stage name ${quoted(name)} has capitals; write ${quoted(name.toLowerCase())}.`);
  }
}

const CONTINUES = /(?<![\\`])[\\`][ \t]*\r?$/;

/** Blank lines between an instruction's lines: a later Docker refuses them. Bodies of heredocs are left alone. */
function* emptyContinuations(dockerfile: Dockerfile, text: string): Generator<Finding> {
  const lines = text.split("\n");
  for (const { at } of all(dockerfile)) {
    for (let number = at.line; number < lines.length && CONTINUES.test(lines[number - 1] ?? ""); ) {
      number++;
      // Comments between the lines are no lines of it.
      while (number <= lines.length && /^\s*#/.test(lines[number - 1] ?? "")) number++;
      if ((lines[number - 1] ?? "").trim() !== "" || number > lines.length) continue;
      const hasMore = lines.slice(number).some((line) => line.trim() !== "");
      if (hasMore) yield finding("NoEmptyContinuation", number, "An empty line stands in the middle of an instruction; remove it.");
      break;
    }
  }
}

/** A comment right above an ARG or a named stage is its description, and begins with its name. */
function* descriptions({ globalArgs, stages }: Dockerfile, text: string): Generator<Finding> {
  const lines = text.split("\n");
  const named = [
    ...[...globalArgs, ...stages.flatMap(({ instructions }) => instructions.filter((one) => one.type === "arg"))].map((arg) => ({
      at: arg.at,
      names: arg.args.map(({ name }) => name),
    })),
    ...stages.map(({ from }) => ({ at: from.at, names: from.name === undefined ? [] : [from.name] })),
  ];
  for (const { at, names } of named) {
    const comment = /^\s*#\s?(.*)$/.exec(lines[at.line - 2] ?? "")?.[1]?.trim();
    const isDirective = /^[a-z]+\s*=/i.test(comment ?? "") && at.line <= 4;
    if (comment === undefined || comment === "" || names.length !== 1 || isDirective) continue;
    const [name = ""] = names;
    if (comment.split(/\s/)[0]?.toLowerCase() === name.toLowerCase()) continue;
    yield finding(
      "InvalidDefinitionDescription",
      at,
      `The comment above is no description of ${quoted(name)}; begin it with that name, or leave an empty line below it.`,
    );
  }
}
