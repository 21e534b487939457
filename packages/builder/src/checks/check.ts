import type { BuildWarning } from "@plimsoll/core";
import { excerptOf } from "../dockerfile/excerpt.ts";
import type { Dockerfile } from "../dockerfile/parse.ts";
import { type CheckDirective, readCheckDirective } from "./directive.ts";
import { CHECKS, type CheckName, EXPERIMENTAL } from "./finding.ts";
import { checkInstructions, type InstructionFacts } from "./instructions.ts";
import { checkStages } from "./stages.ts";
import { type BaseVariables, checkVariables } from "./variables.ts";
import { checkWriting } from "./writing.ts";

export interface CheckFacts extends InstructionFacts {
  readonly baseVariables: BaseVariables;
}

/** More than these are no help any more. */
const MOST = 50;

/**
 * What the field's build checks say about a Dockerfile, in the order of its lines, without what its `# check=` leaves out. Pure. `isError`:
 * the file wants a finding to end the build.
 */
export function checkDockerfile(
  dockerfile: Dockerfile,
  text: string,
  facts: CheckFacts,
): { readonly warnings: readonly BuildWarning[]; readonly isError: boolean } {
  const directive = readCheckDirective(text);
  const wanted = new Set(CHECKS.filter((name) => isWanted(name, directive)));
  const found = [
    ...checkWriting(dockerfile, text),
    ...checkStages(dockerfile),
    ...checkInstructions(dockerfile, facts),
    ...checkVariables(dockerfile, facts.baseVariables),
  ].filter(({ check }) => wanted.has(check));
  const warnings = found
    .sort((a, b) => a.line - b.line || (a.check < b.check ? -1 : a.check > b.check ? 1 : 0))
    .slice(0, MOST)
    .map(({ check, line, message }) => ({ check, message, file: dockerfile.file, line, excerpt: excerptOf(text, line) }));
  return { warnings, isError: directive.error && warnings.length > 0 };
}

function isWanted(name: CheckName, { skip, experimental }: CheckDirective): boolean {
  const lower = name.toLowerCase();
  if (skip.has("all") || skip.has(lower)) return false;
  return !EXPERIMENTAL.has(name) || experimental.has("all") || experimental.has(lower);
}
