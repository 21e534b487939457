import { join } from "node:path";
import type { LayerStore, ResolvedBase } from "@plimsoll/containers";
import { AppError, type BuildLimits, type Digest, type HistoryEntry, type Image, type ImageConfig, type LayerRef } from "@plimsoll/core";
import type { CacheMounts } from "../cache/cache-mounts.ts";
import { recordedLayer } from "../cache/copy-record.ts";
import type { StepCache, StepResult } from "../cache/step-cache.ts";
import type { Taking } from "../context/filter.ts";
import { literalPattern, PatternError } from "../context/pattern.ts";
import { MissingSource } from "../context/select.ts";
import { contentOf, take } from "../context/take.ts";
import type { WorkerResult } from "../execute/protocol.ts";
import type { AddAction, CopyAction, RunAction, WorkdirAction } from "../plan/actions.ts";
import { settleHistory } from "../plan/history.ts";
import { addKey, type CopyContent, copyFromKey, copyKey, epochKey, runKey, type StepKey, workdirKey } from "../plan/keys.ts";
import type { Origin, PlannedStage } from "../plan/stages.ts";
import type { StageSteps, Step, StepPlace } from "../plan/steps.ts";
import { problemAt } from "../problem.ts";
import { explainMissing, explainStep } from "./explain.ts";
import type { Progress } from "./progress.ts";
import type { NamedContext, Recipe } from "./recipe.ts";
import { type RemoteSource, RemoteSources } from "./remote-sources.ts";
import { RunMounts } from "./run-mounts.ts";
import { StepFailed, type WorkerClient, WorkerOutOfMemory } from "./worker-client.ts";

/** The promise's outcome, or the signal's reason as soon as it is aborted; what the promise stands for goes on. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

type Made = WorkerResult & { readonly wasKnown?: true; readonly tookMs?: number };

/** Steps of independent stages that may be executed at one time. */
const SIDE_BY_SIDE = 2;

export interface SolverOptions {
  readonly recipe: Recipe;
  readonly stages: readonly StageSteps[];
  /** Directories that named contexts are, by path. */
  readonly contexts: ReadonlyMap<string, NamedContext>;
  /** Every image of the plan, resolved. */
  readonly bases: ReadonlyMap<string, ResolvedBase>;
  readonly architecture: ImageConfig["architecture"];
  readonly cache: StepCache;
  readonly layers: LayerStore;
  readonly worker: WorkerClient;
  readonly progress: Progress;
  readonly limits: BuildLimits;
  readonly namespaceUid: string;
  /** For people. */
  readonly namespaceName: string | undefined;
  readonly appName: string | undefined;
  readonly cacheMounts: CacheMounts;
  /** Where records of what COPY took are kept. */
  readonly copiesDir: string;
  /** Of the app, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Seconds since 1970: no file of the layers is younger. */
  readonly sourceDateEpoch: number | undefined;
  /** Only what this build has made itself is known. */
  readonly noCache: boolean;
  /** Keys that any build of this namespace executes now; whoever needs one of them waits. */
  readonly executing: Map<StepKey, Promise<void>>;
  /** Where it says which layers this build stands on: from then on they are not collected. */
  readonly held: Set<Digest>;
  readonly signal: AbortSignal;
}

export interface Solution {
  readonly layers: readonly LayerRef[];
  readonly config: ImageConfig;
  /** Layers that were made now. */
  readonly made: ReadonlySet<Digest>;
  /** What steps have added to the image. */
  readonly added: readonly { readonly label: string; readonly line: number; readonly bytes: number }[];
}

/**
 * Brings the stages' steps to layers: each from the cache where its key is known, else executed by the worker. Stages run side by side,
 * the steps of one in order. The first failure ends it; the caller then closes the worker.
 */
export class Solver {
  private readonly options: SolverOptions;
  private readonly stages = new Map<number, Promise<readonly LayerRef[]>>();
  private readonly made = new Set<Digest>();
  /** By stage, for each of its steps: whether it came to a layer. */
  private readonly madeLayers = new Map<number, boolean[]>();
  private readonly stepOf = new Map<Digest, Step>();
  /** Results of this build, by what they are called in the cache. */
  private readonly own = new Map<StepKey, StepResult>();
  private free = SIDE_BY_SIDE;
  private readonly waiting: (() => void)[] = [];
  private readonly mounts: RunMounts;
  private readonly remotes: RemoteSources;

