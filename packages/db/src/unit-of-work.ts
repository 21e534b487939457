import type { Kind, Resource } from "@plimsoll/core";

export type ChangeType = "created" | "updated" | "deleted";

/** What a transaction has changed so far; written by its last statement. */
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

  /** For `commit_changes`, which bumps counters, gives versions and writes change rows: the transaction's last statement. */
  get all(): readonly object[] {
    return [...this.#byUid.values()];
  }
}
