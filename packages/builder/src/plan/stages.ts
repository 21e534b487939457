import type { Dockerfile, StageSource } from "../dockerfile/parse.ts";
import { WordError } from "../dockerfile/word-error.ts";
import { expandWord, type Variables } from "../dockerfile/words.ts";
import { problemAt, type SourceLocation } from "../problem.ts";

/** Where files come from: a stage of this file, or an image. */
export type Origin = { readonly kind: "stage"; readonly index: number } | { readonly kind: "image"; readonly reference: string };

/** A stage that the target needs. */
export interface PlannedStage {
  readonly index: number;
  /** Its name, or its number as text. */
  readonly label: string;
  readonly base: Origin | { readonly kind: "scratch" };
  readonly source: StageSource;
  /** What `COPY --from` means in this stage, by the flag's text. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface StagePlan {
  /** In the file's order: a stage comes after all that it needs. */
  readonly stages: readonly PlannedStage[];
  /** Index of the stage that becomes the image. */
  readonly target: number;
  /** Image references in order of appearance, each once, with the place that names it first. */
  readonly images: readonly { readonly reference: string; readonly at: SourceLocation }[];
  /** Arguments that FROM lines see and stages may declare again. */
  readonly globalArgs: ReadonlyMap<string, string>;
}

export interface PlanOptions {
  /** Name or number of a stage; the last one by default. */
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Of this host; images are built for no other. */
  readonly architecture: "amd64" | "arm64";
}

/** Resolves names and arguments of FROM and COPY --from, and keeps the stages that the target reaches. Pure. Throws BuildProblem. */
export function planStages(dockerfile: Dockerfile, options: PlanOptions): StagePlan {
  const globalArgs = readGlobalArgs(dockerfile, options);
  const byName = new Map<string, number>();
  const all: PlannedStage[] = [];
  for (const [index, source] of dockerfile.stages.entries()) {
    const base = readBase(dockerfile, source, globalArgs, options, byName);
    all.push({ index, label: source.from.name ?? String(index), base, source, origins: readOrigins(dockerfile, index, byName) });
    if (source.from.name !== undefined) byName.set(source.from.name, index);
  }
  const target = findTarget(dockerfile, options.target, byName);
  const reached = reach(all, target);
  const stages = all.filter(({ index }) => reached.has(index));
  return { stages, target, images: listImages(stages), globalArgs };
}

/** Expands a word for one instruction; a bad word becomes a problem at its place. */
export function expandAt(word: string, variables: Variables, escapeChar: "\\" | "`", at: SourceLocation): string {
  try {
    return expandWord(word, variables, { escape: escapeChar });
  } catch (error) {
    throw wordProblem(error, word, at);
  }
}

export function wordProblem(error: unknown, word: string, at: SourceLocation): unknown {
  if (!(error instanceof WordError)) return error;
  return problemAt(at, "dockerfile", `"${word.slice(0, 100)}" cannot be read: ${error.message}.`);
}

function readGlobalArgs(dockerfile: Dockerfile, options: PlanOptions): Map<string, string> {
  const given = options.buildArgs ?? {};
  const platform = `linux/${options.architecture}`;
  const args = new Map<string, string>();
  for (const side of ["BUILD", "TARGET"]) {
    args.set(`${side}PLATFORM`, platform).set(`${side}OS`, "linux").set(`${side}ARCH`, options.architecture).set(`${side}VARIANT`, "");
  }
  for (const name of args.keys()) if (Object.hasOwn(given, name)) args.set(name, given[name] ?? "");
  for (const { args: declared, at } of dockerfile.globalArgs) {
    for (const { name, value } of declared) {
      if (Object.hasOwn(given, name)) args.set(name, given[name] ?? "");
      else if (value !== undefined) args.set(name, expandAt(value, args, dockerfile.escape, at));
    }
  }
  return args;
}

function readBase(
  { escape: escapeChar }: Dockerfile,
  { from }: StageSource,
  globalArgs: ReadonlyMap<string, string>,
  options: PlanOptions,
  byName: ReadonlyMap<string, number>,
): PlannedStage["base"] {
  const name = expandAt(from.base, globalArgs, escapeChar, from.at);
  if (name === "") {
    throw problemAt(
      from.at,
      "dockerfile",
      `"${from.base}" is empty here; only ARG lines before the first FROM are seen: give one a default value.`,
    );
  }
  if (from.platform !== undefined) {
    const platform = expandAt(from.platform, globalArgs, escapeChar, from.at);
    if (platform !== `linux/${options.architecture}` && platform !== options.architecture) {
      throw problemAt(
        from.at,
        "unsupported",
        `Images are built for this host's platform only (linux/${options.architecture}), not for "${platform}"; remove --platform.`,
      );
    }
  }
  if (name === "scratch") return { kind: "scratch" };
  const index = byName.get(name.toLowerCase());
  return index === undefined ? { kind: "image", reference: name } : { kind: "stage", index };
}

