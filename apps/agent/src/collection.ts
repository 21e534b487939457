import type { Logger } from "@plimsoll/config";
import type { BaseImages, ImageStore, InstanceRuntime } from "@plimsoll/containers";
import type { DesiredState } from "@plimsoll/contracts";
import { type Digest, isDigest } from "@plimsoll/core";
import type { HostLayout } from "@plimsoll/host";
import type { BuildRunner } from "./builds/build-runner.ts";
import { cacheBudget } from "./builds/cache-budget.ts";
import type { BuildKeeper } from "./builds/keeper.ts";
import type { GitMirrors } from "./builds/mirror.ts";
import type { DiskBooks } from "./disk/books.ts";
import type { Instances } from "./instances/instances.ts";
import type { Settings } from "./settings.ts";
import type { AgentWire } from "./wire.ts";

const MIRROR_IDLE_MS = 14 * 24 * 3_600_000;

export interface CollectionOptions {
  readonly settings: Settings;
  readonly layout: HostLayout;
  readonly images: ImageStore;
  readonly baseImages: BaseImages;
  readonly runtime: InstanceRuntime;
  readonly instances: Instances;
  readonly runner: BuildRunner;
  readonly builds: () => BuildKeeper;
  readonly mirrors: GitMirrors;
  readonly wire: AgentWire;
  readonly books: DiskBooks;
  /** What the server said last; what was kept from before our start is none of that. */
  readonly told: () => DesiredState | undefined;
  readonly log: Logger;
}

/** Takes away what nobody needs any more, and tells the server what is there. */
export class Collection {
  readonly #options: CollectionOptions;
  /** Images and layers are taken away: no build begins meanwhile. */
  #collecting: Promise<unknown> = Promise.resolve();
  /** One after the other, however they were asked for. */
  #turn: Promise<void> = Promise.resolve();
  #cleaning = false;

  constructor(options: CollectionOptions) {
    this.#options = options;
  }

  /** Until when no build may begin. */
  get over(): Promise<unknown> {
    return this.#collecting;
  }

  /** Runs only on what the server said last, and tells then what is there. */
  run(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#collect());
    // A look at a large disk takes its time: no collection waits for it.
    return this.#turn.then(() => this.tellDisk());
  }

  /** Somebody waits for caches to be cleaned: that is not left to the next collection. What fails is tried again with the next pass. */
  async cleanCaches(desired: DesiredState): Promise<void> {
    if (this.#cleaning || (await this.#options.books.cleaningsOf(desired)).size === 0) return;
    this.#cleaning = true;
    void this.run();
    void this.#turn.finally(() => {
      this.#cleaning = false;
    });
  }

  /** The disk ledger; the next one follows in any case. */
  async tellDisk(): Promise<void> {
    const { settings, layout, books, told, log } = this.#options;
    const desired = told();
    if (desired === undefined) return;
    try {
      await books.tell(desired, await cacheBudget(settings.buildCacheBytes, layout.stateDir));
    } catch (error) {
      log.warn("the disk ledger could not be told; it is tried again", { error });
    }
  }

  async #collect(): Promise<void> {
    const desired = this.#options.told();
    if (desired === undefined) return;
    const builds = this.#options.builds().running.size > 0;
    const work = builds ? this.#collectCache(desired) : this.#collectAll(desired);
    if (!builds) this.#collecting = work.catch(() => undefined);
    await work.catch((error: unknown) => this.#options.log.warn("collection failed; it is tried again", { error }));
  }

  async #collectAll(desired: DesiredState): Promise<void> {
    const { images, runtime, instances, baseImages, mirrors, wire, log } = this.#options;
    await runtime.collect(new Set([...desired.instances.map(({ uid }) => uid), ...instances.known.keys()]));
    await mirrors.collect(MIRROR_IDLE_MS);
    const cached = await this.#collectCache(desired);
    const keep = new Set<Digest>([...baseImages.kept(), ...cached, ...desired.keepImages.filter(isDigest)]);
    // The layers too: an image that is still on its way needs those that are here.
    for (const { image } of desired.instances)
      for (const digest of [image.digest, ...image.layers.map((layer) => layer.digest)]) keep.add(digest);
    const gone = await images.collect(keep);
    if (gone.images + gone.layers > 0) log.info("collected", gone);
    await wire.collect(new Set(desired.instances.map(({ namespaceUid }) => namespaceUid)));
  }

  /** Brings the build cache within its budget, also while builds run; answers the layers that it keeps. */
  async #collectCache(desired: DesiredState): Promise<ReadonlySet<Digest>> {
    const { settings, layout, images, runner, books, log } = this.#options;
    const kept = desired.keepImages.filter(isDigest).flatMap((digest) => images.get(digest)?.layers ?? []);
    const inUse = new Set([...kept, ...desired.instances.flatMap(({ image }) => image.layers)].map(({ digest }) => digest));
    const budget = await cacheBudget(settings.buildCacheBytes, layout.stateDir);
    const clean = await books.cleaningsOf(desired);
    const { removedEntries, removedLayers, layers, cachedBy } = await runner.builder.collect({ ...budget, inUse, clean });
    await books.collected(desired, clean, cachedBy);
    if (removedLayers > 0) log.info("the build cache was larger than its budget", { removedEntries, removedLayers, ...budget });
    return layers;
  }
}
