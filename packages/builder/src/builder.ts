import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Clock } from "@plimsoll/config";
import { type BaseImages, collectSandboxes, type ImageStore, type LayerStore, type ResolvedBase } from "@plimsoll/containers";
import {
  AppError,
  type BuildEvent,
  type BuildFailure,
  type BuildLimits,
  type Digest,
  type Image,
  type ImageConfig,
  type RegistryAccess,
} from "@plimsoll/core";
import type { CgroupDriver, HostLayout } from "@plimsoll/host";
import { LargestFiles } from "./advice/largest-files.ts";
import { CacheCollector, type Collected, type CollectOptions, stepCacheOf } from "./cache/cache-collector.ts";
import { CacheMounts } from "./cache/cache-mounts.ts";
import type { StepCache } from "./cache/step-cache.ts";
import { GitObjects } from "./context/git-objects.ts";
import { ObjectCache } from "./context/object-cache.ts";
import { withExcerpt } from "./dockerfile/excerpt.ts";
import type { StepKey } from "./plan/keys.ts";
import { namedContexts } from "./plan/named-contexts.ts";
import { type PlannedStage, planStages, type StagePlan } from "./plan/stages.ts";
import { fromSteps, listSteps, planSteps } from "./plan/steps.ts";
import { BuildProblem, problemAt } from "./problem.ts";
import { foundSentences } from "./solve/detected.ts";
import { CANCELLED, timedOut } from "./solve/explain.ts";
import { ioLimit } from "./solve/io-limit.ts";
import type { BuildNetwork } from "./solve/network.ts";
import { Progress } from "./solve/progress.ts";
import { readContexts, readRecipe } from "./solve/recipe.ts";
import { lookForLargest, tellAdvice, tellWarnings } from "./solve/remarks.ts";
import { orAborted, Solver } from "./solve/solver.ts";
import { buildCgroup, WorkerClient } from "./solve/worker-client.ts";
import { SpareWorker } from "./solve/worker-process.ts";

export interface BuildRequest {
  /** Unique on this host; a name for cgroups and namespaces. */
  readonly id: string;
  readonly namespace: {
    readonly uid: string;
    readonly uidBase: number;
    /** `team/namespace`, for commands that people are told to type. */
    readonly name?: string;
  };
  /** Its name, for commands that people are told to type. */
  readonly app?: string;
  /** Bare git repository on this host that has the commit. Its path names the repository: keep it from build to build. */
  readonly repository: string;
  readonly commit: string;
  /** In the repository. Default: `Dockerfile` in the context. */
  readonly dockerfile?: string;
  /** The context, in the repository. Default: its root. */
  readonly contextDir?: string;
  /** Name or number of a stage. Default: the last one. */
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Named build contexts: a directory of the repository, or `docker-image://` and a reference. */
  readonly contexts?: Readonly<Record<string, string>>;
  /** Execute every step, whatever the cache knows; what is made is known afterwards. Cache mounts stay as they are. */
  readonly noCache?: boolean;
  /** What RUN --mount=type=secret may ask for, by id. In no layer, key, log or history. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What the namespace has for registries: credentials, mirrors. */
  readonly registries?: RegistryAccess;
  readonly limits: BuildLimits;
}

export type BuildOutcome =
  | {
      readonly kind: "image";
      readonly image: Image;
      /** All layers. */
      readonly sizeBytes: number;
      /** Layers made by this build. */
      readonly newBytes: number;
    }
  | {
      readonly kind: "failure";
      readonly failure: BuildFailure;
      /** For the operator's log, where the failure is not the pusher's. */
      readonly cause?: unknown;
    };

export interface BuilderOptions {
  readonly layout: HostLayout;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly baseImages: Pick<BaseImages, "resolve" | "kept">;
  readonly cgroups: CgroupDriver;
  readonly network: BuildNetwork;
  /** The builder's own directory: step cache, file times, compiled code. All of it may be deleted; only time is lost. */
  readonly cacheDir: string;
  readonly clock: Clock;
  /** A PEM bundle of this host that commands shall trust besides the image's own: of an operator whose proxy opens TLS. */
  readonly certificatesFile?: string;
  /** What a build may read from the disk below the layers, and write to it, each second. Absent: no limit. */
  readonly ioBytesPerSecond?: number;
  /** How long after a build a loaded worker waits for the next one. 0: none does. Default: 10 minutes. */
  readonly spareWorkerMs?: number;
}

