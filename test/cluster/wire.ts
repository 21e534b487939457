import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureNetworkNamespace, hostLayout } from "@plimsoll/host";
import {
  type AddressPlan,
  addressPlan,
  attachInstance,
  ensureHostNetwork,
  ensureNamespaceNetwork,
  type HostNetwork,
  type NetworkHost,
} from "@plimsoll/network";
import { createTestHosts, type TestHost, type TestHosts } from "./test-hosts.ts";

/** A test host with its share of the platform's network. */
export interface WiredHost {
  readonly machine: TestHost;
  readonly net: HostNetwork;
}

export interface WiredHosts {
  readonly run: TestHosts;
  readonly plan: AddressPlan;
  readonly hosts: readonly WiredHost[];
  /** Network namespace and address of a new instance. */
  instance(host: WiredHost, vni: number, name: string, address: string): Promise<string>;
  remove(): Promise<void>;
}

/** Test hosts that know each other as enrolled peers, each with a data directory of its own. */
export async function createWiredHosts(
  count: number,
  options: {
    readonly vnis?: readonly number[];
    readonly resolvers?: readonly string[];
    readonly egress?: boolean;
    readonly mtu?: number;
  } = {},
): Promise<WiredHosts> {
  const run = await createTestHosts(count, options);
  const dataDir = await mkdtemp(join(tmpdir(), "plim-wire-"));
  const remove = async () => {
    await run.remove();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const plan = addressPlan();
    const hosts: WiredHost[] = [];
    for (const machine of run.hosts) {
      const layout = hostLayout({ name: machine.name, dataDir });
      run.own(layout.tag);
      const host: NetworkHost = { layout, index: machine.index, plan, netns: machine.netns };
      const net = await ensureHostNetwork(host, wanted(run, machine, options.resolvers));
      for (const vni of options.vnis ?? []) await ensureNamespaceNetwork(net, { vni });
      hosts.push({ machine, net });
    }
    const instance = async (host: WiredHost, vni: number, name: string, address: string) => {
      const netnsPath = await ensureNetworkNamespace(host.net.layout, `i-${name}`);
      await attachInstance(host.net, { vni, instanceId: name, netnsPath, address });
      return netnsPath;
    };
    return { run, plan, hosts, instance, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** What a test host is told: the other hosts of the run as its peers. */
export function wanted(run: TestHosts, machine: TestHost, resolvers: readonly string[] = []) {
  return {
    underlay: { address: machine.address },
    peers: run.hosts.map((peer) => ({ index: peer.index, underlay: peer.address })),
    resolvers,
  };
}
