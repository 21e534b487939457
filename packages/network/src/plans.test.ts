import { hostLayout } from "@plimsoll/host";
import { describe, expect, it } from "vitest";
import { addressPlan } from "./address-plan.ts";
import { buildLines } from "./build-link.ts";
import { firewallScript } from "./firewall.ts";
import { type HostNetwork, planHost } from "./host-network.ts";
import { instanceLines } from "./instance-link.ts";
import { deviceNames, instanceLink, vniOfKey, vniOfUplink } from "./names.ts";
import { planNamespace } from "./namespace-network.ts";
import { NOTHING, type Observed } from "./observe.ts";
import { namespacePath, planPeers } from "./peers.ts";

const layout = { ...hostLayout({ name: "host-a", dataDir: "/var/lib/plimsoll" }), tag: "abcde123", nftTable: "plimsoll_abcde123" };
const net: HostNetwork = {
  layout,
  index: 0,
  plan: addressPlan(),
  outcome: "created",
  mtu: 1450,
  underlay: { address: "192.0.2.10", device: "eth0" },
  peers: [{ index: 1, underlay: "192.0.2.11" }],
};

describe("the host's plan", () => {
  it("makes the source address, the guard, and the platform's tunnel to each peer", () => {
    expect(planHost(net, { mtu: 1450, underlay: net.underlay, peers: net.peers }, NOTHING)).toEqual({
      devices: [
        "addr add 100.64.0.1/32 dev lo",
        "route replace unreachable 10.64.0.0/10 proto 157",
        "link add pxabcde type vxlan id 1 dstport 4789 local 192.0.2.10 nolearning",
        "link set pxabcde address 02:00:00:01:00:00 mtu 1450 up",
      ],
      peers: {
        before: ["neigh replace 100.64.0.2 lladdr 02:00:00:01:00:01 dev pxabcde nud permanent"],
        fdb: ["fdb replace 02:00:00:01:00:01 dev pxabcde dst 192.0.2.11 self permanent"],
        routes: [
          "route replace 100.64.0.2 dev pxabcde src 100.64.0.1 proto 157",
          "route replace 10.64.16.0/20 via 100.64.0.2 dev pxabcde onlink src 100.64.0.1 proto 157",
        ],
      },
    });
  });

  it("makes no tunnel where there is no peer", () => {
    const { devices, peers } = planHost(net, { mtu: 1450, underlay: undefined, peers: [] }, NOTHING);
    expect(devices).toEqual(["addr add 100.64.0.1/32 dev lo", "route replace unreachable 10.64.0.0/10 proto 157"]);
    expect(peers).toEqual({ before: [], fdb: [], routes: [] });
  });
});

describe("a namespace's plan", () => {
  it("sets the blackhole before any way out and the default route last", () => {
    expect(planNamespace(net, 100, "/run/netns/plim-abcde123-n100", { inside: NOTHING, outside: NOTHING })).toEqual({
      cleared: [],
      outside: [
        "link add ptabcden2s mtu 1450 address 0a:58:a9:fe:02:01 type veth peer name out0 mtu 1450 address 0a:58:a9:fe:02:02 netns /run/netns/plim-abcde123-n100",
        "link set ptabcden2s addrgenmode none up",
        "addr add 169.254.2.1/32 dev ptabcden2s",
        "neigh replace 169.254.2.2 lladdr 0a:58:a9:fe:02:02 dev ptabcden2s nud permanent",
        "link add pvabcden2s type vxlan id 100 dstport 4789 local 192.0.2.10 nolearning",
        "link set pvabcden2s netns /run/netns/plim-abcde123-n100",
      ],
      inside: [
        "link set lo up",
        "route replace blackhole 10.64.0.0/10 proto 157",
        "link set out0 up",
        "addr add 169.254.2.2/32 dev out0",
        "neigh replace 169.254.2.1 lladdr 0a:58:a9:fe:02:01 dev out0 nud permanent",
        "route replace 169.254.2.1 dev out0 scope link proto 157",
        "link set pvabcden2s address 02:00:00:64:00:00 mtu 1450 up",
        "addr add 10.64.0.1/32 dev pvabcden2s",
      ],
      peers: {
        before: ["neigh replace 10.64.16.1 lladdr 02:00:00:64:00:01 dev pvabcden2s nud permanent"],
        fdb: ["fdb replace 02:00:00:64:00:01 dev pvabcden2s dst 192.0.2.11 self permanent"],
        routes: ["route replace 10.64.16.0/20 via 10.64.16.1 dev pvabcden2s onlink proto 157"],
      },
      last: ["route replace default via 169.254.2.1 dev out0 onlink proto 157"],
    });
  });

  it("leaves out everything of the tunnel where there is no peer", () => {
    const plan = planNamespace({ ...net, peers: [] }, 100, "/n", { inside: NOTHING, outside: NOTHING });
    expect(JSON.stringify(plan)).not.toContain("pvabcde");
  });

  it("gives attached instances their routes on the host again when the uplink has to be made anew", () => {
    const inside: Observed = { ...NOTHING, routes: [{ dst: "10.64.0.9", dev: "i0123456789ab", protocol: "157" }] };
    const { outside } = planNamespace(net, 100, "/n", { inside, outside: NOTHING });
    expect(outside).toContain("route add 10.64.0.9/32 via 169.254.2.2 dev ptabcden2s onlink src 100.64.0.1 proto 157");
  });
});

