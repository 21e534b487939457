import { ExpansionBudget } from "../dockerfile/budget.ts";
import type { Instruction } from "../dockerfile/instruction.ts";
import { readTrigger } from "../dockerfile/instructions.ts";
import { oneLine } from "../dockerfile/lines.ts";
import { nearest } from "../dockerfile/nearest.ts";
import type { Dockerfile, StageSource } from "../dockerfile/parse.ts";
import type { WordOptions } from "../dockerfile/words.ts";
import { problemAt, type SourceLocation } from "../problem.ts";
import { expandAt } from "./expand.ts";
import { type Origin, readOrigin } from "./origins.ts";
import { isHostPlatform } from "./platforms.ts";

export type { Origin };

/** A stage that the target needs. */
export interface PlannedStage {
  readonly index: number;
  /** Its name, or its number as text. */
  readonly label: string;
  readonly base: Origin | { readonly kind: "scratch" };
  /** Its own instructions, behind those that ONBUILD of the stage below brings. */
  readonly source: StageSource;
  /** What ONBUILD of its base image brings: these come first. Their place is the FROM. */
  readonly triggers: readonly Instruction[];
  /** Only triggers of a base image need it: it was not among the steps that people were told of. */
  readonly isLate: boolean;
  /** What `--from` of COPY and of mounts means in this stage, by the flag's text. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface PlannedImage {
  readonly reference: string;
  readonly at: SourceLocation;
  /** A stage with nearly this name: what was meant, where there is no such image. */
  readonly meant?: string;
}

export interface StagePlan {
  /** In the file's order: a stage comes after all that it needs. */
  readonly stages: readonly PlannedStage[];
  /** Index of the stage that becomes the image. */
  readonly target: number;
  /** Directories that named contexts of these stages are, each once. */
  readonly directories: readonly string[];
  /** Image references in order of appearance, each once, with the place that names it first. */
  readonly images: readonly PlannedImage[];
  /** Arguments that FROM lines see and stages may declare again. */
  readonly globalArgs: ReadonlyMap<string, string>;
}

export interface PlanOptions {
  /** Name or number of a stage; the last one by default. */
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** What names mean before stages and images of the name: namedContexts. */
  readonly contexts?: ReadonlyMap<string, Origin>;
  /** Of this host; images are built for no other. */
  readonly architecture: "amd64" | "arm64";
  /** ONBUILD triggers of base images, by reference: known when they are resolved, then the stages are planned once more. */
  readonly triggers?: ReadonlyMap<string, readonly string[]>;
}

/** Each is read for every stage on top. */
const MAX_TRIGGERS = 200;

/** Resolves names and arguments of FROM and `--from`, and keeps the stages that the target reaches. Pure. Throws BuildProblem. */
export function planStages(dockerfile: Dockerfile, options: PlanOptions): StagePlan {
  const words: WordOptions = { escape: dockerfile.escape, budget: new ExpansionBudget() };
  const globalArgs = readGlobalArgs(dockerfile, options, words);
  const byName = new Map<string, number>();
  const all: DraftStage[] = [];
  for (const [index, written] of dockerfile.stages.entries()) {
    const base = readBase(written, globalArgs, options, words, byName);
    const source = base.kind === "stage" ? withParentsTriggers(written, dockerfile.stages[base.index]) : written;
    const triggers = base.kind === "image" ? triggersOf(written, options.triggers?.get(base.reference) ?? []) : [];
    all.push({ index, label: source.from.name ?? String(index), base, source, triggers, above: new Map(byName) });
    if (source.from.name !== undefined) byName.set(source.from.name, index);
  }
  const target = findTarget(dockerfile, options.target, byName);
  const contexts = options.contexts ?? new Map();
  const early = reach(all, target, ({ base, source, index, above }) => [
    base,
    ...readOrigins(dockerfile, source.instructions, index, above, contexts).values(),
  ]);
  // What a stage that nobody needs copies from is nobody's matter, wrong or not.
  const origins = new Map<number, ReadonlyMap<string, Origin>>();
  reach(all, target, ({ base, source, triggers, index, above }) => {
    const own = readOrigins(dockerfile, [...triggers, ...source.instructions], index, above, contexts);
    origins.set(index, own);
    return [base, ...own.values()];
  });
  const stages = all.flatMap(({ above: _, ...stage }): PlannedStage[] => {
    const own = origins.get(stage.index);
    return own === undefined ? [] : [{ ...stage, origins: own, isLate: !early.has(stage.index) }];
  });
  return { stages, target, images: listImages(stages, dockerfile), directories: listDirectories(stages), globalArgs };
}

