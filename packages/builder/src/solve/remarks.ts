import type { ImageConfig } from "@plimsoll/core";
import { advise } from "../advice/advise.ts";
import type { ContextFile, LargestFiles } from "../advice/largest-files.ts";
import { checkDockerfile } from "../checks/check.ts";
import type { StagePlan } from "../plan/stages.ts";
import { problemAt } from "../problem.ts";
import type { Progress } from "./progress.ts";
import type { Recipe } from "./recipe.ts";
import type { Solution } from "./solver.ts";

/** Tells what the build checks find; throws BuildProblem where the Dockerfile wants a finding to end the build. Ours is not checked. */
export function tellWarnings(recipe: Recipe, plan: StagePlan, configs: ReadonlyMap<string, ImageConfig>, progress: Progress): void {
  const { dockerfile, rules, text, written } = recipe;
  if (written !== undefined) return;
  const baseVariables = new Map(
    plan.stages.flatMap(({ index, base }) => {
      const config = base.kind === "image" ? configs.get(base.reference) : undefined;
      return config === undefined ? [] : [[index, new Set(config.env.map((one) => one.split("=", 1)[0] ?? ""))] as const];
    }),
  );
  const isIgnored = (path: string) => rules?.ignores(path) === true;
  const { warnings, isError } = checkDockerfile(dockerfile, text, { isIgnored, baseVariables });
  for (const warning of warnings) progress.warning(warning);
  const [first] = warnings;
  if (!isError || first === undefined) return;
  const { file, line, check, message } = first;
  throw problemAt({ file, line }, "dockerfile", `${message} (${check}; the file says # check=error=true)`);
}

/** A build that is over by then is not held up by another program's start; the next one of the same tree knows. */
const LOOK_AFTER_MS = 150;

/** Looks for the largest files beside the build; answers what is known by then, and waits for nothing. */
export function lookForLargest(
  largest: LargestFiles,
  repository: string,
  { source, rules, written }: Recipe,
): () => readonly ContextFile[] {
  let known: readonly ContextFile[] = [];
  const look = async () => {
    known = await largest.of(repository, source.rootId, source.ignore?.text, rules);
  };
  if (largest.knows(source.rootId, source.ignore?.text)) void look();
  else if (written === undefined) setTimeout(() => void look(), LOOK_AFTER_MS).unref();
  return () => known;
}

/** Tells what would make it better, where there is something. */
export function tellAdvice(
  recipe: Recipe,
  plan: StagePlan,
  solution: Solution,
  largestFiles: readonly ContextFile[],
  progress: Progress,
): void {
  const { dockerfile, rules, written } = recipe;
  if (written !== undefined) return;
  const stages = plan.stages.filter(({ isLate }) => !isLate).map(({ index }) => dockerfile.stages[index]);
  const target = dockerfile.stages[plan.target];
  const bases = plan.images.flatMap(({ reference, at }) => (at.file === dockerfile.file ? [{ reference, line: at.line }] : []));
  const advice = advise({
    file: dockerfile.file,
    stages: [...stages.filter((stage) => stage !== target), target].filter((stage) => stage !== undefined),
    bases,
    user: solution.config.user,
    hasIgnoreFile: rules !== undefined,
    largestFiles,
    layers: solution.added,
  });
  if (advice.length > 0) progress.advice(advice);
}