export interface BuildOptions {
  /** Called in order, the last time with `done` or `failed`. A cached step has no `step-started`. */
  readonly onEvent: (event: BuildEvent) => void;
  /** Aborted: everything of the build is killed within a second, and the outcome is `cancelled`. */
  readonly signal: AbortSignal;
  /**
   * Called with the outcome of a build that has made its image, as soon as it has: `build` resolves with the same once the build's process,
   * cgroup and network are taken away too.
   */
  readonly onImage?: (outcome: BuildOutcome & { readonly kind: "image" }) => void;
}

export interface Builder {
  /** Builds one commit. Never throws; several builds may run at once, also of one namespace. */
  build(request: BuildRequest, options: BuildOptions): Promise<BuildOutcome>;
  /**
   * Removes what builds of agents that are gone have left (cgroups, networks, upper directories), cache entries out of use, and of a cache
   * that is too large what was not of use for longest. Builds may run meanwhile: what they use stays.
   */
  collect(options?: CollectOptions): Promise<Collected>;
  /** Ends what waits for builds. Builds under way are the caller's to abort before. */
  close(): Promise<void>;
}

const DEFAULT_SPARE_MS = 10 * 60 * 1_000;
const SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH";
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;

export function createBuilder(options: BuilderOptions): Builder {
  return new HostBuilder(options);
}

class HostBuilder implements Builder {
  private readonly options: BuilderOptions;
  private readonly running = new Set<string>();
  private readonly executing = new Map<string, Map<StepKey, Promise<void>>>();
  /** Layers that running builds stand on. */
  private readonly held = new Map<string, Set<Digest>>();
  private readonly spare: SpareWorker;
  private readonly cacheMounts: CacheMounts;
  private readonly collector: CacheCollector;
  private readonly largestFiles = new LargestFiles();
  private readonly objectCache = new ObjectCache();

  constructor(options: BuilderOptions) {
    this.options = options;
    this.cacheMounts = new CacheMounts(options.cacheDir);
    const { cacheMounts } = this;
    this.collector = new CacheCollector({ ...options, cacheMounts, layersInUse: (more) => this.layersInUse(more) });
    this.spare = new SpareWorker(join(options.cacheDir, "code"), options.spareWorkerMs ?? DEFAULT_SPARE_MS);
  }

  close(): Promise<void> {
    return this.spare.close();
  }

  async build(request: BuildRequest, { onEvent, signal, onImage }: BuildOptions): Promise<BuildOutcome> {
    const progress = new Progress(onEvent, () => this.options.clock.now().getTime());
    const timeout = new AbortController();
    const timer = setTimeout(
      () => timeout.abort(new BuildProblem(timedOut(request.limits, request.namespace.name))),
      request.limits.timeoutMs,
    );
    const stop = AbortSignal.any([signal, timeout.signal]);
    const path = buildCgroup(request.namespace.uid, request.id);
    try {
      for (const name of [request.id, request.namespace.uid])
        if (!NAME.test(name)) throw new AppError("invalid", `${name} cannot name a build`);
      if (this.running.has(path)) throw new AppError("conflict", `build ${request.id} is running already`);
      this.running.add(path);
      const held = new Set<Digest>();
      this.held.set(path, held);
      const tell = (outcome: BuildOutcome & { kind: "image" }) => {
        progress.end({ type: "done", image: outcome.image, sizeBytes: outcome.sizeBytes, newBytes: outcome.newBytes });
        onImage?.(outcome);
        return outcome;
      };
      return await this.run(request, progress, held, stop, tell).finally(() => {
        this.running.delete(path);
        this.held.delete(path);
      });
    } catch (error) {
      const outcome = signal.aborted
        ? { kind: "failure" as const, failure: CANCELLED }
        : failureOf(timeout.signal.aborted ? timeout.signal.reason : error);
      const failure = withExcerpt(outcome.failure, progress.source);
      progress.end({ type: "failed", failure });
      return { ...outcome, failure };
    } finally {
      clearTimeout(timer);
    }
  }

  async collect(options: CollectOptions = {}): Promise<Collected> {
    await this.collectBuilds();
    const running = [...this.running].map((path) => `${basename(path)}-`);
    await collectSandboxes(this.options.layout, (id) => !running.some((prefix) => id.startsWith(prefix)));
    await this.options.layers.collectTemporary();
    return this.collector.collect(options);
  }

