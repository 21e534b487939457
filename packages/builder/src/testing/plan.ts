import type { ImageConfig } from "@plimsoll/core";
import { parseDockerfile } from "../dockerfile/parse.ts";
import { planStages, type StagePlan } from "../plan/stages.ts";
import { planSteps, type StageSteps } from "../plan/steps.ts";
import { BuildProblem } from "../problem.ts";

const BASE: ImageConfig = {
  architecture: "amd64",
  os: "linux",
  env: ["PATH=/bin", "BASE=b"],
  entrypoint: ["/base"],
  cmd: ["base-cmd"],
  user: "",
  workingDir: "/base",
  exposedPorts: ["1/tcp"],
  labels: { from: "base" },
};

export interface Given {
  readonly target?: string;
  readonly buildArgs?: Record<string, string>;
  /** Of every image. */
  readonly base?: Partial<ImageConfig>;
}

export interface Planned {
  readonly plan: StagePlan;
  readonly steps: readonly StageSteps[];
  readonly last: StageSteps;
}

/** For tests: plans a Dockerfile's text as a build does, every image having one config. */
export function plan(text: string, { target, buildArgs = {}, base = {} }: Given = {}): Planned {
  const dockerfile = parseDockerfile(text, "Dockerfile");
  const options = { architecture: "amd64", buildArgs, ...(target === undefined ? {} : { target }) } as const;
  const told = planStages(dockerfile, options);
  const triggers = new Map(told.images.map(({ reference }) => [reference, base.onBuild ?? []]));
  const stages = planStages(dockerfile, { ...options, triggers });
  const configs = new Map(stages.images.map(({ reference }) => [reference, { ...BASE, ...base }]));
  const steps = planSteps(stages, configs, { escape: dockerfile.escape, buildArgs, architecture: "amd64" });
  return { plan: stages, steps, last: steps.at(-1) as StageSteps };
}

/** For tests: why a Dockerfile is not planned. */
export function problemOf(text: string, given?: Given): BuildProblem["failure"] {
  try {
    plan(text, given);
  } catch (error) {
    if (error instanceof BuildProblem) return error.failure;
    throw error;
  }
  throw new Error("it was planned");
}