describe("a peer's plan", () => {
  const path = namespacePath(net.plan, 100, { index: 1, underlay: "192.0.2.11" });
  const settled: Observed = {
    links: [],
    routes: [{ dst: "10.64.16.0/20", gateway: "10.64.16.1", dev: "vx", protocol: "157" }],
    neighbours: [{ dst: "10.64.16.1", dev: "vx", lladdr: "02:00:00:64:00:01", state: ["PERMANENT"] }],
    fdb: [{ mac: "02:00:00:64:00:01", ifname: "vx", dst: "192.0.2.11", state: "permanent" }],
  };

  it("is empty when all is as it should be", () => {
    expect(planPeers("vx", [path], settled)).toEqual({ before: [], fdb: [], routes: [] });
  });

  it("follows a peer that moved", () => {
    expect(planPeers("vx", [{ ...path, underlay: "192.0.2.99" }], settled)).toEqual({
      before: [],
      fdb: ["fdb replace 02:00:00:64:00:01 dev vx dst 192.0.2.99 self permanent"],
      routes: [],
    });
  });

  it("takes a peer away that left, its route first", () => {
    expect(planPeers("vx", [], settled)).toEqual({
      before: ["route del 10.64.16.0/20 dev vx", "neigh del 10.64.16.1 dev vx"],
      fdb: ["fdb del 02:00:00:64:00:01 dev vx dst 192.0.2.11 self"],
      routes: [],
    });
  });
});

describe("the lines of a link", () => {
  it("wire an instance in three batches", () => {
    const link = instanceLink("ins_1");
    expect(instanceLines(net, { vni: 100, instanceId: "ins_1", netnsPath: "/run/netns/i1", address: "10.64.0.2" })).toEqual({
      namespace: [
        `link add ${link} mtu 1450 address 0a:58:a9:fe:01:01 type veth peer name eth0 mtu 1450 address 0a:58:0a:40:00:02 netns /run/netns/i1`,
        `link set ${link} up`,
        `addr add 169.254.1.1/32 dev ${link}`,
        `route add 10.64.0.2/32 dev ${link} proto 157`,
        `neigh replace 10.64.0.2 lladdr 0a:58:0a:40:00:02 dev ${link} nud permanent`,
      ],
      instance: [
        "link set lo up",
        "link set eth0 addrgenmode none up",
        "addr add 10.64.0.2/32 dev eth0",
        "neigh replace 169.254.1.1 lladdr 0a:58:a9:fe:01:01 dev eth0 nud permanent",
        "route add 169.254.1.1 dev eth0 scope link",
        "route add default via 169.254.1.1 dev eth0 onlink",
      ],
      host: ["route add 10.64.0.2/32 via 169.254.2.2 dev ptabcden2s onlink src 100.64.0.1 proto 157"],
    });
  });

  it("wire a build straight to the host", () => {
    const device = deviceNames(layout.tag).build("bld_1");
    expect(buildLines(net, { buildId: "bld_1", netnsPath: "/run/netns/b1", address: "10.64.0.3" }).host).toEqual([
      `link add ${device} mtu 1450 address 0a:58:a9:fe:02:01 type veth peer name eth0 mtu 1450 address 0a:58:0a:40:00:03 netns /run/netns/b1`,
      `link set ${device} addrgenmode none up`,
      `addr add 169.254.2.1/32 dev ${device}`,
      `neigh replace 10.64.0.3 lladdr 0a:58:0a:40:00:03 dev ${device} nud permanent`,
      `route add 10.64.0.3/32 dev ${device} src 100.64.0.1 proto 157`,
    ]);
  });

  it("never hold an id's own text, and refuse what is no path or address", () => {
    const nasty = 'x; reboot\nlink del lo "';
    expect(JSON.stringify(instanceLines(net, { vni: 100, instanceId: nasty, netnsPath: "/n", address: "10.64.0.2" }))).not.toContain(
      "reboot",
    );
    expect(() => instanceLines(net, { vni: 100, instanceId: "i", netnsPath: "/n", address: `10.64.0.2${nasty}` })).toThrow();
    expect(() => instanceLines(net, { vni: 100, instanceId: "i", netnsPath: "/n\nlink del lo", address: "10.64.0.2" })).toThrow();
    expect(() => instanceLines(net, { vni: 1, instanceId: "i", netnsPath: "/n", address: "10.64.0.2" })).toThrow(/network number/);
  });
});