  /** Layers that have to stay now: the caller's, those of bases, and what running builds stand on. */
  private layersInUse(more: ReadonlySet<Digest> = new Set()): ReadonlySet<Digest> {
    const { images, baseImages } = this.options;
    const inUse = new Set(more);
    for (const digest of baseImages.kept()) for (const layer of images.get(digest)?.layers ?? []) inUse.add(layer.digest);
    for (const held of this.held.values()) for (const digest of held) inUse.add(digest);
    return inUse;
  }

  private async collectBuilds(): Promise<void> {
    const { cgroups, network } = this.options;
    for (const tenant of cgroups.children("tenants")) {
      for (const id of cgroups.children(`tenants/${tenant}/build`)) {
        if (this.running.has(buildCgroup(tenant, id))) continue;
        await cgroups.remove(buildCgroup(tenant, id));
        await network.release(id);
      }
    }
  }

  private async run(
    request: BuildRequest,
    progress: Progress,
    held: Set<Digest>,
    signal: AbortSignal,
    tell: (outcome: BuildOutcome & { kind: "image" }) => BuildOutcome & { kind: "image" },
  ): Promise<BuildOutcome & { kind: "image" }> {
    const { layers, images, cacheDir, layout, cgroups, network } = this.options;
    const architecture = hostArchitecture();
    signal.throwIfAborted();
    await using objects = new GitObjects(request.repository, this.objectCache);
    const recipe = await readRecipe(objects, request);
    const { dockerfile } = recipe;
    progress.source = { file: dockerfile.file, text: recipe.text };
    const largest = lookForLargest(this.largestFiles, request.repository, recipe);
    const buildArgs = request.buildArgs ?? {};
    const sourceDateEpoch = readSourceDateEpoch(buildArgs);
    const contexts = namedContexts(request.contexts ?? {});
    const planOptions = { architecture, buildArgs, contexts, ...(request.target === undefined ? {} : { target: request.target }) };
    const told = planStages(dockerfile, planOptions);
    progress.plan(dockerfile.file, told.stages.find(({ index }) => index === told.target)?.label ?? "", listSteps(told), recipe.written);
    for (const sentence of recipe.written === undefined ? [] : foundSentences(recipe.written)) progress.notice(sentence);
    for (const step of fromStepsOf(told, ({ kind }) => kind !== "image")) progress.cached(step);
    const bases = new Map(await this.resolveImages(request, told, told.images, progress, signal));
    const triggers = triggersOf(bases);
    const plan = triggers === undefined ? told : planStages(dockerfile, { ...planOptions, triggers });
    // What ONBUILD of the bases copies from may be images that nobody had named before.
    const unnamed = plan.images.filter(({ reference }) => !bases.has(reference));
    for (const [reference, base] of await this.resolveImages(request, plan, unnamed, progress, signal)) bases.set(reference, base);
    for (const { image } of bases.values()) for (const { digest } of image.layers) held.add(digest);
    const configs = new Map([...bases].map(([reference, { image }]) => [reference, image.config]));
    tellWarnings(recipe, plan, configs, progress);
    const stages = planSteps(plan, configs, { escape: dockerfile.escape, buildArgs, architecture });
    const firstSeen = createHash("sha256").update(request.repository).digest("hex").slice(0, 32);
    await using worker = new WorkerClient({
      layout,
      cgroups,
      network,
      buildId: request.id,
      namespace: request.namespace,
      repository: request.repository,
      firstSeenFile: join(cacheDir, "namespaces", request.namespace.uid, "first-seen", firstSeen),
      limits: request.limits,
      ...ioLimit(this.options),
      sourceDateEpoch,
      ...(this.options.certificatesFile === undefined ? {} : { certificates: this.keepCertificates(this.options.certificatesFile) }),
      layers,
      spare: this.spare,
      signal,
    });
    const solver = new Solver({
      recipe,
      contexts: await readContexts(objects, request, plan.directories),
      stages,
      bases,
      architecture,
      cache: this.cacheOf(request.namespace.uid),
      layers,
      worker,
      progress,
      limits: request.limits,
      namespaceUid: request.namespace.uid,
      namespaceName: request.namespace.name,
      appName: request.app,
      cacheMounts: this.cacheMounts,
      copiesDir: join(cacheDir, "namespaces", request.namespace.uid, "copies"),
      secrets: request.secrets ?? {},
      sourceDateEpoch,
      noCache: request.noCache === true,
      executing: this.executingOf(request.namespace.uid),
      held,
      signal,
    });
    const solution = await solver.solve(plan.target);
    tellAdvice(recipe, plan, solution, largest(), progress);
    const image = await images.put(solution.config, solution.layers);
    const total = (refs: typeof image.layers) => refs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return tell({
      kind: "image",
      image,
      sizeBytes: total(image.layers),
      newBytes: total(image.layers.filter(({ digest }) => solution.made.has(digest))),
    });
  }

