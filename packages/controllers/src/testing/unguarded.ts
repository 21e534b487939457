import type { Resource } from "@plimsoll/core";
import type { Database, Tx } from "@plimsoll/db";

/** What keeps two servers from doing the same thing twice. */
export interface Guards {
  /** Who runs a key holds its lease. */
  readonly leases: boolean;
  /** What was decided under a lease commits only while that is held. */
  readonly fence: boolean;
  /** An object that moved on since it was read is not written. */
  readonly versions: boolean;
}

/** The database with some of its guards taken away, for tests that show what each of them is worth. */
export function unguarded(db: Database, guards: Guards): Database {
  return {
    ...db,
    leases: guards.leases ? db.leases : freeForAll(db.leases),
    write: ({ scope, fence }, work) =>
      db.write(guards.fence && fence !== undefined ? { scope, fence } : { scope }, (tx) => work(guards.versions ? tx : lastWriterWins(tx))),
  };
}

/** Whoever asks for a lease has it. */
function freeForAll(leases: Database["leases"]): Database["leases"] {
  const given = {
    acquire: async (key: string, holder: string) => ({ key, holder, epoch: 1 }),
    renew: async () => true,
    release: async () => undefined,
  };
  return proxy(leases, given);
}

/** Writes what it was told over whatever is there by now. */
function lastWriterWins(tx: Tx): Tx {
  const { objects } = tx;
  const now = async (object: Resource) => (await objects.find(object.metadata.kind, object.metadata.uid)) ?? object;
  const overwriting = {
    updateStatus: async (object: Resource, status: never) => objects.updateStatus(await now(object), status),
    updateSpec: async (object: Resource, spec: never, labels?: Readonly<Record<string, string>>) =>
      objects.updateSpec(await now(object), spec, labels),
  };
  return proxy(tx, { objects: proxy(objects, overwriting) });
}

function proxy<T extends object>(target: T, instead: Readonly<Record<string, unknown>>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === "string" && name in instead) return instead[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
