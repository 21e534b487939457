/** A layer that a namespace's step cache names, or a directory of its cache mounts, and when it was of use last. */
export interface LayerUse {
  readonly namespaceUid: string;
  /** Of a cache mount: its name, which is no digest. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly lastUseMs: number;
}

export interface CacheBudget {
  /** For all namespaces together; a layer that several name counts once. */
  readonly hostBytes: number;
  readonly namespaceBytes: number;
  /** What was of use since then stays: a build that is under way or has just ended. */
  readonly keepSinceMs: number;
  /** Layers that are on this host anyway (of images that run or may run, of bases), and cache mounts that a step has: they cost the cache nothing, and stay. */
  readonly inUse: ReadonlySet<string>;
}

/**
 * What a cache that is larger than its budget gives up, least recently used first: for each namespace above its own share, then for the
 * host. What has to stay may keep it above. Pure.
 */
export function layersToEvict(uses: readonly LayerUse[], budget: CacheBudget): readonly LayerUse[] {
  const costing = lastUses(uses).filter(({ digest }) => !budget.inUse.has(digest));
  const evicted = new Set<LayerUse>();
  for (const mine of Map.groupBy(costing, ({ namespaceUid }) => namespaceUid).values())
    for (const use of excess(mine, budget.namespaceBytes, budget)) evicted.add(use);
  const left = Map.groupBy(
    costing.filter((use) => !evicted.has(use)),
    ({ digest }) => digest,
  );
  const shared = [...left.values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ ...first, lastUseMs: Math.max(first.lastUseMs, ...more.map(({ lastUseMs }) => lastUseMs)) }],
  );
  for (const { digest } of excess(shared, budget.hostBytes, budget)) for (const use of left.get(digest) ?? []) evicted.add(use);
  return [...evicted];
}

/** One for each namespace and layer, whatever the number of entries that name it. */
function lastUses(uses: readonly LayerUse[]): readonly LayerUse[] {
  const latest = new Map<string, LayerUse>();
  for (const use of uses) {
    const id = `${use.namespaceUid} ${use.digest}`;
    if ((latest.get(id)?.lastUseMs ?? -1) < use.lastUseMs) latest.set(id, use);
  }
  return [...latest.values()];
}

function excess(uses: readonly LayerUse[], maxBytes: number, { keepSinceMs }: CacheBudget): readonly LayerUse[] {
  let bytes = uses.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const gone: LayerUse[] = [];
  for (const use of uses.toSorted((a, b) => a.lastUseMs - b.lastUseMs)) {
    if (bytes <= maxBytes || use.lastUseMs >= keepSinceMs) break;
    gone.push(use);
    bytes -= use.sizeBytes;
  }
  return gone;
}
