import type { AnyClient } from "./client.ts";

export interface Lease {
  readonly key: string;
  readonly holder: string;
  readonly epoch: number;
}

/**
 * Exclusion by leases in Postgres, judged by its clock alone. Epochs come from one sequence for all leases, drawn while the row is held: none
 * is ever given twice, so the row of a lease that is over may be removed, and a holder of before never passes for the one of now.
 */
export class LeaseStore {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /**
   * Takes the lease when it is free, expired or already ours; undefined when another holds it. A change of holder or an expiry counts
   * a new epoch, so that every write of the one before is refused. Taking it again while we hold it renews it and keeps the epoch.
   */
  async acquire(key: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    const rows = await this.#client.$queryRaw<{ epoch: bigint }[]>`
      INSERT INTO leases AS l (key, holder, epoch, expires_at) VALUES (${key}, ${holder}, nextval('lease_epochs'), now() + ${ttlMs} * interval '1 millisecond')
      ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
        epoch = CASE WHEN l.holder = excluded.holder AND l.expires_at > now() THEN l.epoch ELSE nextval('lease_epochs') END
      WHERE l.holder = excluded.holder OR l.expires_at <= now()
      RETURNING epoch`;
    const row = rows[0];
    return row ? { key, holder, epoch: Number(row.epoch) } : undefined;
  }

  /** Prolongs the lease; false when it was lost (the holder must stop). */
  async renew(lease: Lease, ttlMs: number): Promise<boolean> {
    const count = await this.#client.$executeRaw`
      UPDATE leases SET expires_at = now() + ${ttlMs} * interval '1 millisecond'
      WHERE key = ${lease.key} AND holder = ${lease.holder} AND epoch = ${lease.epoch} AND expires_at > now()`;
    return count > 0;
  }

  /** Gives the lease back; nothing happens when it is another's by now. */
  async release(lease: Lease): Promise<void> {
    await this.#client.$executeRaw`
      UPDATE leases SET expires_at = now() WHERE key = ${lease.key} AND holder = ${lease.holder} AND epoch = ${lease.epoch}`;
  }

  /** Ends a lease whoever holds it, and counts a new epoch: nothing that its holder still writes under it commits. */
  async revoke(key: string): Promise<void> {
    await this.#client.$executeRaw`UPDATE leases SET expires_at = now(), epoch = nextval('lease_epochs'), holder = '' WHERE key = ${key}`;
  }

  /** Milliseconds since the lease ended; 0 while it is held, undefined when nobody held it in the last day. */
  async silentMs(key: string): Promise<number | undefined> {
    const rows = await this.#client.$queryRaw<{ ms: number }[]>`
      SELECT GREATEST(0, EXTRACT(EPOCH FROM now() - expires_at) * 1000)::float8 AS ms FROM leases WHERE key = ${key}`;
    return rows[0]?.ms;
  }

  /** Who holds it now, if anybody. */
  async holder(key: string): Promise<Lease | undefined> {
    const rows = await this.#client.$queryRaw<{ holder: string; epoch: bigint }[]>`
      SELECT holder, epoch FROM leases WHERE key = ${key} AND expires_at > now()`;
    const row = rows[0];
    return row ? { key, holder: row.holder, epoch: Number(row.epoch) } : undefined;
  }
}
