import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "@plimsoll/exec";
import { afterEach, describe, expect, it } from "vitest";
import { blockDeviceOf } from "./block-device.ts";
import { cgroupDriver } from "./cgroup-driver.ts";

const MIB = 1024 * 1024;

describe("cgroup driver on this host's kernel", () => {
  const driver = cgroupDriver({ cgroupRoot: `/plimsoll-test-${process.pid}` });
  afterEach(() => driver.remove(""));

  it("sets limits, and the kernel enforces the number of processes", async () => {
    expect(driver.ensure("tenants/n/run/i", { cpuMillis: 100, memoryBytes: 64 * MIB, pids: 5 })).toEqual({
      cpuMillis: 100,
      memoryBytes: 64 * MIB,
      pids: 5,
    });
    const child = await start(["sleep", "30"]);
    driver.move("tenants/n/run/i", child.pid);
    expect(driver.processes("tenants/n")).toEqual([child.pid]);
    expect(driver.usage("tenants/n/run/i").pids).toBe(1);
    expect(driver.children("tenants/n/run")).toEqual(["i"]);
  });

  it("kills what forks faster than a list of pids can be read", async () => {
    driver.ensure("tenants/n/run/i", { pids: 200 });
    const child = await start(["sh", "-c", "read go; while :; do sleep 30 & (sleep 30 & sleep 30 &) ; done"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    driver.move("tenants/n/run/i", child.pid);
    child.stdin?.write("go\n");
    await expect.poll(() => driver.usage("tenants/n/run/i").pids, { timeout: 10_000 }).toBeGreaterThan(50);
    await expect.poll(() => driver.usage("tenants/n/run/i").startsRefused, { timeout: 10_000 }).toBeGreaterThan(0);
    await driver.killAll("tenants/n/run/i");
    expect(driver.processes("tenants/n")).toEqual([]);
  });

  const device = blockDeviceOf(tmpdir());
  it.skipIf(device === undefined)("limits what is written to a disk each second", async ({ skip }) => {
    const file = join(tmpdir(), `plimsoll-io-${process.pid}`);
    const write = async (path: string) => {
      driver.ensure(path);
      const child = await start(["sh", "-c", `read go; exec dd if=/dev/zero of=${file} oflag=direct bs=1M count=6`], {
        stdio: ["pipe", "ignore", "ignore"],
      });
      const ended = new Promise((resolve) => child.once("close", resolve));
      driver.move(path, child.pid);
      const began = performance.now();
      child.stdin?.write("go\n");
      expect(await ended).toBe(0);
      return performance.now() - began;
    };
    try {
      driver.ensure("tenants/n/build/b");
      skip(!driver.limitIo("tenants/n/build/b", { device: device ?? "", bytesPerSecond: 4 * MIB }), "this kernel limits no disk");
      // 6 MiB at 4 MiB/s: without the limit some 30 ms.
      expect(await write("tenants/n/build/b")).toBeGreaterThan(1_000);
    } finally {
      rmSync(file, { force: true });
    }
  });

  it("raises a tenant at once and lowers it only to what is placed there", () => {
    expect(driver.ensureTenant("n", { cpuMillis: 1000, memoryBytes: 256 * MIB })).toEqual({ cpuMillis: 1000, memoryBytes: 256 * MIB });
    driver.ensure("tenants/n/run/a", { cpuMillis: 400, memoryBytes: 64 * MIB });
    driver.ensure("tenants/n/build/b", { cpuMillis: 300, memoryBytes: 128 * MIB });
    expect(driver.ensureTenant("n", { cpuMillis: 100, memoryBytes: 8 * MIB })).toEqual({ cpuMillis: 700, memoryBytes: 192 * MIB });
    expect(driver.ensureTenant("n", { cpuMillis: 2000, memoryBytes: 512 * MIB })).toEqual({ cpuMillis: 2000, memoryBytes: 512 * MIB });
  });

  it("never leaves a child without the limit that its parent has no room for", () => {
    driver.ensureTenant("n", { cpuMillis: 100, memoryBytes: 64 * MIB });
    const place = () => driver.ensure("tenants/n/run/i", { cpuMillis: 500, memoryBytes: 32 * MIB });
    // v1 refuses; v2 takes any limit, and the parent's holds.
    if (driver.version === "v1") expect(place).toThrow(expect.objectContaining({ code: "precondition_failed" }));
    driver.ensureTenant("n", { cpuMillis: 600, memoryBytes: 64 * MIB });
    expect(place()).toMatchObject({ cpuMillis: 500 });
  });

  it("removes a tree with processes in it, and nothing twice", async () => {
    driver.ensure("tenants/n/run/i");
    const child = await start(["sleep", "30"]);
    driver.move("tenants/n/run/i", child.pid);
    await driver.remove("tenants/n");
    expect(driver.exists("tenants/n")).toBe(false);
    await driver.remove("tenants/n");
  });
});
