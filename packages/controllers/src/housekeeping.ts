import { type Logger, RETENTION } from "@plimsoll/config";
import { type Database, PLATFORM } from "@plimsoll/db";
import { HISTORY_KEPT, pruneHistory } from "./app/prune-history.ts";

export interface Housekeeping {
  /** Looks at everything that grows, once. Idempotent; with another that does it under way, it does nothing. */
  run(): Promise<void>;
  close(): Promise<void>;
}

const EVERY_MS = 10 * 60_000;
const LEASE = "control/housekeeping";
const LEASE_MS = 5 * 60_000;

/** Keeps what would only grow within its bounds (RETENTION): rows past their time, and the history of apps that are never released anew. */
export function startHousekeeping(options: { readonly db: Database; readonly holder: string; readonly log: Logger }): Housekeeping {
  const { db, holder, log } = options;
  let closed = false;

  const tidy = async () => {
    const lease = await db.leases.acquire(LEASE, holder, LEASE_MS);
    if (lease === undefined) return;
    try {
      for (const uid of await db.platform.appsWithMoreThan(HISTORY_KEPT))
        while (!closed && (await db.write({ scope: PLATFORM, fence: lease }, (tx) => pruneHistory(tx, uid))));
      await db.prune(RETENTION);
    } finally {
      await db.leases.release(lease).catch(() => undefined);
    }
  };
  let running = Promise.resolve();
  const run = () => {
    running = running.then(() => (closed ? undefined : tidy()));
    const mine = running;
    running = running.catch((error: unknown) => log.warn("housekeeping failed; it is tried again", { error }));
    return mine;
  };
  const timer = setInterval(() => void run().catch(() => undefined), EVERY_MS);
  return {
    run,
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
