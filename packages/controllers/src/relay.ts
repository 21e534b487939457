import type { Logger } from "@plimsoll/config";
import { AppError } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";
import type { Queue, QueuedWake } from "@plimsoll/queue";

export interface RelayOptions {
  readonly db: Pick<Database, "listen" | "relayOutbox">;
  /** Absent: every wake-up goes to `local`. */
  readonly queue?: Pick<Queue, "enqueue" | "onConnected"> | undefined;
  /**
   * Takes control wake-ups while the queue is away, so that deploys go on. Absent (a process without controllers): they stay in the
   * outbox for a process that has them.
   */
  readonly local?: ((wakes: readonly QueuedWake[]) => void) | undefined;
  readonly log: Logger;
  readonly pollMs?: number;
}

export interface Relay {
  close(): Promise<void>;
}

const BATCH = 500;
const POLL_MS = 1_000;

/**
 * Carries wake-ups from the outbox to the queue: at once when a transaction commits some, and every second whatever happens. Several
 * relays may run; each wake-up is taken by one. A crash between the two delivers it twice, which a wake-up bears.
 */
export function createRelay({ db, queue, local, log, pollMs = POLL_MS }: RelayOptions): Relay {
  /** Agents whose wake-up could not be delivered: told when the queue is back (their own resync is the net below). */
  const owed = new Set<string>();
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;

  const deliver = async (wakes: readonly QueuedWake[]): Promise<void> => {
    if (queue === undefined) return local?.(wakes);
    try {
      await queue.enqueue(wakes);
    } catch (error) {
      if (local === undefined || !(error instanceof AppError) || error.code !== "unavailable") throw error;
      local(wakes.filter(({ job }) => job !== "sync"));
      for (const { job, key } of wakes) if (job === "sync") owed.add(key);
    }
  };
  const payOwed = async (): Promise<void> => {
    const keys = [...owed];
    if (queue === undefined || keys.length === 0) return;
    await queue.enqueue(keys.map((key) => ({ job: "sync", key })));
    for (const key of keys) owed.delete(key);
  };
  const drain = async (): Promise<void> => {
    do {
      again = false;
      while (!closed && (await db.relayOutbox(BATCH, deliver)) === BATCH);
    } while (again && !closed);
  };
  const trigger = () => {
    again = true;
    if (closed || running !== undefined) return;
    running = drain()
      .catch((error) => log.debug("the outbox could not be relayed; it is tried again", { error }))
      .finally(() => {
        running = undefined;
        if (again) trigger();
      });
  };

  const listener = db.listen(["plimsoll_outbox"], trigger);
  const timer = setInterval(trigger, pollMs);
  queue?.onConnected(() => void payOwed().catch(() => undefined));
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await Promise.all([listener.close(), running]);
    },
  };
}
