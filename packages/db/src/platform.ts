import type { Kind } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";
import { Prisma } from "./generated/client.ts";

export interface HostLeaseRecord {
  readonly hostUid: string;
  readonly live: boolean;
  /** Milliseconds since the lease ended; 0 while it lives. */
  readonly silentMs: number;
  readonly routingVersion: number;
  /** Percent of ten seconds in which tasks of the host waited (PSI); absent where it is not measured. */
  readonly pressure?: Readonly<Record<"cpuSome" | "memorySome" | "memoryFull" | "ioSome" | "ioFull", number>>;
  readonly traffic: readonly { readonly backendId: string; readonly requests: number; readonly failed: number }[];
}

/** What is bound to a host: instances that are not gone, and builds under way. */
export interface HostUse {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly builds: number;
}

export interface AuditRecord {
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly objectUid?: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const ROUTING = "routing";

/** What belongs to the platform and is no object: allocations, host heartbeats, the routing version, route claims, build logs. */
export class Platform {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** The next number of a series (`vni`, `uid-range`, `host-index`, `build/<app uid>`), from 1, never given twice. */
  async nextNumber(series: string): Promise<number> {
    const rows = await this.#client.$queryRaw<{ value: bigint }[]>`
      INSERT INTO counters AS k (scope, value) VALUES (${`series/${series}`}, 1)
      ON CONFLICT (scope) DO UPDATE SET value = k.value + 1 RETURNING value`;
    return Number(rows[0]?.value ?? 0n);
  }

  /** Counts a change of what ingress hosts route; commits with it. */
  async bumpRouting(): Promise<void> {
    await this.#client.$executeRaw`
      INSERT INTO counters AS k (scope, value) VALUES (${ROUTING}, 1) ON CONFLICT (scope) DO UPDATE SET value = k.value + 1`;
  }

  /** Read before the rows that are routed: then these hold every change up to it. */
  async routingVersion(): Promise<number> {
    const row = await this.#client.counter.findUnique({ where: { scope: ROUTING } });
    return Number(row?.value ?? 0n);
  }

  /**
   * A host spoke: its lease lives for `ttlMs` more. Answers whether it was silent before; a routing version that is new is notified on
   * `plimsoll_routing`.
   */
  async heartbeat(
    hostUid: string,
    ttlMs: number,
    report: { routingVersion?: number; traffic?: readonly unknown[]; pressure?: HostLeaseRecord["pressure"] } = {},
  ): Promise<{ readonly wasSilent: boolean }> {
    const before = await this.#client.hostLease.findUnique({ where: { hostUid } });
    const now = new Date();
    const data = {
      expiresAt: new Date(now.getTime() + ttlMs),
      ...(report.routingVersion === undefined ? {} : { routingVersion: BigInt(report.routingVersion) }),
      pressure: report.pressure ?? Prisma.DbNull,
      ...(report.traffic === undefined ? {} : { traffic: JSON.parse(JSON.stringify(report.traffic)) }),
    };
    await this.#client.hostLease.upsert({ where: { hostUid }, create: { hostUid, ...data }, update: data });
    const routingMoved = report.routingVersion !== undefined && BigInt(report.routingVersion) !== before?.routingVersion;
    if (routingMoved) await this.#client.$queryRaw`SELECT 1 FROM pg_notify('plimsoll_routing', ${hostUid})`;
    return { wasSilent: before === null || before.expiresAt <= now };
  }

  async hostLeases(): Promise<ReadonlyMap<string, HostLeaseRecord>> {
    const now = Date.now();
    const rows = await this.#client.hostLease.findMany();
    return new Map(
      rows.map((row) => [
        row.hostUid,
        {
          hostUid: row.hostUid,
          live: row.expiresAt.getTime() > now,
          silentMs: Math.max(0, now - row.expiresAt.getTime()),
          routingVersion: Number(row.routingVersion),
          traffic: row.traffic as unknown as HostLeaseRecord["traffic"],
          ...(row.pressure === null ? {} : { pressure: row.pressure as unknown as NonNullable<HostLeaseRecord["pressure"]> }),
        },
      ]),
    );
  }

  /** Makes placement decisions one after the other until the transaction ends, so that two cannot take the same free space. */
  async lockPlacement(): Promise<void> {
    await this.#client.$queryRaw`SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended('placement', 0))) AS held`;
  }

  /** What is bound to each host; hosts without anything are absent. */
  async hostUse(): Promise<ReadonlyMap<string, HostUse>> {
    const rows = await this.#client.$queryRaw<{ host_uid: string; cpu: bigint; memory: bigint; builds: bigint }[]>`
      SELECT host_uid,
        COALESCE(sum((spec ->> 'cpuMillis')::bigint) FILTER (WHERE kind = 'Instance'), 0)::bigint AS cpu,
        COALESCE(sum((spec ->> 'memoryBytes')::bigint) FILTER (WHERE kind = 'Instance'), 0)::bigint AS memory,
        count(*) FILTER (WHERE kind = 'Build') AS builds
      FROM objects
      WHERE host_uid IS NOT NULL
        AND ((kind = 'Instance' AND phase <> 'stopped') OR (kind = 'Build' AND phase IN ('placed', 'running')))
      GROUP BY host_uid`;
    return new Map(
      rows.map((row) => [row.host_uid, { cpuMillis: Number(row.cpu), memoryBytes: Number(row.memory), builds: Number(row.builds) }]),
    );
  }

  /** Builds that a controller has something to do for: not over, not released, or still charged. */
  async unsettledBuilds(): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ uid: string }[]>`
      SELECT uid FROM objects WHERE kind = 'Build' AND phase IN ('pending', 'placed', 'running')
      UNION SELECT uid FROM objects WHERE kind = 'Build' AND phase = 'succeeded' AND NOT status ? 'release'
      UNION SELECT o.uid FROM quota_charges q JOIN objects o ON o.uid = q.owner_uid WHERE q.builds > 0 AND o.kind = 'Build'`;
    return rows.map((row) => row.uid);
  }

  /** Hosts whose lease and phase say different things. */
  async hostsOutOfStep(): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ uid: string }[]>`
      SELECT o.uid FROM objects o LEFT JOIN host_leases l ON l.host_uid = o.uid
      WHERE o.kind = 'Host' AND (o.phase = 'ready') IS DISTINCT FROM COALESCE(l.expires_at > ${new Date()}, false)`;
    return rows.map((row) => row.uid);
  }

  /** Apps that have an instance on a host. */
  async appsOnHost(hostUid: string): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ owner_uid: string }[]>`
      SELECT DISTINCT owner_uid FROM objects WHERE kind = 'Instance' AND host_uid = ${hostUid} AND owner_uid IS NOT NULL`;
    return rows.map((row) => row.owner_uid);
  }

  /** Apps (`team/namespace/name`) whose live release was built on this host, and of which no other host runs anything: it alone has the image. */
  async appsWithImageOnlyOn(hostUid: string): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ name: string }[]>`
      SELECT concat_ws('/', a.labels ->> 'plimsoll/team', a.labels ->> 'plimsoll/namespace', a.name) AS name
      FROM objects a JOIN objects r ON r.kind = 'Release' AND r.owner_uid = a.uid AND r.spec ->> 'number' = a.status ->> 'release'
      WHERE a.kind = 'App' AND a.deleted_at IS NULL AND r.spec ->> 'builtOn' = ${hostUid}
        AND NOT EXISTS (SELECT 1 FROM objects i WHERE i.kind = 'Instance' AND i.owner_uid = a.uid AND i.host_uid <> ${hostUid}
          AND i.spec ->> 'release' = r.spec ->> 'number' AND i.phase IN ('ready', 'unready', 'starting'))
      ORDER BY 1`;
    return rows.map(({ name }) => name);
  }

  /** Apps with an instance that waits for routers to let go of it. */
  async drainingApps(): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ owner_uid: string }[]>`
      SELECT DISTINCT owner_uid FROM objects WHERE kind = 'Instance' AND spec ->> 'desired' = 'draining' AND owner_uid IS NOT NULL`;
    return rows.map((row) => row.owner_uid);
  }

  /** Apps that have more objects of a kind than they are to keep. */
  async appsWithMoreThan(kept: Readonly<Partial<Record<Kind, number>>>): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ owner_uid: string }[]>`
      SELECT DISTINCT owner_uid FROM (
        SELECT owner_uid, kind, count(*) AS there FROM objects
        WHERE owner_uid IS NOT NULL AND kind = ANY(${Object.keys(kept)}) GROUP BY owner_uid, kind) AS c
      WHERE there > (${JSON.stringify(kept)}::jsonb ->> kind)::int`;
    return rows.map((row) => row.owner_uid);
  }

  /** Digests of the images of all releases that there are: what is not to be rolled back to any more is removed with its rollout. */
  async releasedImages(): Promise<readonly string[]> {
    const rows = await this.#client.$queryRaw<{ digest: string }[]>`
      SELECT DISTINCT spec -> 'image' ->> 'digest' AS digest FROM objects WHERE kind = 'Release' ORDER BY 1`;
    return rows.map((row) => row.digest);
  }

  /** Who did what, latest first: to one object, in one team, or by one request. */
  async auditTrail(
    of: { readonly objectUid?: string; readonly teamUid?: string; readonly requestId?: string },
    limit = 100,
  ): Promise<readonly AuditRecord[]> {
    const rows = await this.#client.audit.findMany({ where: of, orderBy: { id: "desc" }, take: limit });
    return rows.map(({ at, actor, action, objectUid, details }) => ({
      at,
      actor,
      action,
      details: details as AuditRecord["details"],
      ...(objectUid === null ? {} : { objectUid }),
    }));
  }

  /** Claims a route host name for a route; false when another has it. Idempotent for the same route. */
  async claimRouteHost(host: string, routeUid: string): Promise<boolean> {
    await this.#client.routeClaim.createMany({ data: [{ host, routeUid }], skipDuplicates: true });
    const row = await this.#client.routeClaim.findUnique({ where: { host } });
    return row?.routeUid === routeUid;
  }

  async releaseRouteHosts(routeUid: string): Promise<void> {
    await this.#client.routeClaim.deleteMany({ where: { routeUid } });
  }

  /** Appends progress of a build; repeats of a seq are ignored, so that an agent may send again what it is not sure of. */
  async appendBuildLog(buildUid: string, entries: readonly { readonly seq: number; readonly event: unknown }[]): Promise<void> {
    await this.#client.buildLog.createMany({
      data: entries.map(({ seq, event }) => ({ buildUid, seq, event: JSON.parse(JSON.stringify(event)) })),
      skipDuplicates: true,
    });
    await this.#client.$queryRaw`SELECT 1 FROM pg_notify('plimsoll_build_log', ${buildUid})`;
  }

  async buildLog(buildUid: string, afterSeq: number, limit = 1_000): Promise<readonly { readonly seq: number; readonly event: unknown }[]> {
    return this.#client.buildLog.findMany({
      where: { buildUid, seq: { gt: afterSeq } },
      orderBy: { seq: "asc" },
      take: limit,
      select: { seq: true, event: true },
    });
  }

  async clearBuildLog(buildUid: string): Promise<void> {
    await this.#client.buildLog.deleteMany({ where: { buildUid } });
  }
}
