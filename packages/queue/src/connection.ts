import type { Logger } from "@plimsoll/config";
import { AppError, errorText } from "@plimsoll/core";
import { Redis, type RedisOptions } from "ioredis";
import { parseRedisUrl } from "./redis-url.ts";

/** An answer that takes longer counts as none: enqueueing must not hold a transaction of the outbox. */
const COMMAND_TIMEOUT_MS = 2_000;
const RECONNECT_MAX_MS = 1_000;

/**
 * ioredis (5.11) says no `end` when it is disconnected between two attempts to connect, and leaves the commands that wait unanswered: whoever
 * waits for one of them, as BullMQ does when a worker is closed, waits for ever.
 */
class Connection extends Redis {
  override disconnect(reconnect = false): void {
    // What it takes for a connection that was never opened, and ends at once.
    if (!reconnect && this.status === "reconnecting") this.status = "wait";
    super.disconnect(reconnect);
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    return new Connection({ ...this.options, ...override });
  }
}

/**
 * A connection that enqueues: reconnects for ever, and fails at once while there is no server, so that the caller can go another way.
 * Its errors are logged, once per outage.
 */
export function connectProducer(redisUrl: string, log: Logger): Redis {
  return connect(redisUrl, log, { maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: COMMAND_TIMEOUT_MS });
}

/** A connection that waits for jobs: reconnects for ever and sends again what an outage interrupted (BullMQ asks for that). */
export function connectConsumer(redisUrl: string, log: Logger): Redis {
  return connect(redisUrl, log, { maxRetriesPerRequest: null });
}

function connect(redisUrl: string, log: Logger, options: RedisOptions): Redis {
  const redis = new Connection({
    ...parseRedisUrl(redisUrl),
    ...options,
    retryStrategy: (times) => Math.min(50 * times, RECONNECT_MAX_MS),
    connectTimeout: 5_000,
    // CLIENT SETINFO does not exist before Redis 7.2 and is not in the rule of hosts.
    disableClientInfo: true,
  });
  let told = false;
  redis.on("error", (error: Error) => {
    if (!told) log.warn("Redis does not answer; wake-ups wait for the resync until it does", { error });
    told = true;
  });
  redis.on("ready", () => {
    if (told) log.info("Redis answers again");
    told = false;
  });
  return redis;
}

/** Resolves when the connection is usable; rejects only when it has been closed by us. */
export async function whenReady(redis: Redis): Promise<void> {
  if (redis.status === "ready") return;
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      redis.off("ready", onReady);
      redis.off("end", onEnd);
      if (error) reject(error);
      else resolve();
    };
    const onReady = () => settle();
    const onEnd = () => settle(new Error("closed"));
    redis.on("ready", onReady);
    redis.on("end", onEnd);
    if (redis.status === "end") onEnd();
  });
}

export function unavailable(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError("unavailable", `The queue does not answer (${errorText(cause)}); nothing is lost, work goes on at the next resync.`, {
    cause,
  });
}