  constructor(options: SolverOptions) {
    this.options = options;
    this.remotes = new RemoteSources({
      worker: options.worker,
      once: (key, make) => this.once(key, make),
      lookUp: (key) => this.lookUp(key),
      remember: (key, result) => this.remember(key, result),
      hold: (layer) => this.hold(layer),
      secrets: options.secrets,
    });
    this.mounts = new RunMounts({
      ...options,
      layersOf: (origin) => this.layersOf(origin),
      contextContents: (step, sources) => this.contextContents(step, { sources }),
      contextLayer: (action, contents) => this.contextLayer(action, contents),
    });
  }

  /** Throws BuildProblem for what the pusher can act on, the signal's reason, or anything else for what the operator must see. */
  async solve(target: number): Promise<Solution> {
    const { stages } = this.options;
    await Promise.all(stages.map(({ stage }) => this.layersOfStage(stage.index)));
    const planned = stages.find(({ stage }) => stage.index === target);
    if (planned === undefined) throw new Error(`stage ${target} is not planned`);
    const layers = await this.layersOfStage(target);
    const history = this.historyOf(planned, layers.length);
    const added = layers.flatMap(({ digest, sizeBytes }) => {
      const step = this.stepOf.get(digest);
      return step === undefined ? [] : [{ label: step.label, line: step.at.line, bytes: sizeBytes }];
    });
    return { layers, config: { ...planned.config, history }, made: this.made, added };
  }

  /** Of the stages that the target stands on, and of its own steps. All of them have ended. */
  private historyOf({ stage, history }: StageSteps, count: number): readonly HistoryEntry[] {
    const made: boolean[] = [];
    let from = "";
    for (let below: PlannedStage | undefined = stage; below !== undefined; ) {
      const { base, source, index }: PlannedStage = below;
      made.unshift(...(this.madeLayers.get(index) ?? []));
      from = source.from.at.instruction ?? "FROM";
      below = base.kind === "stage" ? this.options.stages.find((one) => one.stage.index === base.index)?.stage : undefined;
    }
    return settleHistory(history, made, { count, from });
  }

  private layersOfStage(index: number): Promise<readonly LayerRef[]> {
    let layers = this.stages.get(index);
    if (layers === undefined) {
      const stage = this.options.stages.find((one) => one.stage.index === index);
      if (stage === undefined) throw new Error(`stage ${index} is not planned`);
      layers = this.solveStage(stage);
      this.stages.set(index, layers);
    }
    return layers;
  }

  private async solveStage({ stage, steps }: StageSteps): Promise<readonly LayerRef[]> {
    let layers = stage.base.kind === "scratch" ? [] : await this.layersOf(stage.base);
    const made: boolean[] = [];
    this.madeLayers.set(stage.index, made);
    for (const step of steps) {
      const { layer } = await this.solveStep(
        step,
        layers.map(({ digest }) => digest),
      ).catch((error: unknown) => {
        throw this.explain(step, error);
      });
      made.push(layer !== null);
      if (layer !== null) {
        layers = [...layers, layer];
        this.stepOf.set(layer.digest, step);
      }
    }
    return layers;
  }

  private layersOf(origin: Origin): Promise<readonly LayerRef[]> | readonly LayerRef[] {
    switch (origin.kind) {
      case "stage":
        return this.layersOfStage(origin.index);
      case "image":
        return this.imageOf(origin.reference).layers;
      case "directory":
        return this.layersOfDirectory(origin.path);
    }
  }

  /** A named context, as a COPY of all of it onto nothing would make it. */
  private async layersOfDirectory(path: string): Promise<readonly LayerRef[]> {
    const named = this.options.contexts.get(path);
    if (named === undefined) throw new Error(`the context ${path} was not read`);
    const { worker } = this.options;
    const contents = await Promise.all((await take(named.tree, WHOLE)).map((taken) => contentOf(named.tree, taken)));
    const request = { type: "copy-context", action: WHOLE, parents: [], context: named.source } as const;
    const { layer } = await this.once(copyKey([], WHOLE, contents), () => worker.request(request, () => undefined));
    return layer === null ? [] : [layer];
  }

  private imageOf(reference: string): Image {
    const base = this.options.bases.get(reference);
    if (base === undefined) throw new Error(`${reference} is not resolved`);
    return base.image;
  }

  private solveStep(step: Step, parents: readonly Digest[]): Promise<StepResult> {
    switch (step.type) {
      case "run":
        return this.run(step, step, parents);
      case "workdir":
        return this.workdir(step, step, parents);
      case "copy":
        return step.from.kind === "context" ? this.copyContext(step, step, parents) : this.copyFrom(step, step, step.from, parents);
      case "add":
        return this.add(step, step, parents);
    }
  }

