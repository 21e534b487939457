import type { Server } from "node:net";
import { attachBuild } from "@plimsoll/network";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datagram, forgedVxlan, listenIn, reach } from "./reach.ts";
import { runIn } from "./test-hosts.ts";
import { createWiredHosts, type WiredHost, type WiredHosts } from "./wire.ts";

const ONE = 101;
const TWO = 102;
const PORT = 8000;

/** Two hosts A and B, two tenants 1 and 2, with instances on both; a build on A. */
let wired: WiredHosts;
let a: WiredHost;
let b: WiredHost;
let a1: string;
let a2: string;
let b1: string;
let b2: string;
let build: string;
const servers: Server[] = [];

beforeAll(async () => {
  wired = await createWiredHosts(2, { vnis: [ONE, TWO] });
  [a, b] = wired.hosts as [WiredHost, WiredHost];
  a1 = await wired.instance(a, ONE, "a1", "10.64.0.10");
  b1 = await wired.instance(b, ONE, "b1", "10.64.16.10");
  const b1b = await wired.instance(b, ONE, "b1b", "10.64.16.11");
  a2 = await wired.instance(a, TWO, "a2", "10.64.0.20");
  b2 = await wired.instance(b, TWO, "b2", "10.64.16.20");
  build = (await attachBuild(a.net, { buildId: "build-1", address: "10.64.0.30" })).netnsPath;
  for (const place of [a1, b1, b1b, a2, b2, a.machine, b.machine, build]) servers.push(await listenIn(place, PORT));
}, 30_000);

afterAll(async () => {
  for (const server of servers) server.close();
  await wired?.remove();
}, 30_000);

