import type { Healthcheck, HistoryEntry, ImageConfig } from "@plimsoll/core";
import type { ArgDeclaration, Command, HealthcheckInstruction, Instruction, RunInstruction } from "../dockerfile/instruction.ts";
import { expandWords, type WordOptions } from "../dockerfile/words.ts";
import { problemAt, type SourceLocation } from "../problem.ts";
import type { Action, RunAction, WorkdirAction } from "./actions.ts";
import { addAction, copyAction } from "./copy-actions.ts";
import { wordProblem } from "./expand.ts";
import { checkCount, checkValue, checkVariables } from "./limits.ts";
import { readPorts } from "./ports.ts";
import { runCommand } from "./run-actions.ts";
import { runMounts } from "./run-mounts.ts";
import { absolute, expandIn, type Scope } from "./scope.ts";
import { checkSignal } from "./signals.ts";
import type { PlannedStage } from "./stages.ts";

/** What a stage hands to the one that builds on it. */
export interface StageState {
  readonly config: ImageConfig;
  /** What words expand with and RUN sees: ENV and ARG in one, the later one counts. */
  readonly variables: ReadonlyMap<string, string>;
  /** Every step's entry is one of a layer. */
  readonly history: readonly HistoryEntry[];
}

export interface EvaluationOptions {
  readonly words: WordOptions;
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** As in BuildKit, for images without one. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PROXIES = /^(?:https?|ftp|no|all)_proxy$/i;
/** A port made into text and kept costs as much as so many characters. */
const PORT_UNITS = 4;
const DEFAULT_SHELL = ["/bin/sh", "-c"] as const;

/** The state that a stage begins with on an image. Its ONBUILD triggers are the stage's first instructions, and are not handed on. */
export function stateOfImage({ onBuild: _, history = [], ...config }: ImageConfig): StageState {
  const env = config.env.some((entry) => entry.startsWith("PATH=")) ? config.env : [...config.env, `PATH=${DEFAULT_PATH}`];
  return { config: { ...config, env }, variables: new Map(env.map(splitEnv)), history };
}

/** Applies a stage's instructions one after the other: to its image config, and to what later ones see. */
export class StageEvaluator {
  private config: ImageConfig;
  private variables: ReadonlyMap<string, string>;
  private readonly history: HistoryEntry[];
  private cmdIsOurs = false;
  private readonly stage: PlannedStage;
  private readonly globalArgs: ReadonlyMap<string, string>;
  private readonly options: EvaluationOptions;
  /** Texts of variables, made once: thousands of RUN share them. */
  private readonly entries = new Map<string, { readonly value: string; readonly text: string }>();
  private environment: { readonly of: ReadonlyMap<string, string>; readonly env: readonly string[] } | undefined;

  constructor(
    stage: PlannedStage,
    { config, variables, history }: StageState,
    globalArgs: ReadonlyMap<string, string>,
    options: EvaluationOptions,
  ) {
    const { onBuild: _, ...inherited } = config;
    this.stage = stage;
    this.config = inherited;
    this.history = [...history];
    this.variables = variables;
    this.globalArgs = globalArgs;
    this.options = options;
  }

  get state(): StageState {
    return { config: this.config, variables: this.variables, history: this.history };
  }

  /**
   * What changes files is returned as an action; its entry of the history is one of a layer, whether it comes to one or not (see
   * settleHistory). Throws BuildProblem.
   */
  apply(instruction: Instruction): Action | undefined {
    const action = this.evaluate(instruction);
    const createdBy = instruction.at.instruction ?? instruction.type.toUpperCase();
    this.history.push(action === undefined ? { createdBy, emptyLayer: true } : { createdBy });
    return action;
  }

  private evaluate(instruction: Instruction): Action | undefined {
    const scope = this.scope(instruction.at);
    switch (instruction.type) {
      case "run":
        return this.run(instruction, scope);
      case "copy":
        return copyAction(instruction, scope);
      case "add":
        return addAction(instruction, scope);
      case "workdir":
        return this.workdir(instruction.path, scope);
      case "env":
        return this.env(instruction.pairs, scope);
      case "arg":
        return this.arg(instruction.args, instruction.at);
      case "label":
        return this.label(instruction.pairs, scope);
      case "user":
        return this.user(instruction.user, scope);
      case "expose":
        return this.expose(instruction.ports, scope);
      case "volume":
        return this.volume(instruction.paths, scope);
      case "stopsignal":
        return this.set({ stopSignal: checkSignal(expandIn(scope, instruction.signal), instruction.at) });
      case "shell":
        return this.set({ shell: instruction.argv });
      case "healthcheck":
        return this.set({ healthcheck: healthcheck(instruction) });
      case "maintainer":
        return this.set({ author: instruction.name });
      case "onbuild":
        return this.set({ onBuild: [...(this.config.onBuild ?? []), instruction.trigger] });
      case "cmd":
        this.cmdIsOurs = true;
        return this.set({ cmd: this.commandLine(instruction.command) });
      case "entrypoint":
        // A CMD of the base was written for the base's entrypoint; one of this stage is meant for this one.
        return this.set({ entrypoint: this.commandLine(instruction.command), cmd: this.cmdIsOurs ? this.config.cmd : [] });
    }
  }

  private set(change: Partial<ImageConfig>): undefined {
    this.config = { ...this.config, ...change };
  }

  private scope(at: SourceLocation): Scope {
    const { workingDir } = this.config;
    return { at, variables: this.variables, words: this.options.words, workingDir, origins: this.stage.origins };
  }

