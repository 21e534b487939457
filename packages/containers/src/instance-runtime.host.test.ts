import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InstanceRuntime } from "./instance-runtime.ts";
import { type TestRig, testRig } from "./test-rig.ts";

describe("instances", () => {
  let rig: TestRig;
  let runtime: InstanceRuntime;

  beforeEach(async () => {
    rig = await testRig();
    runtime = await InstanceRuntime.open(rig);
  });
  afterEach(async () => {
    for (const { id } of runtime.list()) await runtime.remove(id);
    await runtime.close();
    await rig.dispose();
  });

  const log = (id: string) => runtime.tailLog("ns", id, 1000).map(({ text }) => text);
  const exited = (id: string) =>
    expect.poll(async () => (await runtime.observe(id))?.state, { timeout: 10_000, interval: 5 }).toBe("exited");

  it("runs a program and keeps its output and status", async () => {
    const seen = await runtime.run(await rig.instance("i1", "echo out; echo err >&2; id; exit 3"));
    expect(seen).toMatchObject({ id: "i1", run: 1, restarts: 0 });
    await exited("i1");
    expect(log("i1")).toEqual(["out", "err", "uid=0(root) gid=0(root) groups=0(root)"]);
    expect((await runtime.observe("i1"))?.lastExit).toMatchObject({ code: 3, outOfMemory: false, monitorLost: false });
  });
});