interface DraftStage extends Omit<PlannedStage, "origins" | "isLate"> {
  /** Names of the stages above. */
  readonly above: ReadonlyMap<string, number>;
}

/** ONBUILD of a stage counts for the stages right above it, as it would for builds on its image. */
function withParentsTriggers(stage: StageSource, parent: StageSource | undefined): StageSource {
  const texts = (parent?.instructions ?? []).flatMap((instruction) => (instruction.type === "onbuild" ? [instruction.trigger] : []));
  return texts.length === 0 ? stage : { from: stage.from, instructions: [...triggersOf(stage, texts), ...stage.instructions] };
}

function triggersOf({ from }: StageSource, texts: readonly string[]): readonly Instruction[] {
  if (texts.length > MAX_TRIGGERS) {
    throw problemAt(
      from.at,
      "dockerfile",
      `More than ${MAX_TRIGGERS} ONBUILD triggers are not run; write the instructions into this file.`,
    );
  }
  return texts.map((text) => readTrigger(text, { ...from.at, instruction: oneLine(`ONBUILD ${text}`) }));
}

function readGlobalArgs(dockerfile: Dockerfile, options: PlanOptions, words: WordOptions): Map<string, string> {
  const given = options.buildArgs ?? {};
  const platform = `linux/${options.architecture}`;
  const args = new Map<string, string>();
  for (const side of ["BUILD", "TARGET"]) {
    args.set(`${side}PLATFORM`, platform).set(`${side}OS`, "linux").set(`${side}ARCH`, options.architecture).set(`${side}VARIANT`, "");
  }
  args.set("TARGETSTAGE", options.target || dockerfile.stages.at(-1)?.from.name || "default");
  for (const name of args.keys()) if (Object.hasOwn(given, name)) args.set(name, given[name] ?? "");
  for (const { args: declared, at } of dockerfile.globalArgs) {
    for (const { name, value } of declared) {
      if (Object.hasOwn(given, name)) args.set(name, given[name] ?? "");
      else if (value !== undefined) args.set(name, expandAt(value, args, words, at));
    }
  }
  return args;
}

function readBase(
  { from }: StageSource,
  globalArgs: ReadonlyMap<string, string>,
  options: PlanOptions,
  words: WordOptions,
  byName: ReadonlyMap<string, number>,
): PlannedStage["base"] {
  const name = expandAt(from.base, globalArgs, words, from.at);
  if (name === "") {
    throw problemAt(
      from.at,
      "dockerfile",
      `"${from.base}" is empty here; only ARG lines before the first FROM are seen: give one a default value.`,
    );
  }
  if (from.platform !== undefined) {
    const platform = expandAt(from.platform, globalArgs, words, from.at);
    if (platform === "") {
      throw problemAt(from.at, "dockerfile", `"${from.platform}" is empty here; write --platform=$BUILDPLATFORM, or remove the flag.`);
    }
    if (!isHostPlatform(platform, options.architecture)) {
      throw problemAt(
        from.at,
        "unsupported",
        `Images are built for this host's platform only (linux/${options.architecture}), not for "${platform}"; remove --platform.`,
      );
    }
  }
  const context = options.contexts?.get(name.toLowerCase());
  if (context !== undefined) return context;
  if (name === "scratch") return { kind: "scratch" };
  const index = byName.get(name.toLowerCase());
  return index === undefined ? { kind: "image", reference: name } : { kind: "stage", index };
}

