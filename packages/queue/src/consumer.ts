import type { Logger } from "@plimsoll/config";
import type { JobName } from "@plimsoll/contracts";
import { errorText } from "@plimsoll/core";
import { Worker } from "bullmq";
import type { Redis } from "ioredis";
import { parsePayload, type QueueName } from "./catalog.ts";
import { connectConsumer, whenReady } from "./connection.ts";
import { backoffMs, rethrowForQueue } from "./retry.ts";

/** Something that takes wake-ups until it is closed. */
export interface Consumer {
  /** Takes no more, waits for the handlers under way. Idempotent. */
  close(): Promise<void>;
}

/**
 * Called for each wake-up. While it runs, further wake-ups of the key become one, delivered after. It should only note the key and
 * return: a process that dies in it keeps the key's later wake-ups from everybody until BullMQ's lock has expired (LOCK_MS).
 * Throws → tried again as the AppError's `retry` says.
 */
export type WakeHandler = (key: string) => Promise<void> | void;

export interface ConsumerOptions {
  readonly redisUrl: string;
  readonly queue: QueueName;
  readonly job: JobName;
  readonly handler: WakeHandler;
  readonly concurrency: number;
  readonly log: Logger;
}

const LOCK_MS = 5_000;
const RESTART_MS = 200;

/** Consumes a queue for ever: through restarts of Redis, through refused logins, through anything that ends a BullMQ worker. */
export function startConsumer(options: ConsumerOptions): Consumer {
  const { log } = options;
  let closed = false;
  let current: { readonly redis: Redis; worker?: Worker } | undefined;

  const runOnce = async (): Promise<void> => {
    const redis = connectConsumer(options.redisUrl, log);
    current = { redis };
    try {
      // A worker whose first contact fails never recovers: it gets a connection that works.
      await whenReady(redis);
      if (closed) return;
      const worker = createWorker(options, redis);
      current = { redis, worker };
      await worker.waitUntilReady();
      await worker.run();
    } finally {
      redis.disconnect();
    }
  };
  const loop = (async () => {
    while (!closed) {
      await runOnce().catch(
        (error) => closed || log.warn("a queue worker ended and is started again", { queue: options.queue.name, error }),
      );
      if (!closed) await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    }
  })();

  return {
    async close() {
      closed = true;
      const worker = current?.worker;
      // Without a server there is nobody to say goodbye to: BullMQ would wait for the connection to come back.
      if (worker !== undefined) await worker.close(current?.redis.status !== "ready").catch(() => undefined);
      current?.redis.disconnect();
      await loop;
    },
  };
}

function createWorker({ queue, job: name, handler, concurrency, log }: ConsumerOptions, connection: Redis): Worker {
  const worker = new Worker(
    queue.name,
    async (job, token) => {
      try {
        await handler(parsePayload(name, job.data));
      } catch (error) {
        await rethrowForQueue(error, job, token);
      }
    },
    {
      connection,
      prefix: queue.prefix,
      concurrency,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      // A process that died holding a wake-up says nothing about the wake-up.
      maxStalledCount: 10,
      runRetryDelay: RESTART_MS,
      settings: { backoffStrategy: (attemptsMade) => backoffMs(attemptsMade) },
    },
  );
  worker.on("error", (error) => log.debug("queue worker", { queue: queue.name, error: errorText(error) }));
  worker.on("failed", (job, error) => {
    if (error.name === "UnrecoverableError") log.error("a wake-up was parked", { job: name, key: job?.data?.uid, error: errorText(error) });
  });
  return worker;
}
