import { ExpansionBudget } from "../dockerfile/budget.ts";
import type { Instruction } from "../dockerfile/instruction.ts";
import { nearest } from "../dockerfile/nearest.ts";
import type { Dockerfile } from "../dockerfile/parse.ts";
import { WordError } from "../dockerfile/word-error.ts";
import { expandWord } from "../dockerfile/words.ts";
import { type Finding, finding, quoted } from "./finding.ts";

/** Names of variables that the base image of a stage has, by the stage's index; a stage whose image is not known is absent. */
export type BaseVariables = ReadonlyMap<number, ReadonlySet<string>>;

/** Words of a Dockerfile in which variables are replaced, of one instruction. RUN, CMD and ENTRYPOINT are the shell's. */
function expandedWords(instruction: Instruction): readonly string[] {
  switch (instruction.type) {
    case "env":
    case "label":
      return instruction.pairs.flat();
    case "arg":
      return instruction.args.flatMap(({ value }) => (value === undefined ? [] : [value]));
    case "workdir":
      return [instruction.path];
    case "user":
      return [instruction.user];
    case "expose":
      return instruction.ports;
    case "volume":
      return instruction.paths;
    case "stopsignal":
      return [instruction.signal];
    case "copy":
    case "add":
      return [
        ...instruction.sources,
        instruction.destination,
        ...[instruction.chown, instruction.chmod].filter((one) => one !== undefined),
        ...instruction.exclude,
      ];
    default:
      return [];
  }
}

/** Variables that are used and that nothing above declares: they are empty. A stage is looked at where all it stands on is known. */
export function checkVariables(dockerfile: Dockerfile, base: BaseVariables): readonly Finding[] {
  const findings: Finding[] = [];
  const byName = new Map<string, ReadonlySet<string>>();
  for (const [index, { from, instructions }] of dockerfile.stages.entries()) {
    const below = from.base === "scratch" ? new Set<string>() : (byName.get(from.base.toLowerCase()) ?? base.get(index));
    if (below === undefined) continue;
    // What every image runs with.
    const known = new Set(["PATH", ...below]);
    for (const instruction of instructions) {
      for (const name of undefinedIn(instruction, known, dockerfile.escape)) {
        const meant = nearest(name, [...known]);
        const hint = meant === undefined ? `declare it: ARG ${quoted(name)}=…` : `did you mean ${quoted(meant)}?`;
        findings.push(finding("UndefinedVar", instruction.at, `$${quoted(name)} is not set here and is empty; ${hint}`));
      }
      if (instruction.type === "arg") for (const { name } of instruction.args) known.add(name);
      if (instruction.type === "env") for (const [name] of instruction.pairs) known.add(name);
    }
    // Arguments end with their stage.
    const env = instructions.flatMap((one) => (one.type === "env" ? one.pairs.map(([name]) => name) : []));
    if (from.name !== undefined) byName.set(from.name, new Set([...below, ...env]));
  }
  return findings;
}

/** Each once, in order. With a default (`${x:-y}`) it is meant to be unset. */
function undefinedIn(instruction: Instruction, known: ReadonlySet<string>, escapeChar: Dockerfile["escape"]): ReadonlySet<string> {
  const missing = new Set<string>();
  const words = expandedWords(instruction);
  const withDefault = new Set(words.flatMap((word) => [...word.matchAll(/\$\{(\w+):?[-+?]/g)].map((match) => match[1] ?? "")));
  const look = {
    get: (name: string) => {
      if (known.has(name)) return "x";
      if (/^[A-Za-z_]\w*$/.test(name) && !withDefault.has(name)) missing.add(name);
      return undefined;
    },
  };
  for (const word of words) {
    try {
      expandWord(word, look, { escape: escapeChar, budget: new ExpansionBudget() });
    } catch (error) {
      if (!(error instanceof WordError)) throw error;
    }
  }
  return missing;
}
