import { type Clock, systemClock } from "@plimsoll/config";
import { createBuild, PLATFORM } from "@plimsoll/db";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createControllers } from "../index.ts";
import { silent, TestPlatform } from "../testing/platform.ts";
import { type AgentScript, ScriptedAgent } from "../testing/scripted-agent.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;

describe("where and when builds begin", () => {
  let platform: TestPlatform;
  let agents: ScriptedAgent[] = [];
  let running: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    platform = await TestPlatform.create({ builds: 5 });
  });
  afterEach(async () => {
    await Promise.all(running.map((one) => one.stop()));
    await Promise.all(agents.map((agent) => agent.stop()));
    [running, agents] = [[], []];
    await platform.close();
  });

  const start = (clock: Clock = systemClock) => {
    const ports = { finishPush: async <T>(_: unknown, end: T) => end };
    const one = createControllers({ db: platform.db, clock, logger: silent, settings, ports, leaseMs: 1_000, resyncMs: 300 });
    one.start();
    running.push(one);
  };
  const agent = async (name: string, script: AgentScript = {}) => {
    const one = await new ScriptedAgent(platform.db, await platform.host(name), script).join();
    agents.push(one);
    return one;
  };
  const build = async (appUid: string) => {
    const { metadata } = (await platform.push(appUid)).build;
    return async () => (await platform.db.objects(PLATFORM).get("Build", metadata.uid)).status;
  };
  const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 15_000, interval: 20 });

  it("holds a build back while the only host is short of memory, says so, and begins when it is over", async () => {
    const host = await agent("alpha", { memorySome: 62 });
    start();
    const status = await build((await platform.app("shop", {})).metadata.uid);
    await poll(async () => (await status()).message).toBe(
      "Waits: host alpha is short of memory (PSI some avg10 62 %). It begins when that is over, at the latest after 60 s.",
    );
    expect(await status()).toMatchObject({ phase: "pending", heldSince: expect.any(String) });
    expect((await platform.db.objects(PLATFORM).get("Namespace", platform.namespace.metadata.uid)).status.used.builds).toBe(0);
    host.script = { memorySome: 1 };
    await poll(async () => (await status()).phase).toBe("succeeded");
    expect((await status()).heldSince).toBeUndefined();
  });

  it("holds it back for a minute and no longer", async () => {
    let aheadMs = 0;
    await agent("alpha", { memorySome: 62 });
    start({ now: () => new Date(Date.now() + aheadMs) });
    const status = await build((await platform.app("shop", {})).metadata.uid);
    await poll(async () => (await status()).heldSince).toBeDefined();
    aheadMs = 61_000;
    await poll(async () => (await status()).phase).toBe("succeeded");
  });

  it("holds nothing back where no pressure is measured", async () => {
    await agent("alpha");
    start();
    const status = await build((await platform.app("shop", {})).metadata.uid);
    await poll(async () => (await status()).phase).toBe("succeeded");
  });

  it("gives a build the memory that its commit asks for, as far as the namespace may, and says what to type else", async () => {
    const app = await platform.app("shop", {});
    const make = (memoryBytes: number) =>
      platform.db.write({ scope: PLATFORM }, (tx) =>
        createBuild(tx, {
          namespace: platform.namespace,
          app,
          source: { kind: "git", commit: "a".repeat(40), ref: "refs/heads/main", subject: "", author: "", memoryBytes },
          requestedBy: "Ana",
        }),
      );
    const most = platform.namespace.spec.quota.memoryBytes;
    expect((await make(most)).spec.limits).toMatchObject({ memoryBytes: most, mostMemoryBytes: most });
    await expect(make(most + 1)).rejects.toMatchObject({
      code: "quota_exceeded",
      message: expect.stringContaining("plim quota set acme/store memory="),
    });
  });

  it("builds an app where it was built before, and elsewhere while that host is under pressure", async () => {
    await agent("alpha");
    start();
    const apps = await Promise.all(["shop", "search", "mail"].map(async (name) => (await platform.app(name, {})).metadata.uid));
    for (const uid of apps) {
      const first = await build(uid);
      await poll(async () => (await first()).phase).toBe("succeeded");
    }
    await agent("beta");
    await poll(async () => (await platform.db.platform.hostLeases()).size).toBe(2);
    for (const uid of apps) {
      const again = await build(uid);
      await poll(again).toMatchObject({ phase: "succeeded", host: "alpha" });
    }
    for (const one of agents) if (one.host.metadata.name === "alpha") one.script = { memorySome: 50 };
    const alpha = async () => [...(await platform.db.platform.hostLeases()).values()].some(({ pressure }) => pressure?.memorySome === 50);
    await poll(alpha).toBe(true);
    const elsewhere = await build(apps[0] ?? "");
    await poll(elsewhere).toMatchObject({ phase: "succeeded", host: "beta" });
  });
});
