import type { AnyClient } from "./client.ts";

/** What of one namespace is bound to one host. */
export interface HostLoadRecord {
  readonly hostUid: string;
  readonly namespaceUid: string;
  readonly instances: number;
  readonly builds: number;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** What runs where, for people to read; placement has its own sums, under its own lock. */
export class HostLoads {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** A row for each namespace that has something on a host: instances that are not stopped, builds placed or running. */
  async byNamespace(): Promise<readonly HostLoadRecord[]> {
    const rows = await this.#client.$queryRaw<
      { host_uid: string; namespace_uid: string; instances: bigint; builds: bigint; cpu: bigint; memory: bigint }[]
    >`
      SELECT host_uid, namespace_uid,
        count(*) FILTER (WHERE kind = 'Instance') AS instances,
        count(*) FILTER (WHERE kind = 'Build') AS builds,
        COALESCE(sum((spec ->> 'cpuMillis')::bigint) FILTER (WHERE kind = 'Instance'), 0)::bigint AS cpu,
        COALESCE(sum((spec ->> 'memoryBytes')::bigint) FILTER (WHERE kind = 'Instance'), 0)::bigint AS memory
      FROM objects
      WHERE host_uid IS NOT NULL AND namespace_uid IS NOT NULL
        AND ((kind = 'Instance' AND phase <> 'stopped') OR (kind = 'Build' AND phase IN ('placed', 'running')))
      GROUP BY host_uid, namespace_uid`;
    return rows.map((row) => ({
      hostUid: row.host_uid,
      namespaceUid: row.namespace_uid,
      instances: Number(row.instances),
      builds: Number(row.builds),
      cpuMillis: Number(row.cpu),
      memoryBytes: Number(row.memory),
    }));
  }

  /** When each host's lease ends, or ended. */
  async leaseEnds(): Promise<ReadonlyMap<string, Date>> {
    const rows = await this.#client.hostLease.findMany({ select: { hostUid: true, expiresAt: true } });
    return new Map(rows.map(({ hostUid, expiresAt }) => [hostUid, expiresAt]));
  }
}