describe("device names", () => {
  it("fit into the kernel's 15 characters and lead back", () => {
    const names = deviceNames(layout.tag);
    const max = 2 ** 24 - 1;
    for (const name of [names.platformTunnel, names.uplink(max), names.tunnel(max), names.build("b"), instanceLink("i")])
      expect(name.length).toBeLessThanOrEqual(15);
    expect(vniOfUplink(layout.tag, names.uplink(max))).toBe(max);
    expect(vniOfUplink(layout.tag, names.build("b"))).toBeUndefined();
    expect([vniOfKey("n77"), vniOfKey("nx"), vniOfKey("b-77")]).toEqual([77, undefined, undefined]);
  });
});

describe("the firewall", () => {
  it("is one transaction that replaces itself", () => {
    const script = firewallScript({
      table: "plimsoll_abcde123",
      tenantPrefix: "ptabcde",
      platformTunnel: "pxabcde",
      network: "10.64.0.0/10",
      vxlanPort: 4789,
      enrolled: [],
      forbidden: ["10.64.0.0/10", "169.254.0.0/16"],
      resolvers: ["192.0.2.53"],
    });
    expect(script).toMatchInlineSnapshot(`
      "table inet plimsoll_abcde123
      delete table inet plimsoll_abcde123
      table inet plimsoll_abcde123 {
        set enrolled { type ipv4_addr; }
        set resolvers { type ipv4_addr; elements = { 192.0.2.53 }; }
        set forbidden { type ipv4_addr; flags interval; auto-merge; elements = { 10.64.0.0/10, 169.254.0.0/16 }; }

        chain input {
          type filter hook input priority filter; policy accept;
          udp dport 4789 ip saddr != @enrolled drop
          udp dport 4789 meta nfproto ipv6 drop
          iifname "ptabcde*" jump tenant_to_host
          iifname "pxabcde" jump platform_to_host
        }
        chain tenant_to_host {
          ct state established,related accept
          ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
          drop
        }
        chain platform_to_host {
          ct state established,related accept
          icmp type echo-request accept
          drop
        }

        chain forward {
          type filter hook forward priority filter; policy accept;
          iifname "ptabcde*" jump from_tenant
          oifname "ptabcde*" jump to_tenant
          iifname "pxabcde" drop
          oifname "pxabcde" drop
        }
        chain from_tenant {
          fib saddr . iif oif missing drop
          ct state established,related accept
          ct state invalid drop
          meta nfproto ipv6 drop
          ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept
          udp dport 4789 drop
          oifname "ptabcde*" drop
          oifname "pxabcde" drop
          ip daddr @forbidden drop
          accept
        }
        chain to_tenant {
          iifname "pxabcde" accept
          ct state established,related accept
          drop
        }

        chain postrouting {
          type nat hook postrouting priority srcnat; policy accept;
          oifname "ptabcde*" return
          oifname "pxabcde" return
          ip saddr 10.64.0.0/10 masquerade
        }
      }
      "
    `);
  });
});
