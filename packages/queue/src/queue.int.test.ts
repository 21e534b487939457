import { createLogger } from "@plimsoll/config";
import { AppError } from "@plimsoll/core";
import { Queue as BullQueue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openQueue, type Queue } from "./index.ts";
import { parseRedisUrl } from "./redis-url.ts";
import { type RestartableRedis, startRestartableRedis } from "./testing.ts";

const log = createLogger("test", { write: () => undefined });
const key = new Uint8Array(32).fill(7);

describe("queue", () => {
  let redis: RestartableRedis;
  let admin: Redis;
  let queue: Queue;
  const opened: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    redis = await startRestartableRedis();
    admin = new Redis(redis.url);
    admin.on("error", () => undefined);
    queue = open();
    await expect.poll(() => queue.connected).toBe(true);
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    admin.disconnect();
    await redis.stop();
  });

  function open(redisUrl = redis.url, prefix = "test") {
    const one = openQueue({ redisUrl, prefix, log, hostUserKey: key });
    opened.push(one);
    return one;
  }

  it("delivers control wake-ups by job, and a host's to the host alone", async () => {
    const control: string[] = [];
    const hosts: string[] = [];
    queue.consume(["app", "build"], ({ job, key }) => void control.push(`${job}/${key}`));
    queue.consumeHost("host_a", (key) => void hosts.push(key));
    await queue.enqueue([
      { job: "app", key: "app_1" },
      { job: "build", key: "bld_1" },
      { job: "push", key: "psh_1" },
      { job: "sync", key: "host_a" },
      { job: "sync", key: "host_b" },
    ]);
    await expect.poll(() => [control.sort(), hosts]).toEqual([["app/app_1", "build/bld_1"], ["host_a"]]);
  });

  it("makes one of equal wake-ups that wait, and keeps the one that comes while its key is being handled", async () => {
    const seen: string[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (let i = 0; i < 3; i++) await queue.enqueue([{ job: "app", key: "app_1" }]);
    queue.consume(["app"], async ({ key }) => {
      seen.push(key);
      if (seen.length === 1) await held;
    });
    await expect.poll(() => seen.length).toBe(1);
    for (let i = 0; i < 3; i++) await queue.enqueue([{ job: "app", key: "app_1" }]);
    release();
    await expect.poll(() => seen.length).toBe(2);
    await queue.enqueue([{ job: "app", key: "app_2" }]);
    await expect.poll(() => seen).toEqual(["app_1", "app_1", "app_2"]);
  });

  it("control: with deduplication alone, the wake-up that comes while its key is being handled is lost", async () => {
    const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
    const producer = new BullQueue("plain", { connection });
    const seen: string[] = [];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const add = (id: string) => producer.add("app", {}, { deduplication: { id }, removeOnComplete: true });
    const worker = new Worker(
      "plain",
      async (job) => {
        seen.push(job.deduplicationId ?? "");
        if (seen.length === 1) await held;
      },
      { connection },
    );
    await add("app_1");
    await expect.poll(() => seen.length).toBe(1);
    await add("app_1");
    release();
    await expect.poll(() => producer.getActiveCount()).toBe(0);
    await add("app_2");
    await expect.poll(() => seen).toEqual(["app_1", "app_2"]);
    await worker.close();
    await producer.close();
    connection.disconnect();
  });

  it("retries, delays and parks as the error says", async () => {
    const calls: Record<string, number[]> = { backoff: [], after: [], never: [] };
    queue.consume(["app"], ({ key }) => {
      const times = calls[key] ?? [];
      times.push(performance.now());
      if (key === "never") throw new AppError("invalid", "no");
      if (times.length === 1) throw new AppError("unavailable", "later", { retry: key === "after" ? { afterMs: 300 } : "backoff" });
    });
    await queue.enqueue(["backoff", "after", "never"].map((key) => ({ job: "app", key })));
    await expect.poll(() => Object.values(calls).map((times) => times.length), { timeout: 5_000 }).toEqual([2, 2, 1]);
    const [first = 0, second = 0] = calls.after ?? [];
    expect(second - first).toBeGreaterThanOrEqual(290);
    const parked = new BullQueue("app", { connection: admin, prefix: "test:control" });
    expect((await parked.getFailed()).map((job) => [job.data.uid, job.failedReason])).toEqual([["never", "no"]]);
    // A parked key can be woken again.
    await queue.enqueue([{ job: "app", key: "never" }]);
    await expect.poll(() => calls.never?.length).toBe(2);
  });

  it("refuses a payload that is not what the job says", async () => {
    const seen: string[] = [];
    queue.consume(["app"], ({ key }) => void seen.push(key));
    const other = new BullQueue("app", { connection: admin, prefix: "test:control" });
    await other.add("app", { snapshot: true });
    await queue.enqueue([{ job: "app", key: "app_1" }]);
    await expect.poll(() => [seen, 1]).toEqual([["app_1"], 1]);
    await expect.poll(async () => (await other.getFailed()).length).toBe(1);
  });

  it("fails at once while Redis is away, and goes on by itself when it is back, in the same consumers", async () => {
    const seen: string[] = [];
    queue.consume(["app"], ({ key }) => void seen.push(key));
    await queue.enqueue([{ job: "app", key: "app_1" }]);
    await expect.poll(() => seen.length).toBe(1);
    await redis.kill();
    await expect.poll(() => queue.connected).toBe(false);
    const began = performance.now();
    await expect(queue.enqueue([{ job: "app", key: "app_2" }])).rejects.toMatchObject({ code: "unavailable", retry: "backoff" });
    await expect(queue.ensureHostUser("host_a")).rejects.toMatchObject({ code: "unavailable" });
    expect(performance.now() - began).toBeLessThan(100);
    await redis.restart();
    await expect.poll(() => queue.connected, { timeout: 5_000 }).toBe(true);
    await queue.enqueue([{ job: "app", key: "app_3" }]);
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual(["app_1", "app_3"]);
  });

  it("does not wait for a Redis that hangs", async () => {
    await queue.enqueue([{ job: "app", key: "app_0" }]);
    process.kill(redis.pid, "SIGSTOP");
    const began = performance.now();
    await expect(queue.enqueue([{ job: "app", key: "app_1" }])).rejects.toMatchObject({ code: "unavailable" });
    expect(performance.now() - began).toBeLessThan(3_000);
    process.kill(redis.pid, "SIGCONT");
    await expect
      .poll(() =>
        queue.enqueue([{ job: "app", key: "app_1" }]).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  it("opens, takes consumers and closes without any Redis, and finds it when it comes", async () => {
    await redis.kill();
    const late = open();
    const seen: string[] = [];
    late.consume(["app"], ({ key }) => void seen.push(key));
    const never = open();
    never.consume(["app"], () => undefined);
    await never.close();
    await redis.restart();
    await expect
      .poll(
        () =>
          late.enqueue([{ job: "app", key: "app_1" }]).then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual(["app_1"]);
  });

  it("goes on after FLUSHALL, for control and for hosts", async () => {
    const host = await queue.ensureHostUser("host_a");
    const agent = open(host.url, host.prefix);
    const seen: string[] = [];
    queue.consume(["app"], ({ key }) => void seen.push(key));
    agent.consumeHost("host_a", (key) => void seen.push(key));
    const both = [{ job: "app", key: "app_1" } as const, { job: "sync", key: "host_a" } as const];
    await queue.enqueue(both);
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(2);
    await admin.flushall();
    await queue.enqueue(both);
    await expect.poll(() => seen.length, { timeout: 5_000 }).toBe(4);
  });

  describe("a host's Redis user", () => {
    it("works its own queue and nothing else", async () => {
      const host = await queue.ensureHostUser("host_a");
      await queue.ensureHostUser("host_b");
      const agent = open(host.url, host.prefix);
      const seen: string[] = [];
      agent.consumeHost("host_a", (key) => void seen.push(key));
      await queue.enqueue([{ job: "sync", key: "host_a" }]);
      await expect.poll(() => seen).toEqual(["host_a"]);

      const direct = new Redis(parseRedisUrl(host.url));
      await direct.set(`${host.prefix}:x`, "1");
      await admin.set("test:control:app:id", "1");
      for (const attempt of [
        () => direct.get("test:control:app:id"),
        () => direct.get("test:host:host_b:sync:meta"),
        () => direct.get("test:host:host_ab:x"),
        () => direct.eval("return redis.call('GET', 'test:control:app:id')", 0),
        () => direct.keys("*"),
        () => direct.scan("0"),
        () => direct.flushall(),
        () => direct.acl("LIST"),
        () => direct.config("GET", "*"),
        () => direct.subscribe("x"),
      ])
        await expect(attempt()).rejects.toThrow(/NOPERM|No permissions|can.t access at least one of the keys/);
      direct.disconnect();
      // Control: the same reads by a user without the rule succeed.
      expect(await admin.get("test:control:app:id")).toBe("1");
      expect(await admin.eval("return redis.call('GET', 'test:control:app:id')", 0)).toBe("1");
    });

    it("is the same when asked for again, and lets the agent in again after Redis has forgotten it", async () => {
      const host = await queue.ensureHostUser("host_a");
      expect(await queue.ensureHostUser("host_a")).toEqual(host);
      const agent = open(host.url, host.prefix);
      const seen: string[] = [];
      agent.consumeHost("host_a", (key) => void seen.push(key));
      await queue.enqueue([{ job: "sync", key: "host_a" }]);
      await expect.poll(() => seen.length).toBe(1);
      // Neither side is told: Redis comes back empty, without its users; the server's connection makes them again.
      await redis.kill();
      await redis.restart();
      await expect
        .poll(
          () =>
            queue.enqueue([{ job: "sync", key: "host_a" }]).then(
              () => true,
              () => false,
            ),
          { timeout: 5_000 },
        )
        .toBe(true);
      await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(2);
    });

    it("cannot log in once removed", async () => {
      const host = await queue.ensureHostUser("host_a");
      await queue.removeHostUser("host_a");
      const direct = new Redis({ ...parseRedisUrl(host.url), lazyConnect: true, retryStrategy: () => null });
      direct.on("error", () => undefined);
      await expect(direct.connect()).rejects.toThrow();
      direct.disconnect();
    });
  });
});
