import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ensureNetworkNamespace,
  ensureUserNamespace,
  hostLayout,
  listNetworkNamespaces,
  removeNetworkNamespace,
  removeUserNamespace,
} from "@plimsoll/host";
import {
  addressesInUse,
  addressPlan,
  attachBuild,
  attachInstance,
  detachBuild,
  detachInstance,
  ensureHostNetwork,
  ensureNamespaceNetwork,
  freeAddress,
  type HostNetwork,
  listInstanceLinks,
  listNamespaceNetworks,
  type NetworkHost,
  removeHostNetwork,
  removeNamespaceNetwork,
  upstreamResolvers,
} from "@plimsoll/network";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestHosts, createWiredHosts, listenIn, reach, runIn, type TestHosts, type WiredHosts, wanted } from "./index.ts";

const VNI = 77;

/** Everything that ip and nft show of a place, apart from what changes by itself. */
async function picture(place: string): Promise<string> {
  const show = async (...argv: string[]) => (await runIn(place, argv)).stdout;
  return [
    await show("ip", "addr"),
    await show("ip", "route"),
    await show("ip", "neigh", "show", "nud", "permanent"),
    await show("nft", "list", "ruleset"),
  ]
    .join("\n")
    .replaceAll(/\b(dynamic|valid_lft.*|state \w+|qdisc \w+|inet6 .*)/g, "");
}

describe("one host of two", () => {
  let wired: WiredHosts;
  let net: HostNetwork;
  beforeAll(async () => {
    wired = await createWiredHosts(2, { vnis: [VNI], mtu: 1400 });
    net = wired.hosts[0]?.net as HostNetwork;
  }, 30_000);
  afterAll(() => wired?.remove(), 30_000);

  const again = () => {
    const machine = wired.hosts[0]?.machine;
    if (machine === undefined) throw new Error("no host");
    return ensureHostNetwork(net, wanted(wired.run, machine));
  };
  const netnsPath = () => `/run/netns/${net.layout.netnsPrefix}n${VNI}`;

  it("is left as it is by a second ensure", async () => {
    const before = [await picture(net.netns ?? ""), await picture(netnsPath())];
    expect((await again()).outcome).toBe("unchanged");
    expect((await ensureNamespaceNetwork(net, { vni: VNI })).outcome).toBe("unchanged");
    expect([await picture(net.netns ?? ""), await picture(netnsPath())]).toEqual(before);
  });

  it("computes the MTU from the underlay's", async () => {
    expect(net.mtu).toBe(1350);
    const { stdout } = await runIn(netnsPath(), ["ip", "-j", "link"]);
    const links = JSON.parse(stdout) as { ifname: string; mtu: number }[];
    expect(links.filter((link) => link.ifname !== "lo").map((link) => link.mtu)).toEqual([1350, 1350]);
  });

  it("repairs rules that somebody changed by hand", async () => {
    await runIn(net.netns ?? "", ["nft", "flush", "chain", "inet", net.layout.nftTable, "from_tenant"]);
    expect((await again()).outcome).toBe("replaced");
    expect((await again()).outcome).toBe("unchanged");
  });

  it("repairs devices and routes, and attached instances work on", async () => {
    const one = await wired.instance(wired.hosts[0] as never, VNI, "one", "10.64.0.5");
    const two = await wired.instance(wired.hosts[1] as never, VNI, "two", "10.64.16.5");
    const servers = [await listenIn(one, 8000), await listenIn(two, 8000)];
    try {
      const host = net.netns ?? "";
      const breakages: readonly [string, string[]][] = [
        [host, ["ip", "link", "del", `pt${net.layout.tag.slice(0, 5)}n${VNI.toString(36)}`]],
        [netnsPath(), ["ip", "link", "del", `pv${net.layout.tag.slice(0, 5)}n${VNI.toString(36)}`]],
        [netnsPath(), ["ip", "route", "del", "default"]],
        [netnsPath(), ["ip", "route", "del", "blackhole", "10.64.0.0/10"]],
      ];
      for (const [place, argv] of breakages) {
        await runIn(place, argv);
        expect((await ensureNamespaceNetwork(net, { vni: VNI })).outcome).toBe("replaced");
        expect((await ensureNamespaceNetwork(net, { vni: VNI })).outcome).toBe("unchanged");
      }
      await runIn(host, ["ip", "link", "del", `px${net.layout.tag.slice(0, 5)}`]);
      expect((await again()).outcome).toBe("replaced");
      expect(await reach(one, "10.64.16.5", 8000)).toMatch(/^hello/);
      expect(await reach(host, "10.64.0.5", 8000)).toMatch(/^hello/);
      expect(await reach(host, "10.64.16.5", 8000)).toMatch(/^hello/);
    } finally {
      for (const server of servers) server.close();
    }
  });

  it("forgets a peer that left", async () => {
    const alone = await ensureHostNetwork(net, { underlay: { address: net.underlay?.address ?? "" }, peers: [], resolvers: [] });
    expect(alone.outcome).toBe("replaced");
    await ensureNamespaceNetwork(alone, { vni: VNI });
    expect(await picture(net.netns ?? "")).not.toContain("vxlan");
    expect((await runIn(net.netns ?? "", ["ip", "route"])).stdout).not.toContain("10.64.16.0/20");
    expect((await runIn(netnsPath(), ["ip", "route"])).stdout).not.toContain("10.64.16.0/20");
    await again();
    await ensureNamespaceNetwork(net, { vni: VNI });
    expect((await runIn(netnsPath(), ["ip", "route"])).stdout).toContain("10.64.16.0/20");
  });
});

