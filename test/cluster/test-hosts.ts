import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { type ChildProcess, type Output, type RunOptions, run, type StartOptions, start } from "@plimsoll/exec";

/** A network namespace that plays a machine: its own devices, routes, firewall and ports; files and processes are the machine's. */
export interface TestHost {
  /** 0, 1, … in the order of creation. */
  readonly index: number;
  readonly name: string;
  /** Path of its network namespace. */
  readonly netns: string;
  /** Its address on the network that joins the hosts, on `eth0`. */
  readonly address: string;
}

export interface TestHosts {
  readonly hosts: readonly TestHost[];
  /** The real machine as the hosts see it: what listens there on all addresses can be reached at this one. */
  readonly gateway: string;
  /** `172.31.x.0/24`. */
  readonly underlay: string;
  /**
   * Says that network namespaces of this layout tag belong to the run: remove() takes them away with the processes in them. Call it for
   * every agent or network that is set up in a host.
   */
  own(tag: string): void;
  /** Kills every process in the hosts and takes everything away. Idempotent. */
  remove(): Promise<void>;
}

export interface TestHostsOptions {
  /** Lets the hosts reach the outside through the real machine (sets its ip_forward, which stays set: other runs may share it). */
  readonly egress?: boolean;
  readonly mtu?: number;
}

const NETNS_DIR = "/run/netns";

/**
 * Makes `count` hosts joined by a bridge, on a subnet that no other run on this machine has, so that runs may coexist. What a run that was
 * killed left behind is taken away first. Needs root.
 */
export async function createTestHosts(count: number, options: TestHostsOptions = {}): Promise<TestHosts> {
  await removeAbandoned();
  const subnet = await claimSubnet();
  const prefix = `plt-${subnet}-${process.pid}-`;
  const tags = new Set<string>();
  const remove = () => removeRun(subnet, prefix, [...tags]);
  const mtu = options.mtu ?? 1500;
  try {
    const lan = `${prefix}lan`;
    await run(["ip", "netns", "add", lan]);
    const outer = outerLink(subnet);
    await ipBatch([`link set ${outer}p netns ${lan}`, `link set ${outer} mtu ${mtu} up`, `addr add 172.31.${subnet}.254/24 dev ${outer}`]);
    await ipBatch(["link set lo up", "link add br0 type bridge", "link set br0 up", `link set ${outer}p mtu ${mtu} master br0 up`], lan);
    const hosts: TestHost[] = [];
    for (let index = 0; index < count; index++) {
      const name = `${prefix}h${index}`;
      const address = `172.31.${subnet}.${index + 1}`;
      await run(["ip", "netns", "add", name]);
      await ipBatch([`link add h${index} type veth peer name eth0 netns ${name}`, `link set h${index} mtu ${mtu} master br0 up`], lan);
      await ipBatch(
        [
          "link set lo up",
          `link set eth0 mtu ${mtu} up`,
          `addr add ${address}/24 dev eth0`,
          `route add default via 172.31.${subnet}.254 dev eth0`,
        ],
        name,
      );
      hosts.push({ index, name: `host-${String.fromCharCode(97 + index)}`, netns: `${NETNS_DIR}/${name}`, address });
    }
    if (options.egress === true) await letOut(subnet);
    return { hosts, gateway: `172.31.${subnet}.254`, underlay: `172.31.${subnet}.0/24`, own: (tag) => void tags.add(tag), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The argv that starts a program in a host or in any network namespace. The mount namespace stays, so pins made in there are kept. */
export function inside(place: TestHost | string, argv: readonly string[]): readonly string[] {
  return ["nsenter", `--net=${typeof place === "string" ? place : place.netns}`, "--", ...argv];
}

/** Runs a program in a host to its end. */
export function runIn(place: TestHost | string, argv: readonly string[], options?: RunOptions): Promise<Output> {
  return run(inside(place, argv), options);
}

/** Starts a program in a host; it ends with remove() at the latest. */
export function startIn(
  place: TestHost | string,
  argv: readonly string[],
  options?: StartOptions,
): Promise<ChildProcess & { readonly pid: number }> {
  return start(inside(place, argv), options);
}

async function ipBatch(lines: readonly string[], name?: string): Promise<void> {
  const argv = ["ip", "-batch", "-"];
  await run(name === undefined ? argv : inside(`${NETNS_DIR}/${name}`, argv), { stdin: `${lines.join("\n")}\n` });
}

/** A device name can be had once only: whoever makes it owns the subnet. */
async function claimSubnet(): Promise<number> {
  const first = Math.floor(Math.random() * 250);
  for (let i = 0; i < 250; i++) {
    const subnet = 1 + ((first + i) % 250);
    const outer = outerLink(subnet);
    const { code } = await run(["ip", "link", "add", outer, "type", "veth", "peer", "name", `${outer}p`], { okCodes: [0, 1, 2] });
    if (code === 0) return subnet;
  }
  throw new Error(`no free 172.31.x.0/24 on ${hostname()}: are there hundreds of test runs?`);
}

function outerLink(subnet: number): string {
  return `plt${subnet}`;
}

async function letOut(subnet: number): Promise<void> {
  await run(["tee", "/proc/sys/net/ipv4/ip_forward"], { stdin: "1" });
  await run(["nft", "-f", "-"], {
    stdin: `table ip plimtest_${subnet} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 172.31.${subnet}.0/24 oifname != "${outerLink(subnet)}" masquerade
  }
}
`,
  });
}

async function removeRun(subnet: number, prefix: string, tags: readonly string[]): Promise<void> {
  const prefixes = [prefix, ...tags.map((tag) => `plim-${tag}-`)];
  const names = (await namesOfNetns()).filter((name) => prefixes.some((start) => name.startsWith(start)));
  for (const name of names) await killAllIn(name);
  // Devices first: the kernel takes a network namespace apart only some time after it was deleted.
  for (const name of names) {
    const { stdout } = await runIn(`${NETNS_DIR}/${name}`, ["ip", "-j", "link"], { okCodes: [0, 1] });
    const links = (JSON.parse(stdout || "[]") as { ifname: string; link_type: string }[]).filter((link) => link.link_type !== "loopback");
    const lines = links.map((link) => `link del ${link.ifname}`).join("\n");
    await runIn(`${NETNS_DIR}/${name}`, ["ip", "-force", "-batch", "-"], { stdin: `${lines}\n`, okCodes: [0, 1] });
    await run(["ip", "netns", "del", name]);
  }
  await run(["ip", "link", "del", outerLink(subnet)], { okCodes: [0, 1] });
  await run(["nft", "delete", "table", "ip", `plimtest_${subnet}`], { okCodes: [0, 1] });
}

/** Nothing but what the run started lives in its network namespaces. */
async function killAllIn(name: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const { stdout } = await run(["ip", "netns", "pids", name]);
    const pids = stdout.split("\n").filter((line) => line !== "");
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // Ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function removeAbandoned(): Promise<void> {
  const runs = new Map<string, { readonly subnet: number; readonly prefix: string }>();
  for (const name of await namesOfNetns()) {
    const [, subnet, pid] = /^plt-(\d+)-(\d+)-/.exec(name) ?? [];
    if (subnet === undefined || pid === undefined || isRunning(Number(pid))) continue;
    runs.set(`${subnet}-${pid}`, { subnet: Number(subnet), prefix: `plt-${subnet}-${pid}-` });
  }
  for (const { subnet, prefix } of runs.values()) await removeRun(subnet, prefix, []);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function namesOfNetns(): Promise<readonly string[]> {
  try {
    return await readdir(NETNS_DIR);
  } catch {
    return [];
  }
}