function readOrigins(
  dockerfile: Dockerfile,
  instructions: readonly Instruction[],
  current: number,
  byName: ReadonlyMap<string, number>,
  contexts: ReadonlyMap<string, Origin>,
): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  for (const instruction of instructions) {
    for (const { from, flag } of originNames(instruction)) {
      origins.set(from, readOrigin(dockerfile, { from, flag, at: instruction.at, current }, byName, contexts));
    }
  }
  return origins;
}

/** What an instruction names to take files from. */
function originNames(instruction: Instruction): readonly { readonly from: string; readonly flag: string }[] {
  if (instruction.type === "copy") return instruction.from === undefined ? [] : [{ from: instruction.from, flag: "COPY --from" }];
  if (instruction.type !== "run") return [];
  const fields = instruction.mounts.flatMap(({ fields }) => fields.filter(({ key }) => key === "from"));
  // `scratch` is no place: what is mounted from it begins empty.
  const named = fields.flatMap(({ value }) => (value === undefined || value === "" || value === "scratch" ? [] : [value]));
  return named.map((from) => ({ from, flag: "RUN --mount from" }));
}

function originsOf(instructions: readonly Instruction[], origins: ReadonlyMap<string, Origin>): readonly Origin[] {
  return instructions.flatMap(originNames).flatMap(({ from }) => origins.get(from) ?? []);
}

function findTarget(dockerfile: Dockerfile, target: string | undefined, byName: ReadonlyMap<string, number>): number {
  if (target === undefined || target === "") return dockerfile.stages.length - 1;
  const index = byName.get(target.toLowerCase()) ?? (/^\d+$/.test(target) ? Number(target) : undefined);
  if (index !== undefined && index < dockerfile.stages.length) return index;
  const names = [...byName.keys()];
  const known = names.length === 0 ? "no stage has a name: add AS and a name to a FROM line" : `its stages are ${names.join(", ")}`;
  const at = { file: dockerfile.file, line: dockerfile.stages.at(-1)?.from.at.line ?? 1 };
  throw problemAt(at, "dockerfile", `${dockerfile.file} has no stage "${target.slice(0, 100)}"; ${known}.`);
}

/** Indices of the stages that the target needs, itself among them; each is asked once. */
function reach(
  all: readonly DraftStage[],
  target: number,
  needs: (stage: DraftStage) => readonly PlannedStage["base"][],
): ReadonlySet<number> {
  const reached = new Set<number>();
  const pending = [target];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const stage = all[index];
    if (stage === undefined || reached.has(index)) continue;
    reached.add(index);
    for (const origin of needs(stage)) if (origin.kind === "stage") pending.push(origin.index);
  }
  return reached;
}

function listDirectories(stages: readonly PlannedStage[]): readonly string[] {
  const origins = stages.flatMap(({ base, origins }) => [base, ...origins.values()]);
  return [...new Set(origins.flatMap((origin) => (origin.kind === "directory" ? [origin.path] : [])))];
}

function listImages(stages: readonly PlannedStage[], dockerfile: Dockerfile): readonly PlannedImage[] {
  const images = new Map<string, SourceLocation>();
  const add = (origin: PlannedStage["base"], at: SourceLocation) => {
    if (origin.kind === "image" && !images.has(origin.reference)) images.set(origin.reference, at);
  };
  for (const { base, source, triggers, origins } of stages) {
    add(base, source.from.at);
    for (const instruction of [...triggers, ...source.instructions]) {
      for (const origin of originsOf([instruction], origins)) add(origin, instruction.at);
    }
  }
  const names = dockerfile.stages.flatMap(({ from }) => from.name ?? []);
  return [...images].map(([reference, at]) => {
    const meant = nearest(reference.toLowerCase(), names);
    return meant === undefined ? { reference, at } : { reference, at, meant };
  });
}
