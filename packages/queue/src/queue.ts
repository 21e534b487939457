import type { Logger } from "@plimsoll/config";
import type { ControlJobName } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { Queue as BullQueue } from "bullmq";
import { controlQueue, hostPrefix, hostQueue, jobOptions, normalizePrefix, type QueuedWake, queueOf } from "./catalog.ts";
import { connectProducer, unavailable } from "./connection.ts";
import { type Consumer, startConsumer, type WakeHandler } from "./consumer.ts";
import { applyHostUser, dropHostUser, type HostUser, hostPassword } from "./host-users.ts";
import { withCredentials } from "./redis-url.ts";

export interface QueueSettings {
  /** `redis://`, `rediss://` or `unix:///path`. */
  readonly redisUrl: string;
  /** Of all keys; an agent gives the prefix that ensureHostUser answered. */
  readonly prefix: string;
  readonly log: Logger;
  /** What the passwords of hosts are derived from (32 bytes, kept by the server): needed by ensureHostUser only. */
  readonly hostUserKey?: Uint8Array;
}

/**
 * Wake-ups over BullMQ. It owns nothing (invariant 1): what it loses is found again by the next resync. Nothing here ever ends the
 * process or waits for a server that is away: connections come back by themselves, for ever.
 */
export interface Queue {
  /** Hands wake-ups over; equal ones become one. AppError `unavailable` within 2 s when Redis does not take them. */
  enqueue(wakes: readonly QueuedWake[]): Promise<void>;
  /** Takes control wake-ups of these jobs, shared with every other server that does. */
  consume(
    jobs: readonly ControlJobName[],
    handler: (wake: { readonly job: ControlJobName; readonly key: string }) => Promise<void> | void,
    options?: { readonly concurrency?: number },
  ): Consumer;
  /** Takes a host's `sync` wake-ups; the agent's side. */
  consumeHost(hostUid: string, handler: WakeHandler): Consumer;
  /**
   * Makes the Redis user of a host, confined to its own keys, and answers the same credentials every time. A Redis that lost its users
   * gets those asked for in this process again as soon as it is back; others at the next call. `url` is for the agent.
   */
  ensureHostUser(hostUid: string): Promise<HostUser & { readonly url: string }>;
  /** This process has the key for the passwords of hosts. */
  readonly issuesHostUsers: boolean;
  /** Takes the host's access away and ends its sessions. Idempotent. */
  removeHostUser(hostUid: string): Promise<void>;
  readonly connected: boolean;
  /** Calls back on every new connection to Redis: what it lost can be told again. */
  onConnected(callback: () => void): void;
  close(): Promise<void>;
}

const CONTROL_CONCURRENCY = 16;

/** Opens the queue; answers at once, whether Redis is there or not. */
export function openQueue({ redisUrl, prefix, log, hostUserKey }: QueueSettings): Queue {
  const redis = connectProducer(redisUrl, log);
  const producers = new Map<string, Promise<BullQueue>>();
  const consumers = new Set<Consumer>();
  const hostUsers = new Map<string, HostUser>();
  let closing = false;

  // A restarted Redis knows no user that was made at run time.
  redis.on("ready", () => {
    for (const user of hostUsers.values()) void applyHostUser(redis, user).catch(() => undefined);
  });

  /** A BullMQ queue whose first contact fails stays broken: it is forgotten, and the next caller makes another. */
  const producer = (wake: QueuedWake): Promise<BullQueue> => {
    const { prefix: queuePrefix, name } = queueOf(prefix, wake);
    const id = `${queuePrefix}:${name}`;
    const known = producers.get(id);
    if (known !== undefined) return known;
    const opened = openProducer(queuePrefix, name);
    producers.set(id, opened);
    opened.catch(() => producers.delete(id));
    return opened;
  };
  const openProducer = async (queuePrefix: string, name: string): Promise<BullQueue> => {
    const queue = new BullQueue(name, { connection: redis, prefix: queuePrefix, streams: { events: { maxLen: 10 } } });
    queue.on("error", () => undefined);
    await queue.waitUntilReady();
    return queue;
  };
  const ready = () => {
    if (redis.status !== "ready") throw unavailable(new Error("not connected"));
  };
  const track = (consumer: Consumer): Consumer => {
    consumers.add(consumer);
    return consumer;
  };

  return {
    async enqueue(wakes) {
      if (wakes.length === 0) return;
      ready();
      const unique = new Map(wakes.map((wake) => [`${wake.job}/${wake.key}`, wake]));
      const groups = Map.groupBy(unique.values(), (wake) => (wake.job === "sync" ? `sync/${wake.key}` : wake.job));
      try {
        await Promise.all(
          [...groups.values()].map(async (group) => {
            const first = group[0];
            if (first === undefined) return;
            const queue = await producer(first);
            await queue.addBulk(group.map((wake) => ({ name: wake.job, data: { uid: wake.key }, opts: jobOptions(wake) })));
          }),
        );
      } catch (error) {
        throw unavailable(error);
      }
    },
    consume(jobs, handler, options = {}) {
      const concurrency = options.concurrency ?? CONTROL_CONCURRENCY;
      const started = jobs.map((job) =>
        startConsumer({
          redisUrl,
          queue: controlQueue(prefix, job),
          job,
          handler: (key) => handler({ job, key }),
          concurrency,
          log,
        }),
      );
      return track({ close: async () => void (await Promise.all(started.map((consumer) => consumer.close()))) });
    },
    consumeHost(hostUid, handler) {
      return track(startConsumer({ redisUrl, queue: hostQueue(prefix, hostUid), job: "sync", handler, concurrency: 1, log }));
    },
    issuesHostUsers: hostUserKey !== undefined,
    async ensureHostUser(hostUid) {
      if (hostUserKey === undefined)
        throw new AppError("internal", "This process has no key for the passwords of hosts; only the server makes their users.", {
          retry: "never",
        });
      const username = `${normalizePrefix(prefix)}-${hostUid}`;
      const user: HostUser = { username, password: hostPassword(hostUserKey, hostUid), prefix: hostPrefix(prefix, hostUid) };
      ready();
      try {
        await applyHostUser(redis, user);
      } catch (error) {
        throw unavailable(error);
      }
      hostUsers.set(hostUid, user);
      return { ...user, url: withCredentials(redisUrl, user) };
    },
    async removeHostUser(hostUid) {
      hostUsers.delete(hostUid);
      ready();
      await dropHostUser(redis, `${normalizePrefix(prefix)}-${hostUid}`).catch((error) => {
        throw unavailable(error);
      });
    },
    get connected() {
      return redis.status === "ready";
    },
    onConnected(callback) {
      redis.on("ready", callback);
      if (redis.status === "ready") queueMicrotask(callback);
    },
    async close() {
      if (closing) return;
      closing = true;
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      await Promise.all(
        [...producers.values()].map(async (opening) => (await opening.catch(() => undefined))?.close().catch(() => undefined)),
      );
      redis.disconnect();
    },
  };
}
