import { describe, expect, it } from "vitest";
import { assertBuildLimits, limitsOfBuild, memoryToRetry, typedBytes } from "./build-limits.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const build = { cpuMillis: 2_000, memoryBytes: 2 * GIB, pids: 512, timeoutMs: 600_000, logBytes: 8 * MIB };
const quota = { cpuMillis: 2_000, memoryBytes: 4 * GIB, instances: 20, builds: 2 };

describe("limits of builds", () => {
  it("are the namespace's, or what the commit asks for up to its memory quota", () => {
    expect(limitsOfBuild({ quota, build }, undefined, "acme/store")).toEqual({ ...build, mostMemoryBytes: 4 * GIB });
    expect(limitsOfBuild({ quota, build }, 3 * GIB, "acme/store").memoryBytes).toBe(3 * GIB);
    expect(limitsOfBuild({ quota: { ...quota, memoryBytes: GIB }, build }, undefined, "a/b").mostMemoryBytes).toBe(2 * GIB);
    expect(() => limitsOfBuild({ quota, build }, 6 * GIB, "acme/store")).toThrow("may give a build 4 GiB");
    expect(() => limitsOfBuild({ quota, build }, 6 * GIB, "acme/store")).toThrow("plim quota set acme/store memory=6GiB");
  });

  it.each<[string, object, string | undefined]>([
    ["what the quota has", { memoryBytes: 4 * GIB }, undefined],
    ["memory beyond the quota", { memoryBytes: 4 * GIB + 1 }, "4 GiB of memory"],
    ["cpu beyond the quota", { cpuMillis: 2_001 }, "2 cpu"],
    ["more disk than the platform gives", { diskBytes: 65 * GIB }, "diskBytes"],
    ["more processes", { pids: 5_000 }, "4096 pids"],
  ])("%s", (_, change, refusal) => {
    const check = () => assertBuildLimits({ ...build, ...change }, { quota, build });
    if (refusal === undefined) check();
    else expect(check).toThrow(refusal);
  });

  it.each([
    [512 * MIB, 4 * GIB, GIB, true],
    [128 * MIB, undefined, 256 * MIB, true],
    [3 * GIB, 4 * GIB, 4 * GIB, true],
    [4 * GIB, 4 * GIB, 8 * GIB, false],
    [4 * GIB, 4.5 * GIB, 8 * GIB, false],
  ])("after %i of at most %s, %i is the next to try", (limit, most, bytes, isAllowed) => {
    expect(memoryToRetry(limit, most)).toEqual({ bytes, isAllowed });
  });

  it("are typed as they are read", () => {
    expect([2 * GIB, 1.5 * GIB, 256 * MIB].map(typedBytes)).toEqual(["2GiB", "1536MiB", "256MiB"]);
  });
});
