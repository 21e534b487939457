import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressPlan, freeAddress, hostCapacity, hostRange, instanceMac, sourceAddress, tunnelAddress, tunnelMac } from "./address-plan.ts";
import { blockHas, blocksOverlap, formatAddress, formatBlock, parseAddress, parseBlock } from "./ipv4.ts";

const plan = addressPlan();
const index = fc.integer({ min: 0, max: hostCapacity(plan) - 1 });

describe("the address plan", () => {
  it("gives host 0 and 1 the ranges that the documentation names", () => {
    expect([0, 1].map((i) => formatBlock(hostRange(plan, i)))).toEqual(["10.64.0.0/20", "10.64.16.0/20"]);
    expect([0, 1].map((i) => tunnelAddress(plan, i))).toEqual(["10.64.0.1", "10.64.16.1"]);
    expect([0, 1].map((i) => sourceAddress(plan, i))).toEqual(["100.64.0.1", "100.64.0.2"]);
  });

  it("keeps hosts apart, inside the network, and off the virtual IPs", () => {
    const virtual = parseBlock("10.127.0.0/16");
    fc.assert(
      fc.property(index, index, (i, j) => {
        const range = hostRange(plan, i);
        expect(blockHas(plan.network, range.first)).toBe(true);
        expect(blocksOverlap(range, virtual)).toBe(false);
        expect(blocksOverlap(range, hostRange(plan, j))).toBe(i === j);
        expect(sourceAddress(plan, i) === sourceAddress(plan, j)).toBe(i === j);
        expect(blockHas(plan.sourceNetwork, parseAddress(sourceAddress(plan, i)))).toBe(true);
      }),
    );
  });

  it("refuses a host that it has no room for", () => {
    expect(hostCapacity(plan)).toBe(1008);
    expect(() => hostRange(plan, 1008)).toThrow(/room for 1008 hosts/);
    expect(() => hostRange(plan, -1)).toThrow();
    expect(hostCapacity(addressPlan({ network: "172.20.0.0/16" }))).toBe(16);
  });

  it("refuses networks that overlap or hold no host", () => {
    expect(() => addressPlan({ network: "100.64.0.0/10" })).toThrow(/overlap/);
    expect(() => addressPlan({ network: "10.1.0.0/24" })).toThrow(/holds no host range/);
    expect(() => addressPlan({ network: "10.64.0.1/10" })).toThrow(/below its prefix/);
  });

  it("gives each network and host a MAC address of its own", () => {
    expect(tunnelMac(102, 1)).toBe("02:00:00:66:00:01");
    const vni = fc.integer({ min: 1, max: 2 ** 24 - 1 });
    fc.assert(
      fc.property(vni, index, vni, index, (v, i, w, j) => {
        expect(tunnelMac(v, i) === tunnelMac(w, j)).toBe(v === w && i === j);
        expect(tunnelMac(v, i)).toMatch(/^02(:[0-9a-f]{2}){5}$/);
      }),
    );
    expect(instanceMac("10.64.16.2")).toBe("0a:58:0a:40:10:02");
  });
});

describe("freeAddress", () => {
  it("goes on from the last one given out, and starts over at the end", () => {
    expect(freeAddress(plan, 1, [])).toBe("10.64.16.2");
    expect(freeAddress(plan, 1, ["10.64.16.2"])).toBe("10.64.16.3");
    expect(freeAddress(plan, 1, [], "10.64.16.9")).toBe("10.64.16.10");
    expect(freeAddress(plan, 1, [], "10.64.31.254")).toBe("10.64.16.2");
    expect(freeAddress(plan, 1, [], "10.64.0.9")).toBe("10.64.16.2");
  });

  it("never gives out one that is in use, nor one outside the host's range", () => {
    const small = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.array(small), small, (used, after) => {
        const inUse = used.map((n) => formatAddress(parseAddress("10.64.16.0") + n));
        const found = freeAddress(plan, 1, inUse, formatAddress(parseAddress("10.64.16.0") + after));
        expect(found).toBeDefined();
        expect(inUse).not.toContain(found);
        expect(blockHas(hostRange(plan, 1), parseAddress(found ?? ""))).toBe(true);
        expect([tunnelAddress(plan, 1), "10.64.16.0", "10.64.31.255"]).not.toContain(found);
      }),
    );
  });

  it("says so when the range is full", () => {
    const all = Array.from({ length: 4096 }, (_, n) => formatAddress(parseAddress("10.64.0.0") + n));
    expect(freeAddress(plan, 0, all)).toBeUndefined();
    expect(
      freeAddress(
        plan,
        0,
        all.filter((address) => address !== "10.64.3.7"),
        "10.64.3.7",
      ),
    ).toBe("10.64.3.7");
  });
});

describe("addresses as text", () => {
  it("come back as they were", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (n) => parseAddress(formatAddress(n)) === n));
  });

  it.each(["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", "1.2.3.4/33", "1.2.3.4/x", "1.2.3.4/8/8"])("refuses %j", (text) => {
    expect(() => parseBlock(text)).toThrow();
  });
});
