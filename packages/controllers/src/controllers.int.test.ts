import { type Clock, systemClock } from "@plimsoll/config";
import { PLATFORM } from "@plimsoll/db";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ControllerPorts, type Controllers, type ControllersOptions, createControllers } from "./index.ts";
import { silent, TestPlatform, web } from "./testing/platform.ts";
import { type AgentScript, ScriptedAgent } from "./testing/scripted-agent.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;

describe("controllers", () => {
  let platform: TestPlatform;
  let agents: ScriptedAgent[] = [];
  let running: { stop(): Promise<void> }[] = [];
  let finished: [string, string][] = [];

  beforeEach(async () => {
    platform = await TestPlatform.create();
    finished = [];
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await Promise.all(agents.map((agent) => agent.stop()));
    running = [];
    agents = [];
    await platform.close();
  });

  const ports: ControllerPorts = {
    finishPush: async (push, end) => {
      finished.push([push.id, end.state === "live" ? "live" : end.reason]);
      return end;
    },
  };

  function start(options: Partial<ControllersOptions> = {}): Controllers {
    const one = createControllers({ db: platform.db, clock: systemClock, logger: silent, settings, ports, leaseMs: 1_000, ...options });
    one.start();
    running.push(one);
    return one;
  }

  async function agent(name: string, script: AgentScript = {}, roles?: ("build" | "run" | "ingress")[]): Promise<ScriptedAgent> {
    const one = await new ScriptedAgent(platform.db, await platform.host(name, roles), script).join();
    agents.push(one);
    return one;
  }

  const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 8_000, interval: 20 });

  it("rolls a release out over two hosts, and the next one without touching what serves before it is ready", async () => {
    await agent("host-a");
    await agent("host-b");
    start();
    const app = await platform.app("shop");
    const { uid } = app.metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    expect(await platform.appNow(uid)).toMatchObject({
      status: { phase: "live", release: 1, urls: ["http://shop-store.localhost:8080"], processes: { web: { desired: 2, ready: 2 } } },
    });
    expect(new Set((await platform.instances(uid)).map(({ spec }) => spec.host)).size).toBe(2);

    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 complete"]);
    expect(await platform.running(uid)).toEqual(["web-1 v2 ready", "web-2 v2 ready"]);
  });

  it("stops an old instance only after every live router has let go of it", async () => {
    const deaf = await agent("host-a", { deafIngress: true });
    start();
    const { uid } = (await platform.app("shop")).metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 draining"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const desired = async () => (await platform.instances(uid)).map(({ spec }) => `v${spec.release} ${spec.desired}`).sort();
    expect(await desired()).toEqual(["v1 draining", "v1 draining", "v2 running", "v2 running"]);
    await poll(async () => {
      const [deployment] = await platform.db.objects(PLATFORM).list("Deployment", { ownerUid: uid, phases: ["draining"] });
      return deployment?.status.message;
    }).toMatch(/ingress of host-a/);
    deaf.script = {};
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 complete"]);
  });

  it("brings a push from its build to a moved branch", async () => {
    await agent("host-a");
    start();
    const { uid } = (await platform.app("shop")).metadata;
    const { pushId, build } = await platform.push(uid);
    await poll(async () => finished).toEqual([[pushId, "live"]]);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    const done = await platform.db.objects(PLATFORM).get("Build", build.metadata.uid);
    expect(done.status).toMatchObject({ phase: "succeeded", release: 1, attempt: 1, host: "host-a" });
    expect(await platform.db.quotas.charged(build.metadata.uid)).toMatchObject({ builds: 0 });
    await poll(async () => (await platform.db.pushes.find(pushId))?.state).toBe("live");
  });

  it("leaves what serves untouched when a release never gets ready, and says why", async () => {
    const one = await agent("host-a");
    start();
    const quick = { ...web, readiness: { kind: "tcp", timeoutMs: 400 } as const };
    const { uid } = (await platform.app("shop", { web: quick })).metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    one.script = { instance: () => "never" };
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 failed"]);
    await poll(() => platform.running(uid)).toEqual(["web-1 v1 ready", "web-2 v1 ready"]);
    const app = await platform.appNow(uid);
    expect(app.status).toMatchObject({
      phase: "live",
      release: 1,
      message: expect.stringMatching(/^v2 was not released: web-\d not ready after/),
    });
    const [failed] = await platform.db.objects(PLATFORM).list("Deployment", { ownerUid: uid, phases: ["failed"] });
    expect(failed?.status.failure).toMatchObject({
      reason: expect.stringMatching(/port 8080 refused the connection/),
      logTail: ["listening on 127.0.0.1:3000"],
      hint: expect.stringMatching(/127\.0\.0\.1:3000, the probe asks port 8080/),
    });
    const events = await platform.db.objects(PLATFORM).list("Event", { ownerUid: uid });
    expect(events.map(({ spec }) => spec.reason)).toContain("DeploymentFailed");

    one.script = { instance: () => "crash" };
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 failed", "v3 failed"]);
    const app3 = await platform.appNow(uid);
    expect(app3.status.message).toMatch(/^v3 was not released: web-\d exited with 1, \d+ times/);
  });

  it("gives way to a newer deployment and a newer push, and tells the older push", async () => {
    const one = await agent("host-a", { instance: ({ spec }) => (spec.release === 1 ? "never" : "ready") });
    start();
    const { uid } = (await platform.app("shop")).metadata;
    await platform.deploy(uid);
    await poll(() => platform.running(uid)).toEqual(["web-1 v1 starting", "web-2 v1 starting"]);
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 superseded", "v2 complete"]);
    await poll(() => platform.running(uid)).toEqual(["web-1 v2 ready", "web-2 v2 ready"]);

    one.script = { build: ({ spec }) => (spec.number === 1 ? "hang" : "succeed") };
    const older = await platform.push(uid);
    await poll(async () => (await platform.db.objects(PLATFORM).get("Build", older.build.metadata.uid)).status.phase).toBe("running");
    const newer = await platform.push(uid);
    await poll(async () => [...finished].sort()).toEqual(
      [
        [older.pushId, "superseded by a newer push"],
        [newer.pushId, "live"],
      ].sort(),
    );
    expect(await platform.db.objects(PLATFORM).get("Build", older.build.metadata.uid)).toMatchObject({ status: { phase: "superseded" } });
    expect(await platform.db.quotas.charged(older.build.metadata.uid)).toMatchObject({ builds: 0 });
  });

  it("tells a failed build to its push, and gives its slot back", async () => {
    await agent("host-a", { build: () => "fail" });
    start();
    const { uid } = (await platform.app("shop")).metadata;
    const { pushId, build } = await platform.push(uid);
    await poll(async () => finished).toEqual([[pushId, "build failed"]]);
    await poll(async () => (await platform.db.quotas.charged(build.metadata.uid)).builds).toBe(0);
    expect(await platform.deployments(uid)).toEqual([]);
    const events = await platform.db.objects(PLATFORM).list("Event", { ownerUid: uid });
    expect(events.map(({ spec }) => spec.message)).toEqual(["Build 1 failed: RUN npm ci exited with 1"]);
  });

  it("builds no more at the same time than the quota gives, and says what the others wait for", async () => {
    const one = await agent("host-a", { build: () => "hang" });
    start();
    const apps = await Promise.all(["a", "b", "c"].map((name) => platform.app(name)));
    const builds: string[] = [];
    for (const { metadata } of apps) builds.push((await platform.push(metadata.uid)).build.metadata.uid);
    const statuses = async () => Promise.all(builds.map(async (uid) => (await platform.db.objects(PLATFORM).get("Build", uid)).status));
    const phases = async () => (await statuses()).map(({ phase }) => phase).sort();
    await poll(phases).toEqual(["pending", "running", "running"]);
    const waiting = (await statuses()).find(({ phase }) => phase === "pending");
    expect(waiting?.message).toBe("Waits for a build slot: Namespace store builds 2 of 2 at the same time.");
    expect((await platform.db.objects(PLATFORM).get("Namespace", platform.namespace.metadata.uid)).status.used.builds).toBe(2);
    one.script = {};
    await poll(phases).toEqual(["succeeded", "succeeded", "succeeded"]);
    await poll(async () => finished.map(([, end]) => end)).toEqual(["live", "live", "live"]);
  });

  it("builds again what a lost host was building, elsewhere, and the lost host's words count for nothing", async () => {
    const lost = await agent("host-a", { build: () => "hang" });
    const clock = hastyClock();
    start({ clock, resyncMs: 500 });
    const { uid } = (await platform.app("shop", {})).metadata;
    const { build, pushId } = await platform.push(uid);
    const status = async () => (await platform.db.objects(PLATFORM).get("Build", build.metadata.uid)).status;
    await poll(async () => (await status()).phase).toBe("running");
    const lease = await platform.db.leases.holder(`build/${build.metadata.uid}`);
    await lost.stop();
    clock.hurry();
    await longAgo();
    await agent("host-b");
    await poll(async () => finished).toEqual([[pushId, "live"]]);
    expect(await status()).toMatchObject({ attempt: 2, host: "host-b" });
    const fence = { key: `build/${build.metadata.uid}`, epoch: lease?.epoch ?? 0 };
    await expect(platform.db.write({ scope: PLATFORM, fence }, async (tx) => tx.wake("app", uid))).rejects.toMatchObject({
      code: "stale_lease",
    });
  });

  it("replaces the instances of a lost host elsewhere, and takes them from it when it comes back", async () => {
    const lost = await agent("host-a");
    await agent("host-b");
    const clock = hastyClock();
    start({ clock, resyncMs: 500 });
    const { uid } = (await platform.app("shop")).metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    const where = async () => (await platform.instances(uid)).map(({ spec, status }) => `${spec.host} ${status.phase}`).sort();
    expect(await where()).toEqual(["host-a ready", "host-b ready"]);
    await lost.stop();
    clock.hurry();
    await longAgo();
    await poll(async () => (await platform.db.objects(PLATFORM).get("Host", lost.host.metadata.uid)).status.phase).toBe("unreachable");
    await expect.poll(where, { timeout: 20_000 }).toEqual(["host-b ready", "host-b ready"]);
    const told = async () => (await platform.db.objects(PLATFORM).list("Event", { ownerUid: uid })).map(({ spec }) => spec.reason);
    await poll(told).toEqual(expect.arrayContaining(["HostUnreachable", "HostLost", "InstanceLost"]));
    lost.start();
    await poll(async () => (await platform.db.objects(PLATFORM).get("Host", lost.host.metadata.uid)).status.phase).toBe("ready");
    expect(await where()).toEqual(["host-b ready", "host-b ready"]);
  });

  it("moves what runs on a host that is closed, with never less ready than before, and nothing new goes there", async () => {
    const closed = await agent("host-a");
    start();
    const { uid } = (await platform.app("shop")).metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    const readies = async () => (await platform.instances(uid)).filter(({ status }) => status.phase === "ready").length;
    let least = await readies();
    const watching = setInterval(() => void readies().then((now) => (least = Math.min(least, now))), 10);
    await platform.db.write({ scope: PLATFORM }, async (tx) => {
      const host = await tx.objects.lock("Host", closed.host.metadata.uid);
      await tx.objects.updateSpec(host, { ...host.spec, schedulable: false });
      tx.wake("app", uid);
    });
    // No other host yet: it says so and goes on.
    await poll(async () => (await platform.appNow(uid)).status.message).toMatch(/waits for a host: .*closed to new work/);
    await agent("host-b");
    const where = async () => (await platform.instances(uid)).map(({ spec, status }) => `${spec.host} ${status.phase}`).sort();
    await expect.poll(where, { timeout: 20_000 }).toEqual(["host-b ready", "host-b ready"]);
    clearInterval(watching);
    expect(least).toBe(2);
    await poll(async () => (await platform.appNow(uid)).status).toMatchObject({ phase: "live", processes: { web: { ready: 2 } } });
    const { build } = await platform.push(uid);
    await poll(async () => (await platform.db.objects(PLATFORM).get("Build", build.metadata.uid)).status.host).toBe("host-b");
  });

  it("scales up and down through draining, and sleeps at zero", async () => {
    await agent("host-a");
    start();
    const { uid } = (await platform.app("shop")).metadata;
    await platform.deploy(uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    await platform.scale(uid, "web", 4);
    await poll(() => platform.running(uid)).toEqual([1, 2, 3, 4].map((n) => `web-${n} v1 ready`));
    await platform.scale(uid, "web", 1);
    await poll(() => platform.running(uid)).toEqual(["web-1 v1 ready"]);
    await platform.scale(uid, "web", 0);
    await poll(() => platform.running(uid)).toEqual([]);
    await poll(async () => (await platform.appNow(uid)).status.phase).toBe("sleeping");
  });

  it("takes a deleted app down with all that is its own, and leaves its neighbours", async () => {
    const one = await agent("host-a");
    start();
    const [gone, stays] = await Promise.all([platform.app("shop"), platform.app("search")]);
    const { uid } = gone.metadata;
    await platform.push(uid);
    await platform.push(stays.metadata.uid);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    one.script = { build: () => "hang" };
    const { pushId, build } = await platform.push(uid);
    await poll(async () => (await platform.db.objects(PLATFORM).get("Build", build.metadata.uid)).status.phase).toBe("running");
    await platform.db.write({ scope: PLATFORM }, async (tx) => {
      await tx.secrets.createDataKey(platform.namespace.metadata.uid);
      await tx.secrets.put(platform.namespace.metadata.uid, uid, "DB_URL", "canary");
      await tx.objects.delete(await tx.objects.lock("App", uid));
      tx.wake("app", uid);
    });
    await poll(async () => platform.db.objects(PLATFORM).find("App", uid)).toBeUndefined();
    for (const kind of ["Build", "Deployment", "Release", "Event", "Instance", "Route"] as const)
      expect(await platform.db.objects(PLATFORM).list(kind, { ownerUid: uid })).toEqual([]);
    expect(await platform.sql(`SELECT 1 FROM secrets WHERE app_uid = '${uid}'`)).toEqual([]);
    expect(await platform.sql(`SELECT 1 FROM quota_charges`)).toEqual([]);
    expect(await platform.sql(`SELECT host FROM route_claims`)).toEqual([{ host: "search-store.localhost" }]);
    await poll(async () => finished.filter(([id]) => id === pushId)).toHaveLength(1);
    expect(await platform.running(stays.metadata.uid)).toEqual(["web-1 v1 ready", "web-2 v1 ready"]);
  });

  it("gives an app whose name is taken a host name of its own", async () => {
    start();
    const { uid } = (await platform.app("shop")).metadata;
    await platform.db.write(
      { scope: PLATFORM },
      async (tx) => void (await tx.platform.claimRouteHost("search-store.localhost", "another")),
    );
    const other = await platform.app("search");
    await poll(async () => (await platform.appNow(uid)).status.urls).toEqual(["http://shop-store.localhost:8080"]);
    await poll(async () => (await platform.appNow(other.metadata.uid)).status.urls).toEqual([
      expect.stringMatching(/^http:\/\/search-store-[0-9a-f]{8}\.localhost:8080$/),
    ]);
  });

  /** Eight times as fast as it should be: grace periods pass in seconds, and no look at the hosts seems to be missing. */
  /** Goes eight times as fast once it was told to hurry: what must not happen before that has its whole time. */
  function hastyClock(): Clock & { hurry(): void } {
    let hurriedAt = Number.POSITIVE_INFINITY;
    return {
      now: () => new Date(Date.now() + Math.max(0, Date.now() - hurriedAt) * 7),
      hurry: () => {
        hurriedAt = Date.now();
      },
    };
  }

  /** Every lease that is not renewed from here on has been over for a long time. */
  async function longAgo(): Promise<void> {
    await platform.sql("UPDATE leases SET expires_at = now() - interval '1 hour' WHERE key LIKE 'build/%'");
    await platform.sql("UPDATE host_leases SET expires_at = now() - interval '1 hour'");
  }
});