  /** Like a COPY --from: first by the whole of what is mounted, then by the content of it. */
  private async run(step: Step, action: RunAction, parents: readonly Digest[]): Promise<StepResult> {
    const { architecture, worker } = this.options;
    const sources = await this.mounts.sources(step, action);
    return this.cached(step, runKey(parents, action, architecture, sources.inputs), async () => {
      const contents = await this.mounts.contents(action, sources);
      const byContent = contents === undefined ? undefined : runKey(parents, action, architecture, contents);
      const known = byContent === undefined ? undefined : this.lookUp(byContent);
      if (known !== undefined) return { ...known, wasKnown: true };
      await using mounts = await this.mounts.prepare(step, action, sources);
      const network = action.network === "none" ? {} : { network: await worker.network() };
      const began = performance.now();
      const result = await this.execute(step, { type: "run", action, parents, mounts: mounts.inputs, ...network });
      if (byContent !== undefined) this.remember(byContent, { layer: result.layer, tookMs: since(began) });
      return result;
    });
  }

  private workdir(step: Step, action: WorkdirAction, parents: readonly Digest[]): Promise<StepResult> {
    if (action.path !== "/") {
      return this.cached(step, workdirKey(parents, action), () => this.execute(step, { type: "workdir", action, parents }));
    }
    this.options.progress.cached(step.index);
    return Promise.resolve({ layer: null });
  }

  private async copyContext(step: Step, action: CopyAction, below: readonly Digest[]): Promise<StepResult> {
    const { recipe } = this.options;
    const parents = action.link ? [] : below;
    const contents = await this.contextContents(step, action);
    const recordFile = join(this.options.copiesDir, this.nameOf(copyKey([], action, [])));
    return this.cached(step, copyKey(parents, action, contents), () => {
      const before = recordedLayer(recordFile);
      const reuse = { recordFile, ...(before !== undefined && this.holdDigest(before) ? { layer: before } : {}) };
      return this.execute(step, { type: "copy-context", action, parents, context: recipe.source, reuse });
    });
  }

  private async add(step: Step, action: AddAction, below: readonly Digest[]): Promise<StepResult> {
    const { recipe } = this.options;
    const parents = action.link ? [] : below;
    const contents: CopyContent[] = [];
    const remotes: (RemoteSource | undefined)[] = [];
    for (const source of action.sources) {
      const remote = source.kind === "local" ? undefined : await this.remotes.resolve(step, source, action);
      remotes.push(remote);
      if (remote !== undefined) contents.push(remote.content);
      else if (source.kind === "local") {
        contents.push(...(await this.contextContents(step, { sources: [source.path], exclude: action.exclude })));
      }
    }
    return this.cached(step, addKey(parents, action, contents), async () => {
      const fetched = await Promise.all(remotes.map((remote) => remote?.layer() ?? null));
      return this.execute(step, { type: "add", action, parents, context: recipe.source, fetched });
    });
  }

  private async contextContents(step: StepPlace, taking: Taking): Promise<readonly CopyContent[]> {
    const { context, rules } = this.options.recipe;
    try {
      const taken = await take(context, taking);
      if (taken.length === 0 && taking.sources.length > 0)
        this.options.progress.notice(`${step.label} takes no file: nothing matches ${taking.sources.join(" ").slice(0, 200)}.`);
      return await Promise.all(taken.map((one) => contentOf(context, one)));
    } catch (error) {
      if (error instanceof MissingSource) throw explainMissing(step, error, rules);
      if (error instanceof PatternError) throw problemAt(step.at, "dockerfile", `A source pattern of ${step.label} ${error.message}.`);
      if (error instanceof AppError && (error.code === "invalid" || error.code === "unsupported"))
        throw problemAt(step.at, "context", error.message);
      throw error;
    }
  }

  /**
   * First by what it copies from as a whole; where that changed, and such a copy has been made before, by the content that it would take,
   * which the worker has to look at. So a stage that ran again with an equal result changes nothing above it.
   */
  private async copyFrom(step: Step, action: CopyAction, origin: Origin, below: readonly Digest[]): Promise<StepResult> {
    const { worker, recipe } = this.options;
    const parents = action.link ? [] : below;
    const layers = (await this.layersOf(origin)).map(({ digest }) => digest);
    const whole = copyFromKey(parents, action, layers);
    const everMade = copyFromKey(parents, action, []);
    return this.cached(step, whole, async () => {
      if (this.lookUp(everMade) !== undefined) {
        const { contents } = await worker.request({ ...takingOf(action), type: "inspect", origin: layers }, () => undefined);
        const known = contents === undefined ? undefined : this.lookUp(copyKey(parents, action, contents));
        if (known !== undefined) return { ...known, wasKnown: true };
      }
      const began = performance.now();
      const result = await this.execute(step, { type: "copy-layers", action, parents, origin: layers, context: recipe.source });
      if (result.contents !== undefined)
        this.remember(copyKey(parents, action, result.contents), { layer: result.layer, tookMs: since(began) });
      this.remember(everMade, { layer: null });
      return result;
    });
  }