describe("a single host without underlay and peers", () => {
  let run: TestHosts;
  let dataDir: string;
  let host: NetworkHost;
  let net: HostNetwork;

  beforeEach(async () => {
    run = await createTestHosts(1, { egress: true });
    dataDir = await mkdtemp(join(tmpdir(), "plim-net-"));
    const layout = hostLayout({ name: "solo", dataDir });
    run.own(layout.tag);
    host = { layout, index: 0, plan: addressPlan(), netns: run.hosts[0]?.netns ?? "" };
    net = await ensureHostNetwork(host, { underlay: { address: "127.0.0.1" }, peers: [], resolvers: await upstreamResolvers() });
  }, 30_000);
  afterEach(async () => {
    await run.remove();
    await rm(dataDir, { recursive: true });
  }, 30_000);

  it("gives instances an address, the host a way to them, and takes all of it back", async () => {
    const before = await picture(host.netns ?? "");
    expect((await ensureNamespaceNetwork(net, { vni: VNI })).outcome).toBe("created");
    const netnsPath = await ensureNetworkNamespace(host.layout, "i-1");
    const want = { vni: VNI, instanceId: "ins_1", netnsPath, address: freeAddress(host.plan, 0, []) ?? "" };
    expect(await attachInstance(net, want)).toBe("created");
    expect(await attachInstance(net, want)).toBe("unchanged");
    expect(await addressesInUse(host)).toEqual([{ address: "10.64.0.2", vni: VNI }]);
    const server = await listenIn(netnsPath, 8000);
    expect(await reach(host.netns ?? "", "10.64.0.2", 8000)).toBe("hello 100.64.0.1");
    server.close();

    expect(await detachInstance(host, want)).toBe(true);
    expect(await detachInstance(host, want)).toBe(false);
    expect(await addressesInUse(host)).toEqual([]);
    expect(await listInstanceLinks(host, VNI)).toEqual([]);
    expect(listNamespaceNetworks(host)).toEqual([VNI]);
    expect(await removeNamespaceNetwork(host, VNI)).toBe(true);
    expect(await removeNamespaceNetwork(host, VNI)).toBe(false);
    await removeNetworkNamespace(host.layout, "i-1");
    expect(await picture(host.netns ?? "")).toBe(before);

    await removeHostNetwork(host);
    await removeHostNetwork(host);
    expect(listNetworkNamespaces(host.layout)).toEqual([]);
    expect(await picture(host.netns ?? "")).not.toMatch(/plimsoll|100\.64|10\.64|proto 157/);
  });

  it("leaves another agent in the same network namespace what both have in common", async () => {
    const layout = hostLayout({ name: "other", dataDir });
    run.own(layout.tag);
    const other = { ...host, layout };
    const otherNet = await ensureHostNetwork(other, { peers: [], resolvers: [] });
    await ensureNamespaceNetwork(otherNet, { vni: VNI });
    const netnsPath = await ensureNetworkNamespace(layout, "i-1");
    await attachInstance(otherNet, { vni: VNI, instanceId: "ins_1", netnsPath, address: "10.64.0.6" });
    const server = await listenIn(netnsPath, 8000);
    try {
      await removeHostNetwork(host);
      expect(await reach(host.netns ?? "", "10.64.0.6", 8000)).toBe("hello 100.64.0.1");
    } finally {
      server.close();
    }
    await removeHostNetwork(other);
    expect(await picture(host.netns ?? "")).not.toMatch(/plimsoll|100\.64|10\.64|proto 157/);
  });

  it("wires a network namespace that a tenant's user namespace owns", async () => {
    await ensureNamespaceNetwork(net, { vni: VNI });
    const usernsPath = await ensureUserNamespace(host.layout, "tenant", { uidBase: 300_000 });
    try {
      const netnsPath = await ensureNetworkNamespace(host.layout, "i-1", usernsPath);
      const want = { vni: VNI, instanceId: "ins_1", netnsPath, address: "10.64.0.4" };
      expect(await attachInstance(net, want)).toBe("created");
      expect(await attachInstance(net, want)).toBe("unchanged");
      const build = await ensureNetworkNamespace(host.layout, "b-1", usernsPath);
      expect((await attachBuild(net, { buildId: "1", netnsPath: build, address: "10.64.0.5" })).outcome).toBe("created");
      const server = await listenIn(netnsPath, 8000);
      expect(await reach(host.netns ?? "", "10.64.0.4", 8000)).toMatch(/^hello/);
      server.close();
    } finally {
      await removeUserNamespace(host.layout, "tenant");
      await rm(host.layout.runDir, { recursive: true, force: true });
    }
  });

  it("gives out addresses to many at once", async () => {
    await ensureNamespaceNetwork(net, { vni: VNI });
    const ids = Array.from({ length: 8 }, (_, n) => `i-${n}`);
    const outcomes = await Promise.all(
      ids.map(async (id, n) =>
        attachInstance(net, {
          vni: VNI,
          instanceId: id,
          netnsPath: await ensureNetworkNamespace(host.layout, id),
          address: `10.64.0.${20 + n}`,
        }),
      ),
    );
    expect(outcomes).toEqual(ids.map(() => "created"));
    expect(await addressesInUse(host)).toHaveLength(8);
  });

  it("finishes what an agent that was killed half-way began", async () => {
    await ensureNamespaceNetwork(net, { vni: VNI });
    const netnsPath = await ensureNetworkNamespace(host.layout, "i-1");
    const want = { vni: VNI, instanceId: "ins_1", netnsPath, address: "10.64.0.9" };
    await attachInstance(net, want);
    await runIn(netnsPath, ["ip", "addr", "flush", "dev", "eth0"]);
    expect(await attachInstance(net, want)).toBe("replaced");
    await runIn(host.netns ?? "", ["ip", "route", "del", "10.64.0.9"]);
    expect(await attachInstance(net, want)).toBe("replaced");
    expect(await attachInstance(net, want)).toBe("unchanged");
  });

  it("refuses an address that another instance or a build has, and harms neither", async () => {
    await ensureNamespaceNetwork(net, { vni: VNI });
    await ensureNamespaceNetwork(net, { vni: VNI + 1 });
    const paths = await Promise.all(["i-1", "i-2", "i-3"].map((key) => ensureNetworkNamespace(host.layout, key)));
    const [first = "", second = "", third = ""] = paths;
    const taken = { vni: VNI, instanceId: "ins_1", netnsPath: first, address: "10.64.0.9" };
    await attachInstance(net, taken);
    const conflict = { code: "conflict", message: expect.stringContaining("10.64.0.9 is in use") };
    await expect(attachInstance(net, { ...taken, instanceId: "ins_2", netnsPath: second })).rejects.toMatchObject(conflict);
    await expect(attachInstance(net, { ...taken, instanceId: "ins_3", netnsPath: third, vni: VNI + 1 })).rejects.toMatchObject(conflict);
    await expect(attachBuild(net, { buildId: "b", address: "10.64.0.9" })).rejects.toMatchObject(conflict);
    expect(await attachInstance(net, taken)).toBe("unchanged");
    expect(await attachInstance(net, { ...taken, instanceId: "ins_2", netnsPath: second, address: "10.64.0.10" })).toBe("created");
    await detachBuild(net, "b");
    expect((await addressesInUse(host)).map((use) => use.address).sort()).toEqual(["10.64.0.10", "10.64.0.9"]);
  });

  it("lets a build out to real package mirrors and takes its network away after it", async () => {
    const before = await picture(host.netns ?? "");
    const { netnsPath } = await attachBuild(net, { buildId: "bld_1", address: "10.64.0.7" });
    expect((await attachBuild(net, { buildId: "bld_1", address: "10.64.0.7" })).outcome).toBe("unchanged");
    const lookUp = `require("node:dns").resolve4("deb.debian.org", (error, found) => {
      if (error) throw error;
      require("node:net").connect(80, found[0]).on("connect", () => { console.log("connected"); process.exit(0); });
    })`;
    expect((await runIn(netnsPath, [process.execPath, "-e", lookUp])).stdout).toBe("connected\n");
    expect(await detachBuild(net, "bld_1")).toBe(true);
    expect(await detachBuild(net, "bld_1")).toBe(false);
    expect(listNetworkNamespaces(host.layout)).toEqual([]);
    expect(await picture(host.netns ?? "")).toBe(before);
  });

  it("refuses a network that the host already uses, before it changes anything", async () => {
    await removeHostNetwork(host);
    const before = await picture(host.netns ?? "");
    await runIn(host.netns ?? "", ["ip", "route", "add", "10.70.0.0/16", "via", run.gateway]);
    await expect(ensureHostNetwork(host, { peers: [], resolvers: [] })).rejects.toMatchObject({
      code: "precondition_failed",
      message: expect.stringContaining("10.64.0.0/10 overlaps 10.70.0.0/16"),
    });
    await runIn(host.netns ?? "", ["ip", "route", "del", "10.70.0.0/16"]);
    expect(await picture(host.netns ?? "")).toBe(before);
  });

  it("refuses peers without an underlay, and an underlay address that is not here", async () => {
    const peers = [{ index: 1, underlay: "192.0.2.1" }];
    await expect(ensureHostNetwork(host, { peers, resolvers: [] })).rejects.toThrow(/join it again with its underlay address/);
    await expect(ensureHostNetwork(host, { underlay: { address: "192.0.2.7" }, peers, resolvers: [] })).rejects.toThrow(
      /192\.0\.2\.7 is not on this host/,
    );
  });

  it("lets tenants ask a resolver on the host itself, and nothing else there; without its rule not even that", async () => {
    const address = run.hosts[0]?.address ?? "";
    await ensureNamespaceNetwork(net, { vni: VNI });
    const netnsPath = await ensureNetworkNamespace(host.layout, "i-1");
    await attachInstance(net, { vni: VNI, instanceId: "i", netnsPath, address: "10.64.0.2" });
    const servers = [await listenIn(host.netns ?? "", 53), await listenIn(host.netns ?? "", 54)];
    try {
      expect(await reach(netnsPath, address, 53, { timeoutMs: 300 })).toBeUndefined();
      await ensureHostNetwork(host, { peers: [], resolvers: [address] });
      expect(await reach(netnsPath, address, 53)).toMatch(/^hello/);
      expect(await reach(netnsPath, address, 54, { timeoutMs: 300 })).toBeUndefined();
    } finally {
      for (const server of servers) server.close();
    }
  });
});
