import type { DiskKind, DiskReport } from "@plimsoll/contracts";
import type { AnyClient } from "./client.ts";

/** A namespace, or some of its apps, as what has a part of a host's disk. */
export interface DiskHolder {
  readonly namespaceUid: string;
  readonly apps: readonly string[];
}

export interface DiskUseRecord {
  readonly kind: DiskKind;
  /** None: the platform's, or nobody's. */
  readonly holders: readonly DiskHolder[];
  readonly bytes: number;
  readonly items: number;
}

export interface HostDiskRecord {
  readonly hostUid: string;
  readonly measuredAt: Date;
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly cacheBytes: number;
  readonly cacheNamespaceBytes: number;
}

/** Hosts' disk ledgers, and who wants a build cache gone. */
export class Disks {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** Replaces what a host told before; to be called in a transaction. */
  async replace(hostUid: string, report: Omit<DiskReport, "entries">, uses: readonly DiskUseRecord[]): Promise<void> {
    const data = {
      measuredAt: new Date(),
      sizeBytes: BigInt(report.sizeBytes),
      freeBytes: BigInt(report.freeBytes),
      cacheBytes: BigInt(report.cacheBytes),
      cacheNamespaceBytes: BigInt(report.cacheNamespaceBytes),
    };
    // The row first: it keeps two reports of one host apart.
    await this.#client.hostDisk.upsert({ where: { hostUid }, create: { hostUid, ...data }, update: data });
    await this.#client.diskUse.deleteMany({ where: { hostUid } });
    await this.#client.diskUse.createMany({
      data: uses.map(({ kind, holders, bytes, items }, seq) => ({
        hostUid,
        seq,
        kind,
        namespaceUids: [...new Set(holders.map(({ namespaceUid }) => namespaceUid))],
        owners: holders.map(({ namespaceUid, apps }) => ({ namespaceUid, apps: [...apps] })),
        bytes: BigInt(bytes),
        items,
      })),
    });
  }

  /** What each host told last; of one, where it is named. */
  async hosts(hostUid?: string): Promise<readonly HostDiskRecord[]> {
    const rows = await this.#client.hostDisk.findMany({ where: hostUid === undefined ? {} : { hostUid } });
    return rows.map(({ sizeBytes, freeBytes, cacheBytes, cacheNamespaceBytes, ...row }) => ({
      ...row,
      sizeBytes: Number(sizeBytes),
      freeBytes: Number(freeBytes),
      cacheBytes: Number(cacheBytes),
      cacheNamespaceBytes: Number(cacheNamespaceBytes),
    }));
  }

  /** Of one host, of one namespace on all hosts, or everything; by host in the ledger's order. */
  async uses(of: {
    readonly hostUid?: string;
    readonly namespaceUid?: string;
  }): Promise<readonly (DiskUseRecord & { readonly hostUid: string })[]> {
    const { hostUid, namespaceUid } = of;
    const rows = await this.#client.diskUse.findMany({
      where: {
        ...(hostUid === undefined ? {} : { hostUid }),
        ...(namespaceUid === undefined ? {} : { namespaceUids: { has: namespaceUid } }),
      },
      orderBy: [{ hostUid: "asc" }, { seq: "asc" }],
    });
    return rows.map((row) => ({
      hostUid: row.hostUid,
      kind: row.kind as DiskKind,
      holders: row.owners as unknown as readonly DiskHolder[],
      bytes: Number(row.bytes),
      items: row.items,
    }));
  }

  /** All hosts, for who may not read them: their names are told with what runs there. */
  async hostNames(): Promise<readonly { readonly uid: string; readonly name: string }[]> {
    return this.#client.object.findMany({ where: { kind: "Host" }, select: { uid: true, name: true }, orderBy: { name: "asc" } });
  }

  /** Apps whose releases have one of these images. */
  async appsWithImages(digests: readonly string[]): Promise<readonly { digest: string; namespaceUid: string; app: string }[]> {
    if (digests.length === 0) return [];
    return this.#client.$queryRaw<{ digest: string; namespaceUid: string; app: string }[]>`
      SELECT DISTINCT spec -> 'image' ->> 'digest' AS digest, namespace_uid AS "namespaceUid", spec ->> 'app' AS app
      FROM objects WHERE kind = 'Release' AND spec -> 'image' ->> 'digest' = ANY(${[...digests]}) ORDER BY 1, 2, 3`;
  }

  /** Wants a namespace's build cache gone, of every host that sees the stamp for the first time. */
  async requestCleaning(namespaceUid: string, stamp: string): Promise<void> {
    const data = { stamp, at: new Date() };
    await this.#client.cacheCleaning.upsert({ where: { namespaceUid }, create: { namespaceUid, ...data }, update: data });
  }

  /** Cleanings that were asked for within that time; of one namespace, where it is named. */
  async cleanings(withinMs: number, namespaceUid?: string): Promise<readonly { namespaceUid: string; stamp: string; at: Date }[]> {
    return this.#client.cacheCleaning.findMany({
      where: { at: { gte: new Date(Date.now() - withinMs) }, ...(namespaceUid === undefined ? {} : { namespaceUid }) },
      orderBy: { namespaceUid: "asc" },
    });
  }
}