  private execute(step: Step, request: Parameters<WorkerClient["request"]>[0]): Promise<WorkerResult> {
    return this.options.worker.request(request, (stream, text) => this.options.progress.output(step.index, stream, text));
  }

  /** The result under the key, made by `make` where it is not known, and told as the step's. */
  private async cached(step: Step, key: StepKey, make: () => Promise<Made>): Promise<StepResult> {
    const { progress } = this.options;
    let told = false;
    const result = await this.once(key, async () => {
      told = true;
      await this.enter();
      const started = progress.started(step.index);
      const began = performance.now();
      try {
        let made = await make();
        // Equal content was in the store already, and was collected before it was ours.
        if (!this.hold(made.layer)) made = await make();
        if (made.layer !== null && made.wasKnown !== true) this.made.add(made.layer.digest);
        const tookMs = made.wasKnown === true ? made.tookMs : since(began);
        started.done(made.wasKnown === true ? "cached" : "done", tookMs);
        return { ...made, ...(tookMs === undefined ? {} : { tookMs }) };
      } catch (error) {
        started.done("failed");
        throw error;
      } finally {
        this.leave();
      }
    });
    if (!told) progress.cached(step.index, result.tookMs);
    return result;
  }

  /** The result under the key, made once for all builds of the namespace that want it now. */
  private async once(key: StepKey, make: () => Promise<Made>): Promise<StepResult> {
    const { executing } = this.options;
    const name = this.nameOf(key);
    for (let known = this.lookUp(key); ; known = this.lookUp(key)) {
      if (known !== undefined) return known;
      const elsewhere = executing.get(name);
      if (elsewhere === undefined) break;
      await orAborted(elsewhere, this.options.signal);
    }
    const done = Promise.withResolvers<void>();
    executing.set(name, done.promise);
    try {
      const { layer, tookMs } = await make();
      const result = { layer, ...(tookMs === undefined ? {} : { tookMs }) };
      this.hold(layer);
      this.remember(key, result);
      return result;
    } finally {
      executing.delete(name);
      done.resolve();
    }
  }

  /** Files of the context as a layer of their own, for a mount. */
  private async contextLayer(action: CopyAction, contents: readonly CopyContent[]): Promise<Digest | undefined> {
    const { recipe, worker } = this.options;
    const request = { type: "copy-context", action, parents: [], context: recipe.source } as const;
    const { layer } = await this.once(copyKey([], action, contents), () => worker.request(request, () => undefined));
    return layer?.digest;
  }

  /** A result whose layer has been collected is none. */
  private lookUp(key: StepKey): StepResult | undefined {
    const { cache, noCache } = this.options;
    const name = this.nameOf(key);
    const result = noCache ? this.own.get(name) : cache.get(name);
    if (result === undefined || this.hold(result.layer)) return result;
    cache.delete(name);
    return undefined;
  }

  private remember(key: StepKey, result: StepResult): void {
    const name = this.nameOf(key);
    this.own.set(name, result);
    this.options.cache.put(name, result);
  }

  /** What the step's result is called in the cache. */
  private nameOf(key: StepKey): StepKey {
    const { sourceDateEpoch } = this.options;
    return sourceDateEpoch === undefined ? key : epochKey(key, sourceDateEpoch);
  }

  /** Keeps a layer for as long as this build runs; false when it is not there. */
  private hold(layer: LayerRef | null): boolean {
    return layer === null || this.holdDigest(layer.digest);
  }

  private holdDigest(digest: Digest): boolean {
    this.options.held.add(digest);
    return this.options.layers.has(digest);
  }

  private async enter(): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }

  private explain(step: Step, error: unknown): unknown {
    if (error instanceof StepFailed) return explainStep(step, error.failure, this.options.limits, this.options.namespaceName);
    if (error instanceof WorkerOutOfMemory)
      return explainStep(step, { reason: "out_of_memory", message: error.message }, this.options.limits, this.options.namespaceName);
    return error;
  }
}

/** Whole milliseconds. */
function since(began: number): number {
  return Math.round(performance.now() - began);
}

const WHOLE: CopyAction = {
  type: "copy",
  from: { kind: "context" },
  sources: [literalPattern("/")],
  destination: "/",
  inline: [],
  exclude: [],
  parents: false,
  link: true,
};

function takingOf({ sources, parents, exclude }: CopyAction): Taking {
  return { sources, parents, exclude };
}
