import type { DiskOwner, DiskReport, HostDisk, NamespaceDisk } from "@plimsoll/contracts";
import { newSecret, type Resource } from "@plimsoll/core";
import { type Database, type DiskUseRecord, type HostDiskRecord, PLATFORM } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";
import { attributeDisk } from "./attribute.ts";

/** Cache that nobody used for two weeks is gone anyway: a host that was away for longer has none to clean. */
export const CLEANING_MS = 15 * 24 * 3_600_000;

/** Takes a host's ledger in place of the one before. */
export async function takeDisk(db: Database, hostUid: string, { entries, ...head }: DiskReport): Promise<void> {
  const digests = new Set(entries.flatMap(({ images }) => images ?? []));
  const images = new Map<string, DiskOwner[]>();
  for (const { digest, namespaceUid, app } of await db.disks.appsWithImages([...digests]))
    images.set(digest, [...(images.get(digest) ?? []), { namespaceUid, app }]);
  const appUids = [...new Set(entries.flatMap(({ appUid }) => appUid ?? []))];
  const found = appUids.length === 0 ? [] : await db.objects(PLATFORM).list("App", { uids: appUids });
  const apps = new Map(
    found.map(({ metadata: { uid, name, namespaceUid = "" } }): [string, DiskOwner] => [uid, { namespaceUid, app: name }]),
  );
  const uses = attributeDisk(entries, { images, apps });
  await db.write({ scope: PLATFORM }, (tx) => tx.disks.replace(hostUid, head, uses));
}

/** What a namespace has on all hosts. What it shares with others is told as that, and not with whom. */
export async function namespaceDisk(db: Database, { metadata: { uid } }: Resource<"Namespace">): Promise<NamespaceDisk> {
  const uses = await db.disks.uses({ namespaceUid: uid });
  const hosts = new Map((await db.disks.hostNames()).map((host) => [host.uid, host.name]));
  const told = (await db.disks.hosts()).filter(({ hostUid }) => hosts.has(hostUid) && uses.some((use) => use.hostUid === hostUid));
  const rows = uses.flatMap(({ hostUid, kind, holders, bytes, items }) => {
    const host = hosts.get(hostUid);
    const mine = holders.find(({ namespaceUid }) => namespaceUid === uid);
    return host === undefined || mine === undefined ? [] : [{ host, kind, apps: [...mine.apps], bytes, items, shared: holders.length > 1 }];
  });
  const sum = (shared: boolean) => rows.reduce((total, row) => total + (row.shared === shared ? row.bytes : 0), 0);
  const [cleaning] = await db.disks.cleanings(CLEANING_MS, uid);
  return {
    bytes: sum(false),
    sharedBytes: sum(true),
    hosts: told
      .map(({ hostUid, measuredAt, cacheNamespaceBytes }) => ({
        name: hosts.get(hostUid) ?? "",
        measuredAt: measuredAt.toISOString(),
        cacheNamespaceBytes,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    rows: rows.sort((a, b) => b.bytes - a.bytes),
    ...(cleaning === undefined ? {} : { cleanedAt: cleaning.at.toISOString() }),
  };
}

/** The ledgers of these hosts, by name. */
export async function hostDisks(db: Database, hosts: readonly Resource<"Host">[]): Promise<HostDisk[]> {
  const objects = db.objects(PLATFORM);
  const [only] = hosts;
  const of = only === undefined || hosts.length > 1 ? {} : { hostUid: only.metadata.uid };
  const uses = Map.groupBy(await db.disks.uses(of), ({ hostUid }) => hostUid);
  const told = new Map((await db.disks.hosts(of.hostUid)).map((record) => [record.hostUid, record]));
  const uids = [...new Set([...uses.values()].flat().flatMap(({ holders }) => holders.map(({ namespaceUid }) => namespaceUid)))];
  const namespaces = uids.length === 0 ? [] : await objects.list("Namespace", { uids });
  const names = new Map(namespaces.map(({ metadata }) => [metadata.uid, `${metadata.team}/${metadata.name}`]));
  return hosts
    .map(({ metadata: { uid, name } }) => hostDisk(name, told.get(uid), uses.get(uid) ?? [], names))
    .sort((a, b) => (a.host < b.host ? -1 : 1));
}

function hostDisk(
  host: string,
  told: HostDiskRecord | undefined,
  uses: readonly DiskUseRecord[],
  names: ReadonlyMap<string, string>,
): HostDisk {
  return {
    host,
    ...(told === undefined ? {} : { measuredAt: told.measuredAt.toISOString() }),
    sizeBytes: told?.sizeBytes ?? 0,
    freeBytes: told?.freeBytes ?? 0,
    cacheBytes: told?.cacheBytes ?? 0,
    bytes: uses.reduce((sum, { bytes }) => sum + bytes, 0),
    rows: uses.map(({ kind, holders, bytes, items }) => ({
      kind,
      bytes,
      items,
      // Of a namespace that is gone its uid is left.
      owners: holders.map(({ namespaceUid, apps }) => ({ namespace: names.get(namespaceUid) ?? namespaceUid, apps: [...apps] })),
    })),
  };
}

/** The ledger of one host. */
export async function hostDiskOf(db: Database, host: Resource<"Host">): Promise<HostDisk> {
  return (await hostDisks(db, [host]))[0] ?? hostDisk(host.metadata.name, undefined, [], new Map());
}

/** Asks every host to remove the namespace's build cache: its steps and cache mounts, but nothing that a release needs. */
export async function cleanCache(
  context: Context,
  namespace: Resource<"Namespace">,
): Promise<{ at: string; bytes: number; hosts: string[] }> {
  const { tx } = context;
  const { uid } = namespace.metadata;
  await tx.disks.requestCleaning(uid, newSecret(9));
  const uses = (await tx.disks.uses({ namespaceUid: uid })).filter(
    ({ kind, holders }) => (kind === "build-cache" || kind === "cache-mounts") && holders.length === 1,
  );
  // Every host is told: one that has not yet said what it has may have some.
  const hosts = await tx.disks.hostNames();
  for (const host of hosts) tx.wake("sync", host.uid);
  audit(context, "cache.clean", namespace);
  return {
    at: new Date().toISOString(),
    bytes: uses.reduce((sum, { bytes }) => sum + bytes, 0),
    hosts: hosts.filter((host) => uses.some(({ hostUid }) => hostUid === host.uid)).map(({ name }) => name),
  };
}