  /** Images of the plan, side by side; told as the FROM steps of the stages that stand on them. */
  private async resolveImages(
    { namespace, registries = {} }: BuildRequest,
    plan: StagePlan,
    images: StagePlan["images"],
    progress: Progress,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ResolvedBase>> {
    const before = this.options.baseImages.kept();
    const puller = { namespaceUid: namespace.uid, registries };
    const resolved = await Promise.all(
      images.map(async ({ reference, at, meant }) => {
        const told = progress.soon(fromStepsOf(plan, (base) => base.kind === "image" && base.reference === reference));
        try {
          const base = await orAborted(this.options.baseImages.resolve(reference, { signal, puller }), signal);
          for (const note of base.notes ?? []) progress.notice(note);
          told.done(before.has(base.image.digest) ? "cached" : "done");
          return [reference, base] as const;
        } catch (error) {
          told.done("failed");
          if (signal.aborted || !(error instanceof AppError) || error.code === "internal") throw error;
          const message = meant === undefined ? error.message : `${error.message} Did you mean the stage ${meant}?`;
          // Why a registry or a host of ours fails is the operator's to read; what is merely not there has no such reason.
          throw problemAt(at, "base_image", message, error.cause === undefined ? {} : { cause: error });
        }
      }),
    );
    return new Map(resolved);
  }

  /** A copy of ours: the original may lie on a file system that cannot be id-mapped, and may change while a command runs. */
  private keepCertificates(file: string): string {
    const content = readFileSync(file);
    const kept = join(this.options.cacheDir, `certificates-${createHash("sha256").update(content).digest("hex").slice(0, 16)}.crt`);
    if (existsSync(kept)) return kept;
    const temporary = `${kept}.${process.pid}.new`;
    mkdirSync(this.options.cacheDir, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, content, { mode: 0o644 });
    renameSync(temporary, kept);
    return kept;
  }

  private cacheOf(namespaceUid: string): StepCache {
    return stepCacheOf(this.options.cacheDir, namespaceUid);
  }

  private executingOf(namespaceUid: string): Map<StepKey, Promise<void>> {
    const known = this.executing.get(namespaceUid);
    if (known !== undefined) return known;
    const created = new Map<StepKey, Promise<void>>();
    this.executing.set(namespaceUid, created);
    return created;
  }
}

/** The build argument of that name, in seconds since 1970 (reproducible-builds.org's specification). Throws BuildProblem. */
function readSourceDateEpoch(buildArgs: Readonly<Record<string, string>>): number | undefined {
  const text = Object.hasOwn(buildArgs, SOURCE_DATE_EPOCH) ? buildArgs[SOURCE_DATE_EPOCH] : undefined;
  if (text === undefined || text === "") return undefined;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  const message = `${SOURCE_DATE_EPOCH} is \`${text.slice(0, 40)}\`; give seconds since 1970, as \`git log -1 --format=%ct\` prints them.`;
  throw new BuildProblem({ reason: "dockerfile", message });
}

function failureOf(error: unknown): BuildOutcome & { kind: "failure" } {
  if (error instanceof BuildProblem)
    return { kind: "failure", failure: error.failure, ...(error.cause === undefined ? {} : { cause: error.cause }) };
  const message = "The platform could not run this build; its operator finds the reason in the agent's log. Push again to repeat it.";
  return { kind: "failure", failure: { reason: "internal", message }, cause: error };
}

function fromStepsOf(plan: StagePlan, wanted: (base: PlannedStage["base"]) => boolean): readonly number[] {
  const steps = fromSteps(plan);
  return plan.stages.filter(({ base }) => wanted(base)).flatMap(({ index }) => steps.get(index) ?? []);
}

/** What ONBUILD of images has kept for those who build on them; undefined where none has. */
function triggersOf(bases: ReadonlyMap<string, ResolvedBase>): ReadonlyMap<string, readonly string[]> | undefined {
  const kept = [...bases].map(([reference, { image }]) => [reference, image.config.onBuild ?? []] as const);
  const some = kept.filter(([, triggers]) => triggers.length > 0);
  return some.length === 0 ? undefined : new Map(some);
}

function hostArchitecture(): ImageConfig["architecture"] {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new AppError("unsupported", `builds do not run on ${process.arch}`);
}
