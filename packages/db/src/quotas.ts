import { addQuota, type QuotaVector, ZERO_QUOTA } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";

/** What apps and builds take of their namespace's and team's quota. The decision is core's; this keeps the books exact. */
export class Quotas {
  readonly #client: AnyClient;
  /** Of a transaction: the books that it holds. */
  readonly #locked = new Set<string>();

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /**
   * Holds the team's and the namespace's books until the transaction ends, so that what is read and charged after is exact under
   * concurrency. Team first, always: two transactions cannot lock each other out.
   */
  async lock(teamUid: string, namespaceUid: string): Promise<void> {
    const keys = [teamUid, namespaceUid].map((uid) => `quota/${uid}`);
    if (keys.every((key) => this.#locked.has(key))) return;
    await this.#client.$queryRaw`
      SELECT count(*) FROM (
        SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(${keys}::text[]) WITH ORDINALITY AS wanted (key, place) ORDER BY place
      ) AS held`;
    for (const key of keys) this.#locked.add(key);
  }

  /** What everything but `exceptOwner` takes in a team, and of it in one of its namespaces. */
  async used(
    teamUid: string,
    namespaceUid: string,
    exceptOwner?: string,
  ): Promise<{ readonly team: QuotaVector; readonly namespace: QuotaVector }> {
    const where = { teamUid, ...(exceptOwner === undefined ? {} : { NOT: { ownerUid: exceptOwner } }) };
    const charges = await this.#client.quotaCharge.findMany({ where });
    return { team: sum(charges), namespace: sum(charges.filter((charge) => charge.namespaceUid === namespaceUid)) };
  }

  async charged(ownerUid: string): Promise<QuotaVector> {
    const row = await this.#client.quotaCharge.findUnique({ where: { ownerUid } });
    return row ? sum([row]) : ZERO_QUOTA;
  }

  /** Replaces what `ownerUid` takes. */
  async charge(ownerUid: string, teamUid: string, namespaceUid: string, amount: QuotaVector): Promise<void> {
    const data = {
      teamUid,
      namespaceUid,
      cpuMillis: BigInt(amount.cpuMillis),
      memoryBytes: BigInt(amount.memoryBytes),
      instances: BigInt(amount.instances),
      builds: BigInt(amount.builds),
    };
    await this.#client.quotaCharge.upsert({ where: { ownerUid }, create: { ownerUid, ...data }, update: data });
  }

  async release(ownerUid: string): Promise<void> {
    await this.#client.quotaCharge.deleteMany({ where: { ownerUid } });
  }
}

function sum(rows: readonly { cpuMillis: bigint; memoryBytes: bigint; instances: bigint; builds: bigint }[]): QuotaVector {
  return rows.reduce<QuotaVector>(
    (total, row) =>
      addQuota(total, {
        cpuMillis: Number(row.cpuMillis),
        memoryBytes: Number(row.memoryBytes),
        instances: Number(row.instances),
        builds: Number(row.builds),
      }),
    ZERO_QUOTA,
  );
}
