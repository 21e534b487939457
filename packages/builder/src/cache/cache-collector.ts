import { readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@plimsoll/config";
import type { LayerStore } from "@plimsoll/containers";
import type { Digest } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";
import type { StepKey } from "../plan/keys.ts";
import { type CacheBudget, type LayerUse, layersToEvict } from "./budget.ts";
import type { CacheMounts, CacheMountUse } from "./cache-mounts.ts";
import { collectCopyRecords } from "./copy-record.ts";
import { StepCache } from "./step-cache.ts";

export interface CollectOptions {
  /** Cache entries not used for so long go. Default: 14 days. */
  readonly maxIdleMs?: number;
  /** What the layers that only the cache keeps may take: of all namespaces, and of each. Absent: as much as there is. */
  readonly maxBytes?: number;
  readonly maxNamespaceBytes?: number;
  /** Layers of images that run here or may: never removed, and not counted. */
  readonly inUse?: ReadonlySet<Digest>;
  /** Namespaces that want their cache gone, whatever its age. What a build under way has of it stays. */
  readonly clean?: ReadonlySet<string>;
}

export interface Collected {
  readonly removedEntries: number;
  /** Layers that were removed because the cache was too large. */
  readonly removedLayers: number;
  /** Layers that the cache still names: to be kept by whoever collects the layer store. */
  readonly layers: ReadonlySet<Digest>;
  /** By which namespaces' caches each is named. */
  readonly cachedBy: ReadonlyMap<Digest, ReadonlySet<string>>;
}

export interface CacheCollectorOptions {
  readonly cacheDir: string;
  readonly layers: LayerStore;
  readonly cacheMounts: CacheMounts;
  readonly clock: Clock;
  /** Layers that have to stay now: the ones given, those of bases, and what running builds stand on. */
  readonly layersInUse: (more?: ReadonlySet<Digest>) => ReadonlySet<Digest>;
}

/** What was of use so lately belongs to a build that has just ended: whoever is to run its image does not know of it yet. */
const JUST_USED_MS = 10 * 60 * 1_000;
const DEFAULT_IDLE_MS = 14 * 24 * 60 * 60 * 1_000;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;

/** Results of steps of a namespace. */
export function stepCacheOf(cacheDir: string, namespaceUid: string): StepCache {
  return new StepCache(join(cacheDir, "namespaces", namespaceUid, "steps"));
}

/** Keeps the build cache of a host within its bounds. Builds may run meanwhile: what they use stays. */
export class CacheCollector {
  private readonly options: CacheCollectorOptions;

  constructor(options: CacheCollectorOptions) {
    this.options = options;
  }

  async collect(options: CollectOptions): Promise<Collected> {
    const { clock, cacheDir, cacheMounts, layersInUse } = this.options;
    const nowMs = clock.now().getTime();
    const before = new Date(nowMs - (options.maxIdleMs ?? DEFAULT_IDLE_MS));
    const uses: (LayerUse & { readonly digest: Digest; readonly key: StepKey })[] = [];
    const cleaned = new Set<Digest>();
    const keepSinceMs = nowMs - JUST_USED_MS;
    let removedEntries = 0;
    const mounts = await this.cacheMountUses();
    // Nothing is waited for from the first look to the last entry that goes: no build takes one meanwhile.
    for (const namespaceUid of this.namespacesInCache()) {
      const { removed, entries } = stepCacheOf(cacheDir, namespaceUid).collect(before);
      removedEntries += removed;
      collectCopyRecords(join(cacheDir, "namespaces", namespaceUid, "copies"), before);
      if (entries.length === 0 && !mounts.some((mount) => mount.namespaceUid === namespaceUid)) this.forgetNamespace(namespaceUid, before);
      for (const { layer, key, lastUseMs } of entries) {
        if (options.clean?.has(namespaceUid) !== true) {
          if (layer !== null) uses.push({ ...layer, key, namespaceUid, lastUseMs });
          continue;
        }
        stepCacheOf(cacheDir, namespaceUid).delete(key);
        removedEntries++;
        if (layer !== null && lastUseMs < keepSinceMs) cleaned.add(layer.digest);
      }
    }
    const budget: CacheBudget = {
      hostBytes: options.maxBytes ?? Number.POSITIVE_INFINITY,
      namespaceBytes: options.maxNamespaceBytes ?? Number.POSITIVE_INFINITY,
      keepSinceMs,
      inUse: new Set<string>([...layersInUse(options.inUse), ...mounts.filter(({ inUse }) => inUse).map(({ name }) => name)]),
    };
    const costing = [...uses, ...mounts.map((mount) => ({ ...mount, digest: mount.name }))];
    const gone = new Set(layersToEvict(costing, budget).map(({ namespaceUid, digest }) => `${namespaceUid} ${digest}`));
    const kept = new Map<Digest, Set<string>>();
    for (const { namespaceUid, digest, key } of uses) {
      if (!gone.has(`${namespaceUid} ${digest}`)) kept.set(digest, (kept.get(digest) ?? new Set()).add(namespaceUid));
      else {
        stepCacheOf(cacheDir, namespaceUid).delete(key);
        removedEntries++;
      }
    }
    const evicted = new Set([...cleaned, ...uses.map(({ digest }) => digest)].filter((digest) => !kept.has(digest)));
    const removedLayers = await this.removeLayers(evicted, options.inUse);
    for (const { namespaceUid, name, lastUseMs, inUse } of mounts) {
      const isWanted = options.clean?.has(namespaceUid) !== true && lastUseMs >= before.getTime() && !gone.has(`${namespaceUid} ${name}`);
      if (inUse || isWanted) continue;
      if (await cacheMounts.remove(name)) removedEntries++;
    }
    return { removedEntries, removedLayers, layers: new Set([...kept.keys(), ...layersInUse()]), cachedBy: kept };
  }

  private async cacheMountUses(): Promise<readonly CacheMountUse[]> {
    const uses: CacheMountUse[] = [];
    for (const namespaceUid of this.namespacesInCache()) {
      await this.options.cacheMounts.collect(namespaceUid);
      uses.push(...(await this.options.cacheMounts.list(namespaceUid)));
    }
    return uses;
  }

  /** Those that can be ours: what somebody has put beside them is not. */
  private namespacesInCache(): readonly string[] {
    return namesIn(join(this.options.cacheDir, "namespaces")).filter((name) => NAME.test(name));
  }

  /** A namespace that has nothing in the cache, and whose repositories had no new file for as long, is most likely gone. */
  private forgetNamespace(uid: string, before: Date): void {
    const directory = join(this.options.cacheDir, "namespaces", uid);
    const seen = join(directory, "first-seen");
    const files = namesIn(seen).filter((name) => /^[0-9a-f]{32}$/.test(name));
    if (files.some((name) => (statSync(join(seen, name), { throwIfNoEntry: false })?.mtime ?? 0) >= before)) return;
    for (const name of files) rmSync(join(seen, name), { force: true });
    const steps = join(directory, "steps");
    for (const group of namesIn(steps)) removeEmpty(join(steps, group));
    for (const empty of [seen, steps, join(directory, "copies"), join(directory, "mounts"), directory]) removeEmpty(empty);
  }

  private async removeLayers(digests: ReadonlySet<Digest>, inUse: ReadonlySet<Digest> | undefined): Promise<number> {
    let removed = 0;
    for (const digest of digests) {
      // Asked anew each time: while the last one was removed, a build may have made this one again.
      if (this.options.layersInUse(inUse).has(digest) || !this.options.layers.has(digest)) continue;
      await this.options.layers.remove(digest);
      removed++;
    }
    return removed;
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return [];
    throw error;
  }
}

/** Where it is a directory and nothing is in it. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
  }
}
