import { posix } from "node:path";
import type { BuildStep, ImageConfig } from "@plimsoll/core";
import type { Command, Instruction } from "../dockerfile/instruction.ts";
import type { Escape } from "../dockerfile/lines.ts";
import { oneLine } from "../dockerfile/lines.ts";
import { expandWords } from "../dockerfile/words.ts";
import { problemAt, type SourceLocation } from "../problem.ts";
import type { Action, CopyAction, RunAction, WorkdirAction } from "./actions.ts";
import { refuseUnexecutable } from "./executable.ts";
import { readPorts } from "./ports.ts";
import { expandAt, type PlannedStage, type StagePlan, wordProblem } from "./stages.ts";

export interface StepPlace {
  /** Unique in the build, in the file's order; 0 is the first FROM. */
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
}

/** What a stage hands to the one that builds on it. */
interface StageState {
  readonly config: ImageConfig;
  /** What words expand with and RUN sees: ENV and ARG in one, the later one counts. */
  readonly variables: ReadonlyMap<string, string>;
}

export interface StepOptions {
  readonly escape: Escape;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly architecture: "amd64" | "arm64";
}

/** As in BuildKit, for images without one. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PROXIES = /^(?:https?|ftp|no|all)_proxy$/i;
const SHELL = ["/bin/sh", "-c"] as const;

const STEP_TYPES: ReadonlySet<Instruction["type"]> = new Set(["run", "copy", "workdir"]);

/** The steps as people see them, before any image is known: every FROM, RUN, COPY and WORKDIR, in the file's order. */
export function listSteps(plan: StagePlan): readonly BuildStep[] {
  const places = plan.stages.flatMap(({ label: stage, source }) => {
    const changing = source.instructions.filter(({ type }) => STEP_TYPES.has(type));
    return [source.from.at, ...changing.map(({ at }) => at)].map((at) => ({ stage, at }));
  });
  return places.map(({ stage, at }, index) => ({ index, stage, label: label(at), line: at.line }));
}

/** Index of the FROM step of each stage of the plan, by the stage's index. */
export function fromSteps(plan: StagePlan): ReadonlyMap<number, number> {
  let next = 0;
  return new Map(
    plan.stages.map(({ index, source }) => {
      const step = next;
      next += 1 + source.instructions.filter(({ type }) => STEP_TYPES.has(type)).length;
      return [index, step];
    }),
  );
}

/**
 * Turns the stages' instructions into steps with all words expanded, and into image configs. Pure. `configs` holds the config of every image
 * of the plan. Indices are those of listSteps. Throws BuildProblem.
 */
export function planSteps(plan: StagePlan, configs: ReadonlyMap<string, ImageConfig>, options: StepOptions): readonly StageSteps[] {
  const states = new Map<number, StageState>();
  const result: StageSteps[] = [];
  let index = 0;
  for (const stage of plan.stages) {
    const from = { index: index++, at: stage.source.from.at, label: label(stage.source.from.at) };
    const evaluator = new StageEvaluator(stage, startState(stage, states, configs, options), plan.globalArgs, options);
    const steps: Step[] = [];
    for (const instruction of stage.source.instructions) {
      const action = evaluator.apply(instruction);
      if (action === undefined) continue;
      refuseUnexecutable(action, instruction.at);
      steps.push({ index: index++, at: instruction.at, label: label(instruction.at), ...action });
    }
    states.set(stage.index, { config: evaluator.config, variables: evaluator.variables });
    result.push({ stage, from, steps, config: evaluator.config });
  }
  return result;
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
  const config: ImageConfig = found ?? {
    architecture,
    os: "linux",
    env: [],
    entrypoint: [],
    cmd: [],
    user: "",
    workingDir: "/",
    exposedPorts: [],
    labels: {},
  };
  const env = config.env.some((entry) => entry.startsWith("PATH=")) ? config.env : [...config.env, `PATH=${DEFAULT_PATH}`];
  return { config: { ...config, env }, variables: new Map(env.map(splitEnv)) };
}

