import type { Kind, Resource } from "@plimsoll/core";
import type { TxClient } from "./client.ts";

export type ChangeType = "created" | "updated" | "deleted";

/** What a transaction has changed so far; flushed by its last statement. */
export class Changes {
  readonly #byUid = new Map<string, { scope: string; type: ChangeType; kind: Kind; uid: string; object: Resource }>();

  /** Several changes of one object in a transaction become one: watchers see states that were committed, not steps. */
  record(type: ChangeType, scope: string, object: Resource): void {
    const { uid, kind } = object.metadata;
    const before = this.#byUid.get(uid);
    const merged = before?.type === "created" && type === "updated" ? "created" : type;
    this.#byUid.delete(uid);
    this.#byUid.set(uid, { scope, type: merged, kind, uid, object });
  }

  /** Bumps counters, gives versions, writes change rows: must be the transaction's last statement. */
  async flush(client: TxClient): Promise<ReadonlyMap<string, number>> {
    if (this.#byUid.size === 0) return new Map();
    const rows = await client.$queryRaw<{ versions: Record<string, number> }[]>`
      SELECT commit_changes(${JSON.stringify([...this.#byUid.values()])}::jsonb) AS versions`;
    return new Map(Object.entries(rows[0]?.versions ?? {}));
  }
}