  private run(instruction: RunInstruction, scope: Scope): RunAction {
    const given = Object.entries(this.options.buildArgs).filter(([name]) => PROXIES.test(name) && !this.variables.has(name));
    // Programs disagree on the case, so each is set in both, as BuildKit does.
    const proxies = new Map(given.flatMap(([name, value]) => [name.toUpperCase(), name.toLowerCase()].map((spelled) => [spelled, value])));
    return {
      type: "run",
      ...runCommand(instruction, this.shell()),
      env: this.environmentNow(),
      proxies: [...proxies].map(([name, value]) => `${name}=${value}`).sort(),
      cwd: this.config.workingDir || "/",
      user: this.config.user,
      mounts: runMounts(instruction.mounts, scope),
      network: instruction.network,
    };
  }

  private workdir(path: string, scope: Scope): WorkdirAction {
    const workingDir = absolute(scope, expandIn(scope, path));
    this.set({ workingDir });
    return { type: "workdir", path: workingDir, user: this.config.user };
  }

  private environmentNow(): readonly string[] {
    if (this.environment?.of === this.variables) return this.environment.env;
    const env = [...this.variables].map(([name, value]) => {
      const known = this.entries.get(name);
      if (known?.value === value) return known.text;
      const text = `${name}=${value}`;
      this.entries.set(name, { value, text });
      return text;
    });
    this.environment = { of: this.variables, env: env.sort() };
    return env;
  }

  private env(pairs: readonly (readonly [string, string])[], scope: Scope): undefined {
    const variables = new Map(this.variables);
    const env = new Map(this.config.env.map((entry) => [splitEnv(entry)[0], entry]));
    // All values of one instruction see the environment before it.
    for (const [name, value] of expandPairs(pairs, scope)) {
      variables.set(name, value);
      env.set(name, `${name}=${value}`);
    }
    checkVariables(variables, scope.at);
    this.variables = variables;
    this.set({ env: [...env.values()] });
  }

  /** A value given by the caller, else the default, else the global ARG's. Each declaration sees the ones before it. */
  private arg(args: readonly ArgDeclaration[], at: SourceLocation): undefined {
    const variables = new Map(this.variables);
    const scope = { ...this.scope(at), variables };
    for (const { name, value } of args) {
      const given = Object.hasOwn(this.options.buildArgs, name) ? this.options.buildArgs[name] : undefined;
      const chosen = given ?? (value === undefined ? this.globalArgs.get(name) : expandIn(scope, value));
      if (chosen !== undefined) variables.set(name, chosen);
    }
    checkVariables(variables, at);
    this.variables = variables;
  }

  private label(pairs: readonly (readonly [string, string])[], scope: Scope): undefined {
    const added = expandPairs(pairs, scope);
    for (const [name, value] of added) checkValue(name, value, scope.at);
    const labels = { ...this.config.labels, ...Object.fromEntries(added) };
    checkCount(Object.keys(labels).length, "labels", scope.at);
    this.set({ labels });
  }

  private user(word: string, scope: Scope): undefined {
    const user = expandIn(scope, word);
    if (user.trim() === "") {
      throw problemAt(scope.at, "dockerfile", `"${word}" is empty here, which would mean root; give the variable a value.`);
    }
    this.set({ user });
  }

  private expose(ports: readonly string[], { at, variables, words }: Scope): undefined {
    const exposed = new Set(this.config.exposedPorts);
    for (const word of ports) {
      try {
        words.budget?.spend(exposed.size);
        for (const text of expandWords(word, variables, words)) {
          const range = readPorts(text, at);
          words.budget?.spend(PORT_UNITS * range.length);
          for (const port of range) exposed.add(port);
        }
      } catch (error) {
        throw wordProblem(error, word, at);
      }
    }
    this.set({ exposedPorts: [...exposed] });
  }

  private volume(words: readonly string[], scope: Scope): undefined {
    const volumes = new Set(this.config.volumes);
    for (const word of words) {
      const path = expandIn(scope, word);
      if (path === "") throw problemAt(scope.at, "dockerfile", `"${word.slice(0, 100)}" is empty here; give the variable a value.`);
      volumes.add(path);
    }
    checkCount(volumes.size, "volumes", scope.at);
    this.set({ volumes: [...volumes] });
  }

  private shell(): readonly string[] {
    const { shell } = this.config;
    return shell === undefined || shell.length === 0 ? DEFAULT_SHELL : shell;
  }

  private commandLine(command: Command): readonly string[] {
    return command.form === "exec" ? command.argv : [...this.shell(), command.line];
  }
}

function healthcheck(instruction: HealthcheckInstruction): Healthcheck {
  if (instruction.kind === "none") return { test: ["NONE"] };
  const { command, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = instruction;
  return {
    test: command.form === "exec" ? ["CMD", ...command.argv] : ["CMD-SHELL", command.line],
    ...(intervalNs === undefined ? {} : { intervalNs }),
    ...(timeoutNs === undefined ? {} : { timeoutNs }),
    ...(startPeriodNs === undefined ? {} : { startPeriodNs }),
    ...(startIntervalNs === undefined ? {} : { startIntervalNs }),
    ...(retries === undefined ? {} : { retries }),
  };
}

function expandPairs(pairs: readonly (readonly [string, string])[], scope: Scope): [string, string][] {
  return pairs.map(([name, value]) => {
    const expanded = expandIn(scope, name);
    if (expanded === "" || expanded.includes("=")) {
      throw problemAt(scope.at, "dockerfile", `"${name.slice(0, 100)}" gives no usable name; write NAME=value.`);
    }
    return [expanded, expandIn(scope, value)];
  });
}

function splitEnv(entry: string): [string, string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}
