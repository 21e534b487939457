import { systemClock } from "@plimsoll/config";
import { type Database, PLATFORM } from "@plimsoll/db";
import type { Queue } from "@plimsoll/queue";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ControllerPorts, type Controllers, createControllers } from "./index.ts";
import { silent, TestPlatform } from "./testing/platform.ts";
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

  function start(options: { db?: Database; queue?: Queue; resyncMs?: number } = {}): Controllers {
    const one = createControllers({ db: platform.db, clock: systemClock, logger: silent, settings, ports, leaseMs: 1_000, ...options });
    one.start();
    running.push(one);
    return one;
  }

  async function agent(name: string, script: AgentScript = {}, roles?: ("build" | "run" | "ingress")[]): Promise<ScriptedAgent> {
    const one = new ScriptedAgent(platform.db, await platform.host(name, roles), script).start();
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
});
