import { systemClock } from "@plimsoll/config";
import { type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { openQueue, type Queue } from "@plimsoll/queue";
import { type RestartableRedis, startRestartableRedis } from "@plimsoll/queue/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ControllerPorts, type Controllers, type ControllersOptions, createControllers } from "./index.ts";
import { silent, TestPlatform } from "./testing/platform.ts";
import { ScriptedAgent } from "./testing/scripted-agent.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;

describe("a push survives", () => {
  let platform: TestPlatform;
  let redis: RestartableRedis;
  let toStop: (() => Promise<unknown>)[] = [];
  let finished: string[] = [];

  beforeEach(async () => {
    [platform, redis] = await Promise.all([TestPlatform.create({ builds: 10 }), startRestartableRedis()]);
    finished = [];
  });
  afterEach(async () => {
    const stops = toStop.reverse();
    toStop = [];
    try {
      for (const stop of stops) await stop();
    } finally {
      await Promise.all([platform.close(), redis.stop()]);
    }
  }, 30_000);

  function queueOf(): Queue {
    const queue = openQueue({ redisUrl: redis.url, prefix: "test", log: silent, hostUserKey: Buffer.alloc(32, 2) });
    toStop.push(() => queue.close());
    return queue;
  }

  const ports: ControllerPorts = {
    finishPush: async (push, end) => {
      finished.push(`${push.id} ${end.state}`);
      return end;
    },
  };

  /** A server of its own: own pool, own queue connections. */
  function server(options: Partial<ControllersOptions> = {}): Controllers {
    const db = openDatabase(platform.url, Buffer.alloc(32, 1));
    const one = createControllers({ db, queue: queueOf(), clock: systemClock, logger: silent, settings, ports, leaseMs: 500, ...options });
    one.start();
    toStop.push(async () => {
      await one.stop();
      await db.close();
    });
    return one;
  }

  async function agents(): Promise<void> {
    for (const name of ["host-a", "host-b"]) {
      const agent = await new ScriptedAgent(platform.db, await platform.host(name)).join();
      toStop.push(() => agent.stop());
    }
  }

  /** What must be true in the end, whatever happened: one release and one deployment a build, and what is wanted runs, once. */
  async function expectOneOfEach(appUids: readonly string[], pushes: number): Promise<void> {
    const objects = platform.db.objects(PLATFORM);
    for (const ownerUid of appUids) {
      const builds = (await objects.list("Build", { ownerUid })).filter(({ status }) => status.phase === "succeeded");
      const releases = await objects.list("Release", { ownerUid });
      const deployments = await objects.list("Deployment", { ownerUid });
      expect(releases.map(({ spec }) => spec.buildUid).sort()).toEqual(builds.map(({ metadata }) => metadata.uid).sort());
      expect(deployments.map(({ spec }) => spec.release).sort()).toEqual(releases.map(({ spec }) => spec.number).sort());
      const serving = (await objects.get("App", ownerUid)).status.release;
      expect(await platform.running(ownerUid)).toEqual([`web-1 v${serving} ready`, `web-2 v${serving} ready`]);
    }
    expect(new Set(finished).size).toBe(pushes);
  }

  const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 20_000, interval: 20 });
  const openPushes = async () => (await platform.db.pushes.open()).length;
  const openDeployments = async () => (await platform.db.objects(PLATFORM).list("Deployment", { phases: ["starting", "draining"] })).length;

  it("two servers at once: one release and one deployment a build", async () => {
    await agents();
    const servers = [server(), server()];
    const apps = await Promise.all(["a", "b", "c", "d"].map((name) => platform.app(name)));
    const uids = apps.map(({ metadata }) => metadata.uid);
    for (let round = 0; round < 3; round++) {
      await Promise.all(uids.map((uid) => platform.push(uid)));
      // Both are woken about everything, again and again, as by a resync at the worst time.
      for (const uid of uids) for (const one of servers) one.wake("app", uid);
      for (const { metadata } of await platform.db.objects(PLATFORM).list("Build"))
        for (const one of servers) one.wake("build", metadata.uid);
    }
    await poll(openPushes).toBe(0);
    await poll(openDeployments).toBe(0);
    await poll(async () => (await Promise.all(uids.map((uid) => platform.running(uid)))).flat().length).toBe(8);
    await expectOneOfEach(uids, 12);
    const ran = servers.map(({ metrics }) => metrics.app.done + metrics.app.requeued);
    expect(Math.min(...ran)).toBeGreaterThan(0);
  });

  /**
   * A process that dies at its first transaction, after it committed, or at its second, before that commits: whatever it was doing hangs
   * for ever, and nothing of it is seen any more. So every transaction of a deploy is where some process died.
   */
  function mortal(when: string): { db: Database; dead: Promise<void> } {
    const inner = openDatabase(platform.url, Buffer.alloc(32, 1), { poolSize: 4 });
    const limit = when === "after it committed" ? 1 : 2;
    const never = new Promise<never>(() => undefined);
    let die: () => void = () => undefined;
    const dead = new Promise<void>((resolve) => {
      die = resolve;
    });
    let writes = 0;
    const alive =
      <A extends unknown[], T>(act: (...args: A) => Promise<T>) =>
      (...args: A) =>
        writes >= limit ? never : act(...args);
    const db: Database = {
      ...inner,
      leases: new Proxy(inner.leases, {
        get: (leases, name: "acquire" | "renew" | "release") => alive((leases[name] as () => Promise<unknown>).bind(leases)),
      }),
      relayOutbox: alive(inner.relayOutbox),
      async write(scope, work) {
        if (writes >= limit) return never;
        if (++writes < limit) return inner.write(scope, work);
        const fatal = inner.write(scope, async (tx) => {
          const answer = await work(tx);
          if (when === "before it commits") throw new Error("killed");
          return answer;
        });
        await fatal.catch(() => undefined);
        die();
        return never;
      },
    };
    toStop.push(() => inner.close());
    return { db, dead };
  }

  it.each(["before it commits", "after it committed"])(
    "a crash at every transaction of the control plane, %s: the same end",
    async (when) => {
      await agents();
      const uid = (await platform.app("shop")).metadata.uid;
      let deaths = 0;
      for (let pushes = 0; pushes < 2; pushes++) {
        await platform.push(uid);
        for (;;) {
          const { db, dead } = mortal(when);
          const one = createControllers({ db, clock: systemClock, logger: silent, settings, ports, leaseMs: 100, resyncMs: 100 });
          one.start();
          const settled = (async () => {
            while ((await openPushes()) + (await openDeployments()) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
            return "settled" as const;
          })();
          const end = await Promise.race([settled, dead]);
          // Not waited for: what hangs in it does so for ever.
          void one.stop();
          if (end === "settled") break;
          deaths++;
        }
      }
      expect(deaths).toBeGreaterThan(6);
      await expectOneOfEach([uid], 2);
    },
  );

  it("FLUSHALL of Redis, again and again", async () => {
    await agents();
    server({ resyncMs: 1_000 });
    const uid = (await platform.app("shop")).metadata.uid;
    const flushing = setInterval(() => void redis.flush().catch(() => undefined), 20);
    toStop.push(async () => clearInterval(flushing));
    for (let i = 0; i < 3; i++) {
      await platform.push(uid);
      await poll(openPushes).toBe(0);
    }
    await poll(openDeployments).toBe(0);
    await expectOneOfEach([uid], 3);
  });

  it("a Redis that is killed in between: the deploy goes on without it, at once", async () => {
    await agents();
    const one = server({ resyncMs: 60_000 });
    const uid = (await platform.app("shop")).metadata.uid;
    await platform.push(uid);
    await poll(openPushes).toBe(0);
    await redis.kill();
    const began = performance.now();
    await platform.push(uid);
    await poll(openPushes).toBe(0);
    await poll(openDeployments).toBe(0);
    // No resync was due: the wake-ups went another way.
    expect(performance.now() - began).toBeLessThan(10_000);
    await redis.restart();
    await platform.push(uid);
    await poll(openPushes).toBe(0);
    await poll(openDeployments).toBe(0);
    await expectOneOfEach([uid], 3);
    expect(one.metrics.app.resyncs).toBe(1);
  });

  it("agents are woken through their own queue, also about what happened while Redis was away", async () => {
    const host = await platform.host("host-a");
    const woken: string[] = [];
    const queue = queueOf();
    await expect.poll(() => queue.connected).toBe(true);
    const user = await queue.ensureHostUser(host.metadata.uid);
    const agentQueue = openQueue({ redisUrl: user.url, prefix: user.prefix, log: silent });
    agentQueue.consumeHost(host.metadata.uid, (uid) => void woken.push(uid));
    toStop.push(() => agentQueue.close());
    server({ resyncMs: 1_000 });
    const wake = () => platform.db.write({ scope: PLATFORM }, async (tx) => tx.wake("sync", host.metadata.uid));
    await wake();
    await poll(async () => woken.length).toBe(1);
    await redis.kill();
    await wake();
    await poll(async () => platform.sql("SELECT 1 FROM outbox")).toEqual([]);
    await redis.restart();
    await poll(async () => woken.length).toBe(2);
  });
});
