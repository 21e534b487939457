import { systemClock } from "@plimsoll/config";
import type { CommitConfig } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controllers, createControllers } from "./index.ts";
import { silent, TestPlatform } from "./testing/platform.ts";
import { type AgentScript, ScriptedAgent } from "./testing/scripted-agent.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;
const BOTH: CommitConfig = {
  file: "plimsoll.yaml",
  env: { MODE: "new" },
  processes: { web: { port: 3000 }, worker: { command: ["work"], replicas: 1, ready: "none" } },
};
const WEB_ALONE: CommitConfig = { file: "plimsoll.yaml", env: {}, processes: { web: { command: ["serve"], replicas: 1 } } };

describe("an app whose commits describe it", () => {
  let platform: TestPlatform;
  let controllers: Controllers | undefined;
  let agent: ScriptedAgent | undefined;

  beforeEach(async () => {
    platform = await TestPlatform.create({ instances: 4 });
  });
  afterEach(async () => {
    await controllers?.stop();
    await agent?.stop();
    await platform.close();
  });

  async function start(script: AgentScript = {}): Promise<string> {
    const ports = { finishPush: async (_: unknown, end: { state: "live" } | { state: "refused"; reason: string }) => end };
    controllers = createControllers({ db: platform.db, clock: systemClock, logger: silent, settings, ports, leaseMs: 1_000 });
    controllers.start();
    agent = await new ScriptedAgent(platform.db, await platform.host("host-a"), script).join();
    return (await platform.app("shop")).metadata.uid;
  }
  const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 20_000, interval: 20 });
  const processes = async (uid: string) => Object.keys((await platform.appNow(uid)).spec.processes).sort();

  it("is as the commit says from its release on, and again without what a later commit leaves out", async () => {
    const uid = await start();
    await platform.push(uid, BOTH);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    expect(await platform.running(uid)).toEqual(["web-1 v1 ready", "web-2 v1 ready", "worker-1 v1 ready"]);
    const { spec } = await platform.appNow(uid);
    expect(spec).toMatchObject({ env: { MODE: "new" }, processes: { web: { port: 3000, replicas: 2 } } });
    await platform.push(uid, WEB_ALONE);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 complete"]);
    await poll(() => processes(uid)).toEqual(["web"]);
    await poll(() => platform.running(uid)).toEqual(["web-1 v2 ready"]);
    expect((await platform.appNow(uid)).spec.env).toEqual({});
    expect((await platform.db.quotas.charged(uid)).instances).toBe(1);
  });

  it("loses a process that a commit does not have any more, also where nothing else is new", async () => {
    const uid = await start();
    await platform.push(uid, BOTH);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    await platform.push(uid, { ...BOTH, processes: { web: { port: 3000 } } });
    await poll(() => processes(uid)).toEqual(["web"]);
    await poll(() => platform.running(uid)).toEqual(["web-1 v2 ready", "web-2 v2 ready"]);
  });

  it("is what it was when the release of the commit never gets ready, and what it ran was never stopped", async () => {
    const uid = await start({ instance: ({ spec }) => (spec.release === 2 ? "give-up" : "ready") });
    await platform.push(uid, BOTH);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete"]);
    const before = await platform.appNow(uid);
    const worker = (await platform.instances(uid)).find(({ spec }) => spec.process === "worker");
    await platform.push(uid, WEB_ALONE);
    await poll(() => platform.deployments(uid)).toEqual(["v1 complete", "v2 failed"]);
    await poll(() => platform.running(uid)).toEqual(["web-1 v1 ready", "web-2 v1 ready", "worker-1 v1 ready"]);
    expect((await platform.appNow(uid)).spec).toEqual(before.spec);
    expect((await platform.instances(uid)).map(({ metadata }) => metadata.uid)).toContain(worker?.metadata.uid);
    expect((await platform.db.quotas.charged(uid)).instances).toBe(3);
  });

  it("is not released where the quota has no room any more, and says so", async () => {
    const uid = await start();
    const { build } = await platform.push(uid, { file: "plimsoll.yaml", env: {}, processes: { web: { replicas: 9 } } });
    await poll(async () => (await platform.db.objects(PLATFORM).get("Build", build.metadata.uid)).status.failure).toEqual({
      reason: "quota_exceeded",
      message: expect.stringContaining("it needs 9 instances, with 4 instances left"),
    });
    expect(await platform.deployments(uid)).toEqual([]);
    expect((await platform.appNow(uid)).spec.processes.web?.replicas).toBe(2);
  });
});
