import type { BuildStep, HistoryEntry, ImageConfig } from "@plimsoll/core";
import { ExpansionBudget } from "../dockerfile/budget.ts";
import type { Escape } from "../dockerfile/directives.ts";
import type { Instruction } from "../dockerfile/instruction.ts";
import { oneLine } from "../dockerfile/lines.ts";
import type { SourceLocation } from "../problem.ts";
import type { Action } from "./actions.ts";
import { StageEvaluator, type StageState, stateOfImage } from "./evaluator.ts";
import type { PlannedStage, StagePlan } from "./stages.ts";

export interface StepPlace {
  /** In the build, in the file's order; 0 is the first FROM. What a base image's ONBUILD brings has the index of the FROM. */
  readonly index: number;
  readonly at: SourceLocation;
  /** For people, on one line. */
  readonly label: string;
}

/** Something that changes files. */
export type Step = StepPlace & Action;

export interface StageSteps {
  readonly stage: PlannedStage;
  /** Its FROM line. */
  readonly from: StepPlace;
  readonly steps: readonly Step[];
  /** The image config that the stage ends with. */
  readonly config: ImageConfig;
  /** From the image on that it stands on; every step's entry is one of a layer. */
  readonly history: readonly HistoryEntry[];
}

export interface StepOptions {
  readonly escape: Escape;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly architecture: "amd64" | "arm64";
}

const STEP_TYPES: ReadonlySet<Instruction["type"]> = new Set<Action["type"]>(["run", "copy", "add", "workdir"]);

/** The steps as people see them, before any image is known: every FROM, RUN, COPY, ADD and WORKDIR, in the file's order. */
export function listSteps(plan: StagePlan): readonly BuildStep[] {
  const places = shown(plan).flatMap(({ label: stage, source }) => {
    const changing = source.instructions.filter(({ type }) => STEP_TYPES.has(type));
    return [source.from.at, ...changing.map(({ at }) => at)].map((at) => ({ stage, at }));
  });
  return places.map(({ stage, at }, index) => ({ index, stage, label: label(at), line: at.line }));
}

/** Index of the FROM step of each stage of the plan, by the stage's index. */
export function fromSteps(plan: StagePlan): ReadonlyMap<number, number> {
  let next = 0;
  return new Map(
    shown(plan).map(({ index, source }) => {
      const step = next;
      next += 1 + source.instructions.filter(({ type }) => STEP_TYPES.has(type)).length;
      return [index, step];
    }),
  );
}

/**
 * Turns the stages' instructions into steps with all words expanded, and into image configs. Pure. `configs` holds the config of every image
 * of the plan. Indices are those of listSteps; stages that nobody was told of share the index of the target's FROM. Throws BuildProblem.
 */
export function planSteps(plan: StagePlan, configs: ReadonlyMap<string, ImageConfig>, options: StepOptions): readonly StageSteps[] {
  const states = new Map<number, StageState>();
  const indices = fromSteps(plan);
  const words = { escape: options.escape, budget: new ExpansionBudget() };
  return plan.stages.map((stage) => {
    const first = indices.get(stage.index);
    const fromIndex = first ?? indices.get(plan.target) ?? 0;
    const evaluator = new StageEvaluator(stage, startState(stage, states, configs, options), plan.globalArgs, {
      words,
      buildArgs: options.buildArgs,
    });
    const steps: Step[] = [];
    let index = fromIndex;
    const apply = (instruction: Instruction, hasOwnIndex: boolean) => {
      const action = evaluator.apply(instruction);
      if (action === undefined) return;
      if (hasOwnIndex) index++;
      steps.push({ index, at: instruction.at, label: label(instruction.at), ...action });
    };
    for (const instruction of stage.triggers) apply(instruction, false);
    for (const instruction of stage.source.instructions) apply(instruction, first !== undefined);
    states.set(stage.index, evaluator.state);
    const { at } = stage.source.from;
    const { config, history } = evaluator.state;
    return { stage, from: { index: fromIndex, at, label: label(at) }, steps, config, history };
  });
}

function shown({ stages }: StagePlan): readonly PlannedStage[] {
  return stages.filter(({ isLate }) => !isLate);
}

function label(at: SourceLocation): string {
  const text = oneLine(at.instruction ?? "", 80);
  const space = text.indexOf(" ");
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}

function startState(
  { base }: PlannedStage,
  states: ReadonlyMap<number, StageState>,
  configs: ReadonlyMap<string, ImageConfig>,
  { architecture }: StepOptions,
): StageState {
  if (base.kind === "stage") {
    const state = states.get(base.index);
    if (state === undefined) throw new Error(`stage ${base.index} is built on before it is planned`);
    return state;
  }
  const found = base.kind === "image" ? configs.get(base.reference) : undefined;
  if (base.kind === "image" && found === undefined) throw new Error(`the config of ${base.reference} is missing`);
  const empty = { env: [], entrypoint: [], cmd: [], user: "", workingDir: "/", exposedPorts: [], labels: {} };
  return stateOfImage(found ?? { architecture, os: "linux", ...empty });
}
