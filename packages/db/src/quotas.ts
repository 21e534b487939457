import { addQuota, type QuotaVector, ZERO_QUOTA } from "@plimsoll/core";
import type { AnyClient } from "./client.ts";

/** What apps and builds take of their namespace's and team's quota. The decision is core's; this keeps the books exact. */
export class Quotas {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /**
   * Holds the team's and the namespace's books until the transaction ends, so that what is read and charged after is exact under
   * concurrency. Team first, always: two transactions cannot lock each other out.
   */
  async lock(teamUid: string, namespaceUid: string): Promise<void> {
    for (const uid of [teamUid, namespaceUid])
      await this.#client.$queryRaw`SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(${`quota/${uid}`}, 0))) AS held`;
  }

  /** What everything but `exceptOwner` takes in a namespace. */
  async usedByNamespace(namespaceUid: string, exceptOwner?: string): Promise<QuotaVector> {
    return sum(await this.#client.quotaCharge.findMany({ where: { namespaceUid, ...except(exceptOwner) } }));
  }

  /** What everything but `exceptOwner` takes in a team. */
  async usedByTeam(teamUid: string, exceptOwner?: string): Promise<QuotaVector> {
    return sum(await this.#client.quotaCharge.findMany({ where: { teamUid, ...except(exceptOwner) } }));
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

function except(ownerUid: string | undefined) {
  return ownerUid === undefined ? {} : { NOT: { ownerUid } };
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
