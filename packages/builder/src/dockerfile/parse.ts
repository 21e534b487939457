import { problemAt, type SourceLocation } from "../problem.ts";
import type { Escape } from "./directives.ts";
import type { FromInstruction, Instruction } from "./instruction.ts";
import { readInstruction } from "./instructions.ts";
import { readLines } from "./lines.ts";

export interface StageSource {
  readonly from: FromInstruction;
  readonly instructions: readonly Instruction[];
}

/** A Dockerfile as written: nothing expanded, nothing resolved. */
export interface Dockerfile {
  readonly file: string;
  readonly escape: Escape;
  /** ARG lines before the first FROM: seen by FROM lines, and by stages that declare them again. */
  readonly globalArgs: readonly (Instruction & { readonly type: "arg" })[];
  readonly stages: readonly StageSource[];
}

/** A stage count no person writes; each costs work before anything is refused for time. */
const MAX_STAGES = 200;
const MAX_INSTRUCTIONS = 5_000;

/** Parses a whole Dockerfile. Pure. Throws BuildProblem with file, line, instruction and what to do. */
export function parseDockerfile(text: string, file: string): Dockerfile {
  const { escape: escapeChar, instructions } = readLines(text, file);
  if (instructions.length > MAX_INSTRUCTIONS) throw tooMany(instructions[MAX_INSTRUCTIONS]?.at, file, `${MAX_INSTRUCTIONS} instructions`);
  const globalArgs: (Instruction & { type: "arg" })[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  for (const raw of instructions) {
    const instruction = readInstruction(raw, escapeChar);
    const stage = stages.at(-1);
    if (instruction.type === "from") {
      if (stages.length === MAX_STAGES) throw tooMany(instruction.at, file, `${MAX_STAGES} stages`);
      stages.push({ from: instruction, instructions: [] });
    } else if (stage !== undefined) {
      stage.instructions.push(instruction);
    } else if (instruction.type === "arg") {
      globalArgs.push(instruction);
    } else {
      throw problemAt(raw.at, "dockerfile", `${raw.keyword} stands before the first FROM; only ARG may. Begin with a FROM line.`);
    }
  }
  if (stages.length === 0) {
    throw problemAt(
      instructions[0]?.at ?? { file, line: 1 },
      "dockerfile",
      `${file} has no FROM line, so there is nothing to build on; add one.`,
    );
  }
  return { file, escape: escapeChar, globalArgs, stages };
}

function tooMany(at: SourceLocation | undefined, file: string, what: string) {
  return problemAt(at ?? { file, line: 1 }, "dockerfile", `More than ${what} are not built; split the Dockerfile.`);
}