function splitEnv(entry: string): [string, string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

class StageEvaluator {
  config: ImageConfig;
  variables: ReadonlyMap<string, string>;
  private cmdIsOurs = false;
  private readonly stage: PlannedStage;
  private readonly globalArgs: ReadonlyMap<string, string>;
  private readonly options: StepOptions;

  constructor(stage: PlannedStage, state: StageState, globalArgs: ReadonlyMap<string, string>, options: StepOptions) {
    this.stage = stage;
    this.config = state.config;
    this.variables = state.variables;
    this.globalArgs = globalArgs;
    this.options = options;
  }

  /** Applies one instruction; what changes files is returned as an action. */
  apply(instruction: Instruction): Action | undefined {
    const { at } = instruction;
    switch (instruction.type) {
      case "run":
        return this.run(instruction.command);
      case "copy":
        return this.copy(instruction);
      case "workdir":
        return this.workdir(instruction.path, at);
      case "env":
        this.env(instruction.pairs, at);
        return undefined;
      case "arg":
        this.arg(instruction.args, at);
        return undefined;
      case "label": {
        const labels = { ...this.config.labels };
        for (const [name, value] of this.expandPairs(instruction.pairs, at)) labels[name] = value;
        this.config = { ...this.config, labels };
        return undefined;
      }
      case "user": {
        const user = this.expand(instruction.user, at);
        if (user.trim() === "")
          throw problemAt(at, "dockerfile", `"${instruction.user}" is empty here, which would mean root; give the variable a value.`);
        this.config = { ...this.config, user };
        return undefined;
      }
      case "expose":
        this.expose(instruction.ports, at);
        return undefined;
      case "cmd":
        this.cmdIsOurs = true;
        this.config = { ...this.config, cmd: commandLine(instruction.command) };
        return undefined;
      case "entrypoint":
        // A CMD of the base was written for the base's entrypoint; one of this stage is meant for this one.
        this.config = { ...this.config, entrypoint: commandLine(instruction.command), cmd: this.cmdIsOurs ? this.config.cmd : [] };
        return undefined;
      default:
        throw problemAt(at, "unsupported", `${instruction.type.toUpperCase()} is not supported yet; remove the line.`);
    }
  }

  private run(command: Command): RunAction {
    const given = Object.entries(this.options.buildArgs).filter(([name]) => PROXIES.test(name) && !this.variables.has(name));
    // Programs disagree on the case, so each is set in both, as BuildKit does.
    const proxies = new Map(given.flatMap(([name, value]) => [name.toUpperCase(), name.toLowerCase()].map((spelled) => [spelled, value])));
    return {
      type: "run",
      argv: commandLine(command),
      env: [...this.variables].map(([name, value]) => `${name}=${value}`).sort(),
      proxies: [...proxies].map(([name, value]) => `${name}=${value}`).sort(),
      cwd: this.config.workingDir || "/",
      user: this.config.user,
      mounts: [],
      network: "default",
      files: [],
    };
  }

  private copy(instruction: Instruction & { type: "copy" }): CopyAction {
    const { at, from, chown, chmod } = instruction;
    const origin = from === undefined ? ({ kind: "context" } as const) : this.stage.origins.get(from);
    if (origin === undefined) throw new Error(`the origin ${from} was not planned`);
    const sources = instruction.sources.map((source) => this.expand(source, at));
    const remote = sources.find((source) => /^(?:https?|git|ssh):\/\/|^git@/i.test(source));
    if (remote !== undefined)
      throw problemAt(at, "dockerfile", `COPY takes files, not URLs (${remote.slice(0, 100)}); fetch it with RUN and curl.`);
    const owner = chown === undefined ? "" : this.expand(chown, at);
    const mode = chmod === undefined ? "" : this.expand(chmod, at);
    return {
      type: "copy",
      from: origin,
      sources,
      destination: destinationPath(this.config.workingDir, this.expand(instruction.destination, at)),
      inline: [],
      link: false,
      parents: false,
      exclude: [],
      ...(owner === "" ? {} : { chown: owner }),
      ...(mode === "" ? {} : { chmod: readMode(mode, at) }),
    };
  }

  private workdir(path: string, at: SourceLocation): WorkdirAction {
    const written = this.expand(path, at);
    const joined = written.startsWith("/") ? posix.normalize(written) : posix.join("/", this.config.workingDir, written);
    const workingDir = joined.replace(/(?<=.)\/+$/, "");
    this.config = { ...this.config, workingDir };
    return { type: "workdir", path: workingDir, user: this.config.user };
  }

  private env(pairs: readonly (readonly [string, string])[], at: SourceLocation): void {
    const variables = new Map(this.variables);
    const env = [...this.config.env];
    // All values of one instruction see the environment before it.
    for (const [name, value] of this.expandPairs(pairs, at)) {
      variables.set(name, value);
      const known = env.findIndex((entry) => splitEnv(entry)[0] === name);
      if (known < 0) env.push(`${name}=${value}`);
      else env[known] = `${name}=${value}`;
    }
    this.variables = variables;
    this.config = { ...this.config, env };
  }

  /** A value given by the caller, else the default, else the global ARG's. Each declaration sees the ones before it. */
  private arg(args: readonly { readonly name: string; readonly value?: string }[], at: SourceLocation): void {
    for (const { name, value } of args) {
      const given = Object.hasOwn(this.options.buildArgs, name) ? this.options.buildArgs[name] : undefined;
      const chosen = given ?? (value === undefined ? this.globalArgs.get(name) : this.expand(value, at));
      if (chosen !== undefined) this.variables = new Map(this.variables).set(name, chosen);
    }
  }

  private expose(ports: readonly string[], at: SourceLocation): void {
    const exposed = new Set(this.config.exposedPorts);
    for (const word of ports) {
      let expanded: readonly string[];
      try {
        expanded = expandWords(word, this.variables, { escape: this.options.escape });
      } catch (error) {
        throw wordProblem(error, word, at);
      }
      for (const text of expanded) for (const port of readPorts(text, at)) exposed.add(port);
    }
    this.config = { ...this.config, exposedPorts: [...exposed] };
  }

  private expandPairs(pairs: readonly (readonly [string, string])[], at: SourceLocation): [string, string][] {
    return pairs.map(([name, value]) => {
      const expanded = this.expand(name, at);
      if (expanded === "" || expanded.includes("=")) throw problemAt(at, "dockerfile", `"${name.slice(0, 100)}" gives no usable name.`);
      return [expanded, this.expand(value, at)];
    });
  }

  private expand(word: string, at: SourceLocation): string {
    return expandAt(word, this.variables, this.options.escape, at);
  }
}

function commandLine(command: Command): readonly string[] {
  return command.form === "exec" ? command.argv : [...SHELL, command.line];
}

/** Joined to the working directory; a trailing slash, and `.` meaning one, is kept. */
function destinationPath(workingDir: string, written: string): string {
  const isDirectory = written === "" || written === "." || written.endsWith("/") || written.endsWith("/.");
  const path = written.startsWith("/") ? posix.normalize(written) : posix.join("/", workingDir, written);
  const bare = path.replace(/(?<=.)\/+$/, "");
  return isDirectory && bare !== "/" ? `${bare}/` : bare;
}

function readMode(text: string, at: SourceLocation): number {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  const symbolic = /^[ugoa]*[+=-]/.test(text);
  if (symbolic)
    throw problemAt(
      at,
      "unsupported",
      `Symbolic modes (--chmod=${text.slice(0, 40)}) are not supported yet; write it in octal, as in --chmod=755.`,
    );
  throw problemAt(at, "dockerfile", `--chmod=${text.slice(0, 40)} is no mode; write octal digits from 0 to 7777, as in --chmod=755.`);
}
