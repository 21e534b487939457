import type { DiskEntry, DiskOwner } from "@plimsoll/contracts";
import type { DiskHolder, DiskUseRecord } from "@plimsoll/db";

/** Whose images and repositories are, as the server knows it. */
export interface KnownOwners {
  /** Apps whose releases have an image, by its digest. */
  readonly images: ReadonlyMap<string, readonly DiskOwner[]>;
  /** By the app's uid. */
  readonly apps: ReadonlyMap<string, DiskOwner>;
}

/**
 * An agent's entries with their owners named: a layer belongs to the apps whose releases stand on it, else to the namespaces whose build
 * cache names it, else to nobody. What has the same owners is one. Largest first. Pure.
 */
export function attributeDisk(entries: readonly DiskEntry[], known: KnownOwners): readonly DiskUseRecord[] {
  const sums = new Map<string, DiskUseRecord>();
  for (const entry of entries) {
    const { kind, owners } = ownersOf(entry, known);
    const holders = holdersOf(owners);
    const key = JSON.stringify([kind, holders]);
    const sum = sums.get(key);
    sums.set(key, { kind, holders, bytes: entry.bytes + (sum?.bytes ?? 0), items: entry.items + (sum?.items ?? 0) });
  }
  return [...sums.values()].sort((a, b) => b.bytes - a.bytes);
}

function ownersOf(
  entry: DiskEntry,
  { images, apps }: KnownOwners,
): { readonly kind: DiskEntry["kind"]; readonly owners: readonly DiskOwner[] } {
  const { kind, owners = [] } = entry;
  if (kind === "layers") {
    const released = (entry.images ?? []).flatMap((digest) => images.get(digest) ?? []);
    if (released.length > 0) return { kind, owners: released };
    return { kind: owners.length > 0 ? "build-cache" : "unused", owners };
  }
  const app = entry.appUid === undefined ? undefined : apps.get(entry.appUid);
  return { kind, owners: app === undefined ? owners : [app] };
}

function holdersOf(owners: readonly DiskOwner[]): readonly DiskHolder[] {
  const byNamespace = Map.groupBy(owners, ({ namespaceUid }) => namespaceUid);
  return [...byNamespace]
    .map(([namespaceUid, some]) => ({
      namespaceUid,
      apps: [...new Set(some.flatMap(({ app }) => (app === undefined ? [] : [app])))].sort(),
    }))
    .sort((a, b) => (a.namespaceUid < b.namespaceUid ? -1 : 1));
}
