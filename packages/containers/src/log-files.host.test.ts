import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InstanceRuntime } from "./instance-runtime.ts";
import { type TestRig, testRig } from "./test-rig.ts";

const MIB = 1024 * 1024;

describe("logs of a program that says much", () => {
  let rig: TestRig;
  let runtime: InstanceRuntime;

  beforeAll(async () => {
    rig = await testRig();
    runtime = await InstanceRuntime.open({ ...rig, logs: { maxBytes: 64 * 1024, keep: 100 } });
  });
  afterAll(async () => {
    await runtime.collect(new Set(), new Set());
    await runtime.close();
    await rig.dispose();
  });

  it("keeps every line over many rotations and a restart, and gives a follower each once and in order", async () => {
    const limits = { cpuMillis: 1_000, memoryBytes: 64 * MIB, pids: 50 };
    const script = 'for i in $(seq 40); do seq -f "line $i-%g of some length" 500; sleep 0.05; done; echo end';
    const controller = new AbortController();
    const followed: string[] = [];
    await runtime.run(await rig.instance("i1", script, { limits }));
    const following = (async () => {
      for await (const { text } of runtime.followLog("ns", "i1", { tail: 10_000, signal: controller.signal })) {
        followed.push(text);
        if (text === "end" && followed.filter((each) => each === "end").length === 2) controller.abort();
      }
    })();
    await expect.poll(async () => (await runtime.observe("i1"))?.state, { timeout: 30_000 }).toBe("exited");
    await runtime.restart("i1");
    await expect.poll(async () => (await runtime.observe("i1"))?.state, { timeout: 30_000 }).toBe("exited");
    await Promise.race([following, new Promise((resolve) => setTimeout(resolve, 3_000))]);
    controller.abort();

    const once = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 500 }, (_, n) => `line ${i + 1}-${n + 1} of some length`),
    ).flat();
    const expected = [...once, "end", ...once, "end"];
    const files = readdirSync(join(rig.layout.logsDir, "ns/i1"));
    expect(files.length).toBeGreaterThan(5);
    const kept = runtime.tailLog("ns", "i1", 100_000).map(({ text }) => text);
    expect(kept.length).toBe(expected.length);
    expect(kept).toEqual(expected);
    expect(followed.length).toBe(expected.length);
    expect(followed).toEqual(expected);
    expect(runtime.tailLog("ns", "i1", 2).map(({ text }) => text)).toEqual(["line 40-500 of some length", "end"]);
  });

  it("keeps no more files than it may", async () => {
    await using small = await InstanceRuntime.open({ ...rig, logs: { maxBytes: 16 * 1024, keep: 3 } });
    await small.run(await rig.instance("i2", "for i in $(seq 20); do seq 2000; sleep 0.1; done"));
    await expect.poll(async () => (await small.observe("i2"))?.state, { timeout: 20_000 }).toBe("exited");
    const dir = join(rig.layout.logsDir, "ns/i2");
    expect(readdirSync(dir).length).toBeLessThanOrEqual(3);
    expect(readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)).toBeLessThan(2 * MIB);
    await small.remove("i2");
  });
});
