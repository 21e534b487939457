import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildSlots, explainPressure, type HostView, placeBuild } from "./index.ts";

function host(uid: string, over: Partial<HostView> = {}): HostView {
  return {
    uid,
    name: uid,
    roles: ["build"],
    labels: {},
    capacity: { cpuMillis: 4_000, memoryBytes: 1 },
    used: { cpuMillis: 4_000, memoryBytes: 1 },
    live: true,
    schedulable: true,
    spread: {},
    builds: 0,
    ...over,
  };
}

describe("placeBuild", () => {
  it.each<[string, HostView[], { cacheHint?: string }, string]>([
    ["prefers the host with the cache, though it is busier", [host("a"), host("b", { builds: 2 })], { cacheHint: "b" }, "b"],
    ["does not wait for the host with the cache", [host("a"), host("b", { builds: 4 })], { cacheHint: "b" }, "a"],
    ["takes the host with the fewest builds", [host("a", { builds: 2 }), host("b", { builds: 1 })], {}, "b"],
  ])("%s", (_, hosts, request, uid) => {
    expect(placeBuild(hosts, request, "seed")).toEqual({ hostUid: uid });
  });

  const calm = { cpuSome: 20, memorySome: 0, memoryFull: 0, ioSome: 5, ioFull: 1 };
  it.each<[string, Partial<HostView>, number, string | undefined]>([
    ["its kernel does not measure it", {}, 0, undefined],
    ["calm", { pressure: calm }, 0, undefined],
    [
      "short of memory, also without builds",
      { pressure: { ...calm, memorySome: 62.4 } },
      0,
      "host a is short of memory (PSI some avg10 62 %)",
    ],
    ["just not short of memory", { pressure: { ...calm, memorySome: 19.9 } }, 0, undefined],
    ["short of disk beside a build", { pressure: { ...calm, ioFull: 50 }, builds: 1 }, 0, "host a is short of disk (PSI full avg10 50 %)"],
    ["short of disk, no build there", { pressure: { ...calm, ioFull: 99 } }, 0, undefined],
    ["short of cpu beside a build", { pressure: { ...calm, cpuSome: 95 }, builds: 1 }, 0, "host a is short of cpu (PSI some avg10 95 %)"],
    ["short of cpu, no build there", { pressure: { ...calm, cpuSome: 99 } }, 0, undefined],
    [
      "memory before all else",
      { pressure: { ...calm, cpuSome: 99, memorySome: 30 }, builds: 1 },
      0,
      "host a is short of memory (PSI some avg10 30 %)",
    ],
    [
      "held back just not long enough",
      { pressure: { ...calm, memorySome: 90 } },
      59_999,
      "host a is short of memory (PSI some avg10 90 %)",
    ],
    ["short of cpu for a while", { pressure: { ...calm, cpuSome: 99 }, builds: 1 }, 15_000, undefined],
    ["held back long enough", { pressure: { ...calm, memorySome: 90 } }, 60_000, undefined],
  ])("a host under pressure: %s", (_, over, heldMs, held) => {
    const placement = placeBuild([host("a", over)], { heldMs }, "seed");
    if (held === undefined) expect(placement).toEqual({ hostUid: "a" });
    else {
      expect(placement.hostUid).toBeUndefined();
      expect(placement.hostUid === undefined && explainPressure(placement.refusals.pressed ?? [])).toBe(held);
      expect(placement.hostUid === undefined && placement.refusals.byFilter).toEqual({ pressure: 1 });
    }
  });

  it("takes a host without pressure rather than the one with the cache", () => {
    const hosts = [host("a", { pressure: { ...calm, memorySome: 50 } }), host("b", { builds: 1 })];
    expect(placeBuild(hosts, { cacheHint: "a" }, "seed")).toEqual({ hostUid: "b" });
    expect(placeBuild(hosts, { cacheHint: "a", heldMs: 60_000 }, "seed")).toEqual({ hostUid: "a" });
  });

  it("says per filter why there is no host", () => {
    expect(
      placeBuild(
        [
          host("a", { live: false }),
          host("b", { roles: ["run"] }),
          host("c", { schedulable: false }),
          host("d", { capacity: { cpuMillis: 1_000, memoryBytes: 1 }, builds: 2 }),
        ],
        {},
        "",
      ),
    ).toEqual({ refusals: { hosts: 4, byFilter: { live: 1, role: 1, schedulable: 1, builds: 1 } } });
  });

  it("takes an eligible host whenever there is one, the same for any order of hosts", () => {
    const anyHost = fc.record({
      roles: fc.subarray(["build", "run"] as const),
      live: fc.boolean(),
      schedulable: fc.boolean(),
      builds: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(anyHost, { maxLength: 8 }), fc.string(), (overs, seed) => {
        const hosts = overs.map((over, i) => host(`h${i}`, over));
        const eligible = hosts.filter((h) => h.roles.includes("build") && h.live && h.schedulable && h.builds < buildSlots(h));
        const plan = placeBuild(hosts, {}, seed);
        expect(plan.hostUid !== undefined).toBe(eligible.length > 0);
        if (plan.hostUid !== undefined) expect(eligible.map(({ uid }) => uid)).toContain(plan.hostUid);
        expect(placeBuild([...hosts].reverse(), {}, seed).hostUid).toEqual(plan.hostUid);
      }),
    );
  });
});