describe("an instance", () => {
  it("reaches its namespace on another host, and is seen there with its own address", async () => {
    expect(await reach(a1, "10.64.16.10", PORT)).toBe("hello 10.64.0.10");
  });

  it("reaches its namespace on the same host", async () => {
    expect(await reach(b1, "10.64.16.11", PORT)).toBe("hello 10.64.16.10");
  });

  it("is reached by the ingress of its own host and of another, from the platform's source address", async () => {
    expect(await reach(a.machine, "10.64.0.20", PORT)).toBe("hello 100.64.0.1");
    expect(await reach(a.machine, "10.64.16.10", PORT)).toBe("hello 100.64.0.1");
    expect(await reach(a.machine, "10.64.16.20", PORT)).toBe("hello 100.64.0.1");
  });

  it("refuses the ingress at once when it is not there", async () => {
    const startedMs = performance.now();
    expect(await reach(a.machine, "10.64.0.99", PORT, { timeoutMs: 3_000 })).toBeUndefined();
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

/** A way that must be closed, and what opens it: with its protections taken away the same attempt has to succeed. */
interface Attempt {
  readonly what: string;
  readonly attempt: (timeoutMs: number) => Promise<string | undefined>;
  /** Takes protections away; returns what puts them back. */
  readonly opened: readonly Opening[];
}
type Opening = () => Promise<() => Promise<void>>;

const connect = (from: () => string, to: () => string) => (timeoutMs: number) => reach(from(), to(), PORT, { timeoutMs });

/** One way is enough: what cannot answer can still be told something. */
const tell = (from: () => string, address: string, place: () => string) => (timeoutMs: number) =>
  datagram(from(), { address, port: 9997 }, Buffer.from("hello datagram"), { place: place(), port: 9997, timeoutMs });

/** Empties chains of a host's firewall. */
function withoutRules(host: () => WiredHost, ...chains: readonly string[]): Opening {
  return async () => {
    const { net, machine } = host();
    const table = net.layout.nftTable;
    const { stdout } = await runIn(machine, ["nft", "list", "table", "inet", table]);
    for (const chain of chains) await runIn(machine, ["nft", "flush", "chain", "inet", table, chain]);
    return async () => {
      await runIn(machine, ["nft", "-f", "-"], { stdin: `table inet ${table}\ndelete table inet ${table}\n${stdout}` });
    };
  };
}

const networkOf = (host: WiredHost, vni: number) => `/run/netns/${host.net.layout.netnsPrefix}n${vni}`;

/** Lets a destination out of a namespace's network to its host, as if there were neither blackhole nor VXLAN for it. */
function withRouteToHost(host: () => WiredHost, vni: number, address: string): Opening {
  return async () => {
    const netns = networkOf(host(), vni);
    await runIn(netns, ["ip", "route", "add", address, "via", "169.254.2.1", "dev", "out0", "onlink"]);
    return async () => {
      await runIn(netns, ["ip", "route", "del", address]);
    };
  };
}

/** Lets any source address come in anywhere in a namespace's network. */
function withoutReversePath(host: () => WiredHost, vni: number): Opening {
  return async () => {
    const netns = networkOf(host(), vni);
    const { stdout } = await runIn(netns, ["ip", "-j", "link"]);
    const names = ["all", ...(JSON.parse(stdout) as { ifname: string }[]).map((link) => link.ifname)];
    const set = (value: string) =>
      runIn(netns, ["tee", ...names.map((name) => `/proc/sys/net/ipv4/conf/${name}/rp_filter`)], { stdin: value });
    await set("0");
    return async () => {
      await set("1");
    };
  };
}

async function expectClosed({ attempt, opened }: Attempt): Promise<void> {
  expect(await attempt(400)).toBeUndefined();
  const restores: (() => Promise<void>)[] = [];
  try {
    for (const open of opened) restores.push(await open());
    expect(await attempt(3_000)).toMatch(/^hello /);
  } finally {
    for (const restore of restores.toReversed()) await restore();
  }
  expect(await attempt(400)).toBeUndefined();
}

const hostA = () => a;
const hostB = () => b;
const instanceA1 = () => a1;
const instanceB1 = () => b1;
const instanceA2 = () => a2;
const instanceB2 = () => b2;
const buildA = () => build;

const attempts: readonly Attempt[] = [
  {
    what: "another tenant on the same host",
    attempt: tell(instanceA1, "10.64.0.20", instanceA2),
    opened: [withRouteToHost(hostA, ONE, "10.64.0.20"), withoutRules(hostA, "forward"), withoutReversePath(hostA, TWO)],
  },
  {
    what: "another tenant on another host",
    attempt: tell(instanceA1, "10.64.16.20", instanceB2),
    opened: [withRouteToHost(hostA, ONE, "10.64.16.20"), withoutRules(hostA, "forward"), withoutReversePath(hostB, TWO)],
  },
  {
    what: "another host's underlay address",
    attempt: connect(instanceA1, () => b.machine.address),
    opened: [withoutRules(hostA, "from_tenant")],
  },
  {
    what: "its own host's underlay address",
    attempt: connect(instanceA1, () => a.machine.address),
    opened: [withoutRules(hostA, "tenant_to_host")],
  },
  {
    what: "its own host by the gateway's address",
    attempt: connect(instanceA1, () => "169.254.2.1"),
    opened: [withoutRules(hostA, "tenant_to_host")],
  },
  {
    what: "its own host's platform address",
    attempt: connect(instanceA1, () => "100.64.0.1"),
    opened: [withoutRules(hostA, "tenant_to_host")],
  },
  {
    what: "another host's platform address",
    attempt: connect(instanceA1, () => "100.64.0.2"),
    opened: [withoutRules(hostA, "forward"), withoutRules(hostB, "platform_to_host")],
  },
  {
    what: "the metadata address",
    attempt: connect(instanceA1, () => "169.254.169.254"),
    opened: [
      async () => {
        await runIn(b.machine, ["ip", "addr", "add", "169.254.169.254/32", "dev", "lo"]);
        await runIn(a.machine, ["ip", "route", "add", "169.254.169.254", "via", b.machine.address]);
        return async () => {
          await runIn(a.machine, ["ip", "route", "del", "169.254.169.254"]);
          await runIn(b.machine, ["ip", "addr", "del", "169.254.169.254/32", "dev", "lo"]);
        };
      },
      withoutRules(hostA, "from_tenant"),
    ],
  },
];

describe("a tenant's instance does not reach", () => {
  it.each(attempts)("$what; with the protection removed it does", expectClosed);
});

const builds: readonly Attempt[] = [
  {
    what: "an instance",
    attempt: tell(buildA, "10.64.0.10", instanceA1),
    opened: [withoutRules(hostA, "forward"), withoutReversePath(hostA, ONE)],
  },
  {
    what: "an instance on another host",
    attempt: tell(buildA, "10.64.16.10", instanceB1),
    opened: [withoutRules(hostA, "forward"), withoutReversePath(hostB, ONE)],
  },
  { what: "its host", attempt: connect(buildA, () => "169.254.2.1"), opened: [withoutRules(hostA, "tenant_to_host")] },
  { what: "another host", attempt: connect(buildA, () => b.machine.address), opened: [withoutRules(hostA, "from_tenant")] },
];

describe("a build", () => {
  it.each(builds)("does not reach $what; with the protection removed it does", expectClosed);

  it("is not reached by an instance; with the protection removed it is", () =>
    expectClosed({
      what: "a build",
      attempt: tell(instanceA1, "10.64.0.30", buildA),
      opened: [withRouteToHost(hostA, ONE, "10.64.0.30"), withoutRules(hostA, "forward")],
    }));
});

describe("VXLAN", () => {
  const forged = () =>
    forgedVxlan({
      vni: TWO,
      macFrom: "02:00:00:66:00:00",
      macTo: "02:00:00:66:00:01",
      from: "10.64.0.20",
      to: "10.64.16.20",
      port: 9999,
      payload: "INJECTED",
    });
  const inject = (from: string) => datagram(from, { address: b.machine.address, port: 4789 }, forged(), { place: b2, port: 9999 });

  it("cannot be injected by a tenant into another's network; without the source host's rules it can", async () => {
    expect(await inject(a1)).toBeUndefined();
    const restore = await withoutRules(hostA, "from_tenant")();
    try {
      expect(await inject(a1)).toBe("INJECTED");
    } finally {
      await restore();
    }
  });

  it("is accepted from enrolled hosts only; without that rule from anyone", async () => {
    // A stranger on the hosts' network: host A with a second address that B does not know.
    const stranger = a.machine.address.replace(/\d+$/, "77");
    const send = () =>
      datagram(wired.run.hosts[0]?.netns ?? "", { address: b.machine.address, port: 4789 }, forged(), { place: b2, port: 9999 });
    await runIn(a.machine, ["ip", "addr", "add", `${stranger}/32`, "dev", "eth0"]);
    await runIn(a.machine, ["ip", "route", "add", b.machine.address, "dev", "eth0", "src", stranger]);
    try {
      expect(await send()).toBeUndefined();
      const restore = await withoutRules(() => b, "input")();
      try {
        expect(await send()).toBe("INJECTED");
      } finally {
        await restore();
      }
    } finally {
      await runIn(a.machine, ["ip", "route", "del", b.machine.address, "dev", "eth0"]);
      await runIn(a.machine, ["ip", "addr", "del", `${stranger}/32`, "dev", "eth0"]);
    }
  });
});

describe("an instance's address", () => {
  it("cannot be forged; without the reverse path check it can", async () => {
    // The sender's route prefers an address that it gave itself: the answer would go elsewhere, but the datagram would arrive.
    await runIn(a1, ["ip", "addr", "add", "10.64.0.77/32", "dev", "eth0"]);
    await runIn(a1, ["ip", "route", "add", "10.64.16.10", "via", "169.254.1.1", "dev", "eth0", "onlink", "src", "10.64.0.77"]);
    try {
      await expectClosed({
        what: "a forged source",
        attempt: tell(instanceA1, "10.64.16.10", instanceB1),
        opened: [withoutReversePath(hostA, ONE)],
      });
    } finally {
      await runIn(a1, ["ip", "route", "del", "10.64.16.10"]);
      await runIn(a1, ["ip", "addr", "del", "10.64.0.77/32", "dev", "eth0"]);
    }
  });
});

describe("a stranger on the hosts' network", () => {
  it("cannot route into a tenant's network through a host; with the protection removed it can", async () => {
    await runIn(b.machine, ["ip", "route", "replace", "10.64.0.10", "via", a.machine.address, "dev", "eth0"]);
    try {
      expect(await reach(b.machine, "10.64.0.10", PORT)).toBeUndefined();
      const restore = await withoutRules(hostA, "to_tenant")();
      try {
        expect(await reach(b.machine, "10.64.0.10", PORT)).toMatch(/^hello /);
      } finally {
        await restore();
      }
    } finally {
      await runIn(b.machine, ["ip", "route", "del", "10.64.0.10"]);
    }
  });
});
