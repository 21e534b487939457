import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cgroupV2 } from "./cgroup-v2.ts";

/** A directory that looks like a cgroup2 tree to the driver. What the kernel does with the files is for the test in a virtual machine. */
describe("cgroup v2 files", () => {
  let mountPoint: string;
  const read = (path: string) => readFileSync(join(mountPoint, path), "utf8");
  const fill = (path: string, memoryCurrent = 0) => {
    const dir = join(mountPoint, path);
    mkdirSync(dir, { recursive: true });
    const files: Record<string, string> = {
      "cgroup.controllers": "cpu memory pids",
      "cgroup.subtree_control": "",
      "cpu.max": "max 100000",
      "memory.max": "max",
      "memory.swap.max": "max",
      "pids.max": "max",
      "memory.current": String(memoryCurrent),
      "memory.events": "low 0\noom 1\noom_kill 2",
      "pids.events": "max 7",
      "cpu.stat": "usage_usec 1234\nuser_usec 1000",
      "pids.current": "3",
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  };

  beforeEach(() => {
    mountPoint = mkdtempSync(join(tmpdir(), "cgroup2-"));
    fill("");
  });
  afterEach(() => rmSync(mountPoint, { recursive: true, force: true }));

  it("hands the controllers down from the root to the parent of a new cgroup", () => {
    fill("plimsoll-t");
    mkdirSync(join(mountPoint, "plimsoll-t/monitors"));
    cgroupV2("/plimsoll-t", mountPoint); // making is lazy
    fill("plimsoll-t/monitors");
    rmSync(join(mountPoint, "plimsoll-t/monitors/memory.max"));
    expect(() => cgroupV2("/plimsoll-t", mountPoint).ensure("monitors")).not.toThrow();
    expect(read("cgroup.subtree_control")).toBe("+cpu +memory +pids");
    expect(read("plimsoll-t/cgroup.subtree_control")).toBe("+cpu +memory +pids");
    expect(read("plimsoll-t/monitors/cgroup.subtree_control")).toBe("");
  });

  it("says what to do when a controller is not delegated", () => {
    writeFileSync(join(mountPoint, "cgroup.controllers"), "cpu pids");
    expect(() => cgroupV2("/plimsoll-t", mountPoint).ensure("tenants")).toThrow(/memory controller is not available.*Delegate=yes/);
  });

  it("writes limits in the kernel's units, without swap", () => {
    fill("plimsoll-t/tenants/n/run/i");
    const set = cgroupV2("/plimsoll-t", mountPoint).ensure("tenants/n/run/i", { cpuMillis: 250, memoryBytes: 1 << 28, pids: 100 });
    expect(set).toEqual({ cpuMillis: 250, memoryBytes: 1 << 28, pids: 100 });
    const dir = "plimsoll-t/tenants/n/run/i";
    expect(["cpu.max", "memory.max", "memory.swap.max", "pids.max"].map((file) => read(join(dir, file)))).toEqual([
      "25000 100000",
      String(1 << 28),
      "0",
      "100",
    ]);
  });

  it("limits a disk where the io controller is there, and does without where it is not", () => {
    const path = "plimsoll-t/tenants/n/build/b".split("/");
    for (const [index] of path.entries()) fill(path.slice(0, index + 1).join("/"));
    const driver = cgroupV2("/plimsoll-t", mountPoint);
    expect(driver.limitIo("tenants/n/build/b", { device: "254:0", bytesPerSecond: 1_000 })).toBe(false);
    for (const dir of ["", "plimsoll-t"]) writeFileSync(join(mountPoint, dir, "cgroup.controllers"), "cpu io memory pids");
    writeFileSync(join(mountPoint, "plimsoll-t/tenants/n/build/b/io.max"), "");
    expect(driver.limitIo("tenants/n/build/b", { device: "254:0", bytesPerSecond: 1_000 })).toBe(true);
    expect(read("plimsoll-t/tenants/n/build/b/io.max")).toBe("254:0 rbps=1000 wbps=1000");
    const monitors = join(mountPoint, "plimsoll-t/monitors");
    fill("plimsoll-t/monitors");
    rmSync(join(monitors, "memory.max"));
    driver.ensure("monitors");
    expect(read("plimsoll-t/cgroup.subtree_control")).toBe("+cpu +memory +pids +io");
  });

  it("never lowers a tenant below what it uses or its children hold", () => {
    fill("plimsoll-t/tenants/n", 300 << 20);
    for (const child of ["run/a", "run/b", "build/c"]) fill(`plimsoll-t/tenants/n/${child}`);
    const driver = cgroupV2("/plimsoll-t", mountPoint);
    for (const child of ["run/a", "run/b", "build/c"]) driver.ensure(`tenants/n/${child}`, { cpuMillis: 100, memoryBytes: 64 << 20 });
    expect(driver.ensureTenant("n", { cpuMillis: 100, memoryBytes: 64 << 20 })).toEqual({ cpuMillis: 300, memoryBytes: 300 << 20 });
    expect(driver.ensureTenant("n", { cpuMillis: 500, memoryBytes: 1 << 30 })).toEqual({ cpuMillis: 500, memoryBytes: 1 << 30 });
  });

  it("reads usage, with the current memory as peak on kernels before 5.19", () => {
    fill("plimsoll-t/tenants/n/run/i", 4096);
    expect(cgroupV2("/plimsoll-t", mountPoint).usage("tenants/n/run/i")).toEqual({
      cpuMicros: 1234,
      memoryBytes: 4096,
      memoryPeakBytes: 4096,
      pids: 3,
      startsRefused: 7,
      oomKills: 2,
    });
  });
});
