import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { explainRefusals, type HostView, type InstanceRequest, place } from "./index.ts";

const MIB = 1024 ** 2;

function host(uid: string, over: Partial<HostView> = {}): HostView {
  return {
    uid,
    name: uid,
    roles: ["run"],
    labels: {},
    capacity: { cpuMillis: 4_000, memoryBytes: 4_096 * MIB },
    used: { cpuMillis: 0, memoryBytes: 0 },
    live: true,
    schedulable: true,
    spread: {},
    builds: 0,
    ...over,
  };
}

function request(id: string, over: Partial<InstanceRequest> = {}): InstanceRequest {
  return { id, spreadGroup: "web", cpuMillis: 250, memoryBytes: 256 * MIB, ...over };
}

const resources = fc.record({ cpuMillis: fc.integer({ min: 0, max: 4_000 }), memoryBytes: fc.integer({ min: 0, max: 4_000 }) });
const hosts = fc
  .array(
    fc.record({
      roles: fc.subarray(["build", "run", "ingress"] as const),
      capacity: resources,
      used: resources,
      live: fc.boolean(),
      schedulable: fc.boolean(),
      spread: fc.dictionary(fc.constantFrom("a", "b"), fc.integer({ min: 0, max: 5 })),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((over, i) => host(`host-${i}`, over)));
const requests = fc
  .array(
    fc.record({
      spreadGroup: fc.constantFrom("a", "b"),
      cpuMillis: fc.integer({ min: 1, max: 2_000 }),
      memoryBytes: fc.integer({ min: 1, max: 2_000 }),
      imageHostUid: fc.constantFrom("host-0", "host-5"),
    }),
    { maxLength: 20 },
  )
  .map((list) => list.map((one, i) => ({ id: `r${i}`, ...one })));

describe("place", () => {
  it("answers every request once, binds only to hosts that pass every filter and never past their capacity", () => {
    fc.assert(
      fc.property(hosts, requests, fc.string(), (hosts, requests, seed) => {
        const plan = place(hosts, requests, seed);
        expect([...plan.placed, ...plan.unplaced].map(({ id }) => id).sort()).toEqual(requests.map(({ id }) => id).sort());
        for (const one of hosts) {
          const mine = requests.filter(({ id }) => plan.placed.some((p) => p.id === id && p.hostUid === one.uid));
          if (mine.length === 0) continue;
          expect(one.roles).toContain("run");
          expect(one.live && one.schedulable).toBe(true);
          for (const dimension of ["cpuMillis", "memoryBytes"] as const)
            expect(mine.reduce((sum, r) => sum + r[dimension], one.used[dimension])).toBeLessThanOrEqual(one.capacity[dimension]);
        }
        for (const { id, refusals } of plan.unplaced) {
          expect(Object.values(refusals.byFilter).reduce((a, b) => a + b, 0)).toBe(hosts.length);
          const asked = requests.find((r) => r.id === id);
          // What did not fit then does not fit now: use only grows within a plan.
          for (const one of hosts.filter((h) => h.roles.includes("run") && h.live && h.schedulable)) {
            const taken = (dimension: "cpuMillis" | "memoryBytes") =>
              requests
                .filter((r) => plan.placed.some((p) => p.id === r.id && p.hostUid === one.uid))
                .reduce((sum, r) => sum + r[dimension], one.used[dimension]) + (asked?.[dimension] ?? 0);
            expect(taken("cpuMillis") > one.capacity.cpuMillis || taken("memoryBytes") > one.capacity.memoryBytes).toBe(true);
          }
        }
      }),
    );
  });

  it("gives the same plan for the same seed, whatever the order of the hosts", () => {
    fc.assert(
      fc.property(hosts, requests, fc.string(), (hosts, requests, seed) => {
        const plan = place(hosts, requests, seed);
        expect(place([...hosts].reverse(), requests, seed).placed).toEqual(plan.placed);
        expect(place(hosts, requests, seed)).toEqual(plan);
      }),
    );
  });

  it("spreads a group over equal hosts as evenly as it goes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 30 }), fc.string(), (hostCount, replicas, seed) => {
        const hosts = Array.from({ length: hostCount }, (_, i) =>
          host(`host-${i}`, { capacity: { cpuMillis: 100_000, memoryBytes: 100_000 * MIB } }),
        );
        const plan = place(
          hosts,
          Array.from({ length: replicas }, (_, i) => request(`r${i}`)),
          seed,
        );
        const counts = hosts.map(({ uid }) => plan.placed.filter((p) => p.hostUid === uid).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("spreads first, then fills evenly, then goes where the image is", () => {
    const where = (hosts: HostView[], over: Partial<InstanceRequest> = {}) => place(hosts, [request("r", over)], "seed").placed[0]?.hostUid;
    const half = { cpuMillis: 2_000, memoryBytes: 0 };
    expect(where([host("a", { spread: { web: 1 } }), host("b", { used: half })])).toBe("b");
    expect(where([host("a", { used: half }), host("b")], { imageHostUid: "a" })).toBe("b");
    expect(where([host("a", { used: { cpuMillis: 100, memoryBytes: 0 } }), host("b")], { imageHostUid: "a" })).toBe("a");
    expect(where([host("a", { used: { cpuMillis: 100, memoryBytes: 0 } }), host("b")])).toBe("b");
  });

  it("does not always pick the same of equal hosts", () => {
    const hosts = [host("a"), host("b"), host("c")];
    const picked = new Set(Array.from({ length: 50 }, (_, i) => place(hosts, [request("r")], `app-${i}`).placed[0]?.hostUid));
    expect(picked).toEqual(new Set(["a", "b", "c"]));
  });

  it("says per filter why a request was not placed", () => {
    const full = { cpuMillis: 4_000, memoryBytes: 0 };
    const plan = place(
      [host("a", { live: false }), host("b", { used: full }), host("c", { used: full }), host("d", { roles: ["build"] })],
      [request("r")],
      "",
    );
    expect(plan.unplaced[0]?.refusals).toEqual({ hosts: 4, byFilter: { live: 1, cpu: 2, role: 1 } });
    expect(explainRefusals({ hosts: 4, byFilter: { live: 1, cpu: 2, role: 1 } })).toBe(
      "of 4 hosts: 1 host without the role, 1 host not heard of, 2 hosts without enough free cpu",
    );
    expect(explainRefusals({ hosts: 0, byFilter: {} })).toBe("there is no host yet");
  });
});