function readOrigins(dockerfile: Dockerfile, current: number, byName: ReadonlyMap<string, number>): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  for (const instruction of dockerfile.stages[current]?.instructions ?? []) {
    if (instruction.type !== "copy" || instruction.from === undefined) continue;
    origins.set(instruction.from, readOrigin(dockerfile, instruction.from, instruction.at, current, byName));
  }
  return origins;
}

function readOrigin(
  dockerfile: Dockerfile,
  from: string,
  at: SourceLocation,
  current: number,
  byName: ReadonlyMap<string, number>,
): Origin {
  if (expandAt(from, { get: () => undefined }, dockerfile.escape, at) !== from) {
    throw problemAt(
      at,
      "dockerfile",
      "COPY --from takes no variables; give the image a stage of its own (FROM $IMAGE AS name) and copy from that name.",
    );
  }
  if (from === "") throw problemAt(at, "dockerfile", "COPY --from= names nothing; remove the flag to copy from the repository.");
  if (from.toLowerCase() === "scratch")
    throw problemAt(at, "dockerfile", "COPY --from=scratch has nothing to copy; name a stage or an image.");
  if (/^\d+$/.test(from)) {
    const index = Number(from);
    if (index < current) return { kind: "stage", index };
    const reason =
      index >= dockerfile.stages.length
        ? `the last stage has number ${dockerfile.stages.length - 1}`
        : "only stages above this one can be copied from";
    throw problemAt(at, "dockerfile", `There is no stage ${from} to copy from here: ${reason}.`);
  }
  const index = byName.get(from.toLowerCase());
  if (index !== undefined) return { kind: "stage", index };
  const later = dockerfile.stages.findIndex(({ from: { name } }) => name === from.toLowerCase());
  if (later === current) throw problemAt(at, "dockerfile", `Stage ${from} cannot copy from itself; a plain RUN cp does that.`);
  if (later >= 0) throw problemAt(at, "dockerfile", `Stage ${from} is defined below; move it above the stage that copies from it.`);
  return { kind: "image", reference: from };
}

function findTarget(dockerfile: Dockerfile, target: string | undefined, byName: ReadonlyMap<string, number>): number {
  if (target === undefined || target === "") return dockerfile.stages.length - 1;
  const index = byName.get(target.toLowerCase()) ?? (/^\d+$/.test(target) ? Number(target) : undefined);
  if (index !== undefined && index < dockerfile.stages.length) return index;
  const names = [...byName.keys()];
  const known = names.length === 0 ? "no stage has a name" : `its stages are ${names.join(", ")}`;
  const at = { file: dockerfile.file, line: dockerfile.stages.at(-1)?.from.at.line ?? 1 };
  throw problemAt(at, "dockerfile", `${dockerfile.file} has no stage "${target.slice(0, 100)}"; ${known}.`);
}

function reach(all: readonly PlannedStage[], target: number): Set<number> {
  const reached = new Set<number>();
  const pending = [target];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const stage = all[index];
    if (stage === undefined || reached.has(index)) continue;
    reached.add(index);
    for (const origin of [stage.base, ...stage.origins.values()]) if (origin.kind === "stage") pending.push(origin.index);
  }
  return reached;
}

function listImages(stages: readonly PlannedStage[]): StagePlan["images"] {
  const images = new Map<string, SourceLocation>();
  const add = (origin: PlannedStage["base"], at: SourceLocation) => {
    if (origin.kind === "image" && !images.has(origin.reference)) images.set(origin.reference, at);
  };
  for (const { base, source, origins } of stages) {
    add(base, source.from.at);
    for (const instruction of source.instructions) {
      const origin = instruction.type === "copy" && instruction.from !== undefined ? origins.get(instruction.from) : undefined;
      if (origin !== undefined) add(origin, instruction.at);
    }
  }
  return [...images].map(([reference, at]) => ({ reference, at }));
}
