import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TemporaryLayer } from "./layer-store.ts";
import { runSandbox, type SandboxRequest } from "./sandbox.ts";
import { type TestRig, testRig } from "./test-rig.ts";

const MIB = 1024 * 1024;

describe("a build step's sandbox", () => {
  let rig: TestRig;
  const temporaries: TemporaryLayer[] = [];
  let count = 0;

  beforeAll(async () => {
    rig = await testRig();
  });
  afterEach(async () => {
    for (const temporary of temporaries.splice(0)) await temporary.discard();
  });
  afterAll(() => rig.dispose());

  const step = async (script: string, over: Partial<SandboxRequest> = {}) => {
    const id = `step-${count++}`;
    const { userNamespace, networkNamespace } = await rig.instance("build", "");
    rig.cgroups.ensure("tenants/ns/build/b1", { cpuMillis: 2_000, memoryBytes: 64 * MIB, pids: 50 });
    const temporary = rig.layers.temporary();
    temporaries.push(temporary);
    const output = { stdout: "", stderr: "" };
    const result = await runSandbox({
      layout: rig.layout,
      cgroups: rig.cgroups,
      id,
      layers: [rig.layers.dirOf(rig.layer.digest)],
      upperDir: temporary.upperDir,
      workDir: temporary.workDir,
      userNamespace,
      networkNamespace,
      cgroupPath: "tenants/ns/build/b1",
      args: ["sh", "-c", script],
      env: ["A=1"],
      user: "",
      cwd: "/",
      onOutput: (stream, chunk) => {
        output[stream] += chunk.toString();
      },
      ...over,
    });
    return { result, output, temporary };
  };

  it("runs a command, streams its output, and leaves exactly what it changed as a layer", async () => {
    const { result, output, temporary } = await step(
      "echo out; echo err > /dev/stderr; echo $A $HOME; mkdir /app; echo x > /app/file; rm /etc/group",
    );
    expect(result).toMatchObject({ exitCode: 0, outOfMemory: false, timedOut: false });
    expect(output).toEqual({ stdout: "out\n1 /root\n", stderr: "err\n" });
    expect(readdirSync(temporary.upperDir).sort()).toEqual(["app", "etc"]);
    expect(readdirSync(join(temporary.upperDir, "etc"))).toEqual(["group"]);
    expect(statSync(join(temporary.upperDir, "etc/group")).rdev).toBe(0);
    expect(statSync(join(temporary.upperDir, "app/file")).uid).toBe(0);
    const sealed = await rig.layers.seal(temporary.upperDir);
    const next = await step("cat /app/file; cat /etc/group", { layers: [rig.layer, sealed].map(({ digest }) => rig.layers.dirOf(digest)) });
    expect(next.output.stdout).toBe("x\n");
    expect(next.result.exitCode).toBe(1);
    expect(rig.cgroups.children("tenants/ns/build/b1")).toEqual([]);
    expect(readdirSync(rig.layout.bundlesDir)).toEqual([".crun"]);
  });

  it("leaves no mount point behind, nor a directory that held only such", async () => {
    const { temporary } = await step("true");
    expect(readdirSync(temporary.upperDir)).toEqual([]);
    const empty = rig.layers.temporary();
    writeFileSync(join(empty.upperDir, "x"), "");
    const bare = await rig.layers.seal(empty.upperDir);
    // Over an image without /etc, /proc and so on, the same.
    const { result, temporary: second } = await step("touch /etc/kept", {
      layers: [rig.layers.dirOf(bare.digest), rig.layers.dirOf(rig.layer.digest)],
    });
    expect(result.exitCode).toBe(0);
    expect(readdirSync(join(second.upperDir, "etc"))).toEqual(["kept"]);
  });

  it("runs as the user it is told, who can write to its own output", async () => {
    const { result, output, temporary } = await step("id; echo to-stdout > /dev/stdout; echo mine > ~/mine", {
      user: "app",
      cwd: "/home/app",
    });
    expect(output.stderr).toMatch(/mine.*ermission|mine.*denied/);
    expect(result.exitCode).not.toBe(0);
    expect(output.stdout).toBe("uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)\nto-stdout\n");
    expect(readdirSync(temporary.upperDir)).toEqual([]);
    await expect(step("true", { user: "nobody-here" })).rejects.toMatchObject({ code: "invalid" });
  });

  it("tells a failing command, an unknown program, and a kill for memory apart", async () => {
    expect((await step("exit 3")).result).toMatchObject({ exitCode: 3, outOfMemory: false });
    await expect(step("", { args: ["no-such-program"] })).rejects.toMatchObject({ code: "invalid" });
    expect((await step("tail /dev/zero")).result).toMatchObject({ exitCode: 137, signal: "SIGKILL", outOfMemory: true });
  });

  it("ends what takes too long or is not wanted any more, background processes too", async () => {
    const slow = await step("sleep 60 & sleep 60", { timeoutMs: 200 });
    expect(slow.result).toMatchObject({ exitCode: 137, timedOut: true, cancelled: false });
    const controller = new AbortController();
    const cancelled = step("echo up; sleep 60", { signal: controller.signal, onOutput: () => controller.abort() });
    expect((await cancelled).result).toMatchObject({ exitCode: 137, cancelled: true, timedOut: false });
    expect(rig.cgroups.children("tenants/ns/build/b1")).toEqual([]);
  });

  it("runs steps side by side, without network where none is given", async () => {
    const both = await Promise.all([step("echo one; sleep 0.2"), step("cat /proc/net/dev", { networkNamespace: undefined })]);
    expect(both.map(({ result }) => result.exitCode)).toEqual([0, 0]);
    expect(both[1]?.output.stdout.split("\n").filter((line) => line.includes(":")).length).toBe(1);
  });

  it("shows extra mounts with container-side ids, read-only where told", async () => {
    const source = join(rig.layout.stateDir, "cache");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "file"), "cached");
    const { output, temporary } = await step("cat /cache/file; ls -ln /cache | tail -n 1; touch /cache/new", {
      mounts: [{ source, destination: "/cache", readOnly: true }],
    });
    expect(output.stdout).toMatch(/^cached-rw-r--r-- 1 0 0/);
    expect(output.stderr).toMatch(/Read-only/);
    expect(existsSync(join(source, "new"))).toBe(false);
    expect(readdirSync(temporary.upperDir)).toEqual([]);
  });
});
