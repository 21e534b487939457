import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildSlots, type HostView, placeBuild } from "./index.ts";

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
