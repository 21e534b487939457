import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { start } from "@plimsoll/exec";
import { identifyProcess, listNetworkNamespaces, removeNetworkNamespace, signalProcess, waitGone } from "@plimsoll/host";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { InstanceRuntime } from "./instance-runtime.ts";
import type { InstanceDefinition } from "./instance-state.ts";
import { commandLine } from "./monitor-process.ts";
import { type TestRig, testRig } from "./test-rig.ts";

describe("after kill -9 of the agent", () => {
  let rig: TestRig;
  let runtime: InstanceRuntime | undefined;

  beforeAll(async () => {
    rig = await testRig();
  });
  afterEach(async () => {
    runtime ??= await InstanceRuntime.open(rig);
    await runtime.collect(new Set(), new Set());
    await runtime.close();
    runtime = undefined;
    for (const key of listNetworkNamespaces(rig.layout)) await removeNetworkNamespace(rig.layout, key);
  });
  afterAll(() => rig.dispose());

  type Orders = { readonly run?: readonly InstanceDefinition[]; readonly create?: readonly InstanceDefinition[] };

  /** An agent that does what it is told, to be shot at some time. */
  const startAgent = async () => {
    const agent = await start([process.execPath, join(import.meta.dirname, "test-agent.ts")], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise<void>((resolve) => agent.once("exit", () => resolve()));
    agent.stdin?.on("error", () => undefined);
    let answers = 0;
    agent.stdout?.on("data", (chunk: Buffer) => {
      answers += chunk.toString().split("\n").length - 1;
    });
    let asked = 0;
    const order = (orders: Orders) => {
      asked++;
      agent.stdin?.write(`${JSON.stringify({ layout: rig.layout, ...orders })}\n`);
    };
    return {
      order,
      /** Waits until it has done all that. */
      async done() {
        await expect.poll(() => answers === asked || agent.exitCode !== null, { timeout: 20_000, interval: 5 }).toBe(true);
        expect(agent.exitCode).toBeNull();
      },
      async shoot() {
        agent.kill("SIGKILL");
        await ended;
      },
    };
  };
  const shotAgent = async (orders: Orders) => {
    const agent = await startAgent();
    agent.order(orders);
    await agent.done();
    await agent.shoot();
  };
  const launcher = () => {
    const pid = rig.cgroups
      .processes("monitors")
      .find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes("launcher-main.ts"));
    const identity = identifyProcess(pid ?? 0);
    if (identity === undefined) throw new Error("no launcher");
    return identity;
  };
  const open = async () => {
    runtime = await InstanceRuntime.open(rig);
    return runtime;
  };
  const log = (id: string) => runtime?.tailLog("ns", id, 1000).map(({ text }) => text);
  const monitorOf = (id: string) => {
    const pid = rig.cgroups.processes("monitors").find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes(`\0${id}.1\0`));
    const identity = identifyProcess(pid ?? 0);
    if (identity === undefined) throw new Error(`${id} has no monitor`);
    return identity;
  };

  it("finds what runs, what is prepared and what has ended meanwhile, and starts nothing twice", async () => {
    const definitions = {
      runs: await rig.instance("runs", "echo run; sleep 60", { secretEnv: { TOKEN: "kept" } }),
      prepared: await rig.instance("prepared", "echo run; sleep 60"),
      ends: await rig.instance("ends", "sleep 0.5; exit 5"),
    };
    await shotAgent({ run: [definitions.runs, definitions.ends], create: [definitions.prepared] });
    await expect.poll(() => existsSync(join(rig.layout.exitsDir, "ends.1")), { timeout: 20_000 }).toBe(true);
    const found = await open();
    expect(found.list().map(({ id, state, run }) => `${id} ${state} ${run}`)).toEqual([
      "ends exited 1",
      "prepared created 1",
      "runs running 1",
    ]);
    expect((await found.observe("ends"))?.lastExit).toMatchObject({ code: 5, outOfMemory: false });
    expect(await found.run(definitions.runs)).toMatchObject({ state: "running", run: 1 });
    expect(log("runs")).toEqual(["run"]);
    expect(await found.start("prepared")).toMatchObject({ state: "running" });
    await expect.poll(() => log("prepared"), { timeout: 10_000 }).toEqual(["run"]);
    // The next run still has its secrets.
    expect(await found.stop("runs", { graceMs: 0 })).toMatchObject({ state: "exited" });
    expect(await found.restart("runs")).toMatchObject({ state: "running", run: 2 });
    const { pid } = (await found.observe("runs")) ?? {};
    // The runtime's process until it has become the program.
    await expect.poll(() => readFileSync(`/proc/${pid}/environ`, "utf8"), { timeout: 10_000 }).toContain("TOKEN=kept");
  });

  it("ends up with each instance once or not at all, wherever the kill came", async () => {
    const seenStates = new Set<string>();
    // Never begun, at any moment of a launch, and long begun.
    for (const moment of ["frozen", 0, 12, 24, 40, "runs"] as const) {
      const warm = await rig.instance("warm", "sleep 60");
      const definition = await rig.instance(`at-${moment}`, "echo run; sleep 60");
      const agent = await startAgent();
      // The first one loads the launcher, which takes longer than a launch.
      agent.order({ run: [warm] });
      await agent.done();
      if (moment === "frozen") signalProcess(launcher(), "SIGSTOP");
      agent.order({ run: [definition] });
      if (moment === "runs") await agent.done();
      else
        await expect
          .poll(() => existsSync(join(rig.layout.bundlesDir, definition.id, "state.json")), { interval: 1, timeout: 10_000 })
          .toBe(true);
      if (typeof moment === "number") await new Promise((resolve) => setTimeout(resolve, moment));
      await agent.shoot();
      const found = await open();
      const seen = found.list().find(({ id }) => id === definition.id);
      seenStates.add(seen?.state ?? "none");
      if (seen === undefined) await found.run(definition);
      else if (seen.state === "created") await found.start(seen.id);
      else if (seen.state === "exited") await found.restart(seen.id);
      await expect.poll(() => log(definition.id), { timeout: 10_000 }).toContain("run");
      expect(log(definition.id)).toEqual(["run"]);
      expect(await found.observe(definition.id)).toMatchObject({ state: "running" });
      await found.remove(definition.id);
      await found.remove("warm");
      expect(rig.cgroups.children("tenants/ns/run")).toEqual([]);
      await found.close();
      runtime = undefined;
    }
    expect([...seenStates]).toEqual(expect.arrayContaining(["exited", "running"]));
  });

  it("kills an instance whose monitor died, tells so, and can start it again", async () => {
    const found = await open();
    const told: string[] = [];
    found.onExit(({ id, lastExit }) => told.push(`${id} ${lastExit?.monitorLost}`));
    await found.run(await rig.instance("i1", "echo run; sleep 60"));
    await expect.poll(() => log("i1"), { timeout: 10_000 }).toEqual(["run"]);
    const { pid } = (await found.observe("i1")) ?? {};
    const program = identifyProcess(pid ?? 0);
    signalProcess(monitorOf("i1"), "SIGKILL");
    await expect.poll(() => told, { timeout: 20_000 }).toEqual(["i1 true"]);
    expect(program === undefined || (await waitGone(program, 10_000))).toBe(true);
    expect(await found.observe("i1")).toMatchObject({ state: "exited", failuresInRow: 1, lastExit: { monitorLost: true } });
    expect(await found.restart("i1")).toMatchObject({ state: "running", run: 2 });
  });

  it("does the same when the monitor died with the agent", async () => {
    await shotAgent({ run: [await rig.instance("i1", "sleep 60")] });
    const monitor = monitorOf("i1");
    signalProcess(monitor, "SIGKILL");
    await waitGone(monitor, 10_000);
    const found = await open();
    expect(found.list()).toMatchObject([{ id: "i1", state: "exited", lastExit: { monitorLost: true } }]);
    expect(rig.cgroups.processes("tenants/ns/run/i1")).toEqual([]);
  });

  it("leaves nothing of a launch whose launcher was killed in the middle", async () => {
    const found = await open();
    const outcomes = new Set<string>();
    for (const moment of ["frozen", 0, 5, 10, 15, 20, 30] as const) {
      const definition = await rig.instance("i1", "sleep 60");
      await found.run(await rig.instance("warm", "sleep 60"));
      if (moment === "frozen") signalProcess(launcher(), "SIGSTOP");
      const launching = found.run(definition).then(
        () => "started",
        () => "failed",
      );
      // By then it has its order, which nobody will answer.
      if (moment === "frozen") await expect.poll(() => rig.cgroups.exists("tenants/ns/run/i1"), { timeout: 10_000 }).toBe(true);
      else await new Promise((resolve) => setTimeout(resolve, moment));
      signalProcess(launcher(), "SIGKILL");
      outcomes.add(await launching);
      await found.remove("i1");
      const left = rig.cgroups.processes("monitors").filter((pid) => commandLine(pid).includes("i1.1"));
      expect(left).toEqual([]);
      expect(existsSync(join(rig.layout.crunDir, "i1.1"))).toBe(false);
      expect(rig.cgroups.children("tenants/ns/run")).toEqual(["warm"]);
    }
    expect(outcomes).toContain("failed");
  });

  it("collects what a reboot leaves: snapshots, logs and cgroups of instances that nobody wants", async () => {
    await shotAgent({ run: [await rig.instance("i1", "echo run; sleep 60")] });
    // What a reboot takes: processes and the run directory's records.
    await rig.cgroups.killAll("");
    rmSync(join(rig.layout.bundlesDir, "i1"), { recursive: true });
    const found = await open();
    expect(found.list()).toEqual([]);
    expect(existsSync(join(rig.layout.snapshotsDir, "i1"))).toBe(true);
    await found.collect(new Set());
    for (const left of ["snapshotsDir", "logsDir"] as const) {
      expect(existsSync(join(rig.layout[left], left === "logsDir" ? "ns/i1" : "i1"))).toBe(false);
    }
    expect(rig.cgroups.children("tenants/ns/run")).toEqual([]);
  });
});
