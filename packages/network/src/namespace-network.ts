import { ensureNetworkNamespace, listNetworkNamespaces, removeNetworkNamespace } from "@plimsoll/host";
import { sourceAddress, tunnelAddress, tunnelMac } from "./address-plan.ts";
import {
  applyPeerLines,
  type HostNetwork,
  hasAddress,
  isTunnel,
  isUp,
  type NetworkHost,
  tunnelLine,
  writeSysctls,
} from "./host-network.ts";
import { ROUTE_PROTOCOL } from "./host-routes.ts";
import { formatBlock } from "./ipv4.ts";
import { checkedVni, deviceNames, netnsKey, UPLINK_INSIDE, vniOfKey } from "./names.ts";
import { ipBatch, pathWord } from "./netns.ts";
import { type Observed, observe, observeLinks } from "./observe.ts";
import type { Outcome } from "./outcome.ts";
import { hasLines, namespacePath, type PeerLines, planPeers } from "./peers.ts";

/** The pair between a host and each namespace's network. Not 169.254.1.1, which is local in there: it would ignore ARP from it. */
export const UPLINK_HOST = "169.254.2.1";
export const UPLINK_NAMESPACE = "169.254.2.2";
const UPLINK_HOST_MAC = "0a:58:a9:fe:02:01";
const UPLINK_NAMESPACE_MAC = "0a:58:a9:fe:02:02";

/**
 * Strict reverse path: an instance cannot send from an address that is not its own. No IPv6 for now, so that link-local addresses give
 * no path around the rules. Written before there is any device, as default for those to come.
 */
const SYSCTLS = [
  "net/ipv4/ip_forward",
  "net/ipv4/conf/all/rp_filter",
  "net/ipv4/conf/default/rp_filter",
  "net/ipv6/conf/all/disable_ipv6",
  "net/ipv6/conf/default/disable_ipv6",
];

export interface NamespaceNetwork {
  readonly outcome: Outcome;
  /** Path of the namespace's network namespace on this host; it outlives the agent. */
  readonly netnsPath: string;
}

/**
 * A platform namespace's network on this host: one network namespace with a veth to the host, a VXLAN device when there are peers, and a
 * path to each peer. Delete it and all is gone. Idempotent; repairs without touching instances that are attached. Not for concurrent use
 * with one VNI.
 */
export async function ensureNamespaceNetwork(net: HostNetwork, want: { readonly vni: number }): Promise<NamespaceNetwork> {
  const vni = checkedVni(want.vni);
  const netnsPath = await ensureNetworkNamespace(net.layout, netnsKey(vni));
  writeSysctls(netnsPath, SYSCTLS);
  const [inside, outside] = await Promise.all([observe(netnsPath), observe(net.netns)]);
  const plan = planNamespace(net, vni, netnsPath, { inside, outside });
  await ipBatch(netnsPath, plan.cleared);
  await ipBatch(net.netns, plan.outside);
  await ipBatch(netnsPath, plan.inside);
  await applyPeerLines(netnsPath, plan.peers);
  await ipBatch(netnsPath, plan.last);
  const changed = plan.cleared.length + plan.outside.length + plan.inside.length + plan.last.length > 0 || hasLines(plan.peers);
  const isNew = inside.routes.length === 0 && inside.links.length === 1;
  return { netnsPath, outcome: !changed ? "unchanged" : isNew ? "created" : "replaced" };
}

/** Removes it with everything attached. True when there was one. Idempotent. */
export async function removeNamespaceNetwork(host: NetworkHost, vni: number): Promise<boolean> {
  const key = netnsKey(vni);
  const names = deviceNames(host.layout.tag);
  const uplinks = (await observeLinks(host.netns)).filter((link) => link.ifname === names.uplink(vni));
  await ipBatch(
    host.netns,
    uplinks.map((link) => `link del ${link.ifname}`),
  );
  if (!listNetworkNamespaces(host.layout).includes(key)) return uplinks.length > 0;
  // The kernel takes a network namespace apart some time later; until then its VXLAN device would hold the VNI on this host.
  const path = netnsPathOf(host, vni);
  const devices = (await observeLinks(path)).filter((link) => link.ifname !== "lo");
  await ipBatch(
    path,
    devices.map((link) => `link del ${link.ifname}`),
  );
  await removeNetworkNamespace(host.layout, key);
  return true;
}

/** VNIs of the namespaces that have a network on this host. */
export function listNamespaceNetworks(host: NetworkHost): readonly number[] {
  return listNetworkNamespaces(host.layout).flatMap((key) => vniOfKey(key) ?? []);
}

export function netnsPathOf(host: NetworkHost, vni: number): string {
  return `${host.layout.netnsDir}/${host.layout.netnsPrefix}${netnsKey(vni)}`;
}

/** The line that leads the host's own traffic to an instance: from the source address, as otherwise 169.254.2.1 would be taken. */
export function instanceRouteLine(host: NetworkHost, vni: number, address: string): string {
  const uplink = deviceNames(host.layout.tag).uplink(vni);
  const src = sourceAddress(host.plan, host.index);
  return `route add ${address}/32 via ${UPLINK_NAMESPACE} dev ${uplink} onlink src ${src} proto ${ROUTE_PROTOCOL}`;
}

interface NamespacePlan {
  /** Inside: what does not fit, taken away. */
  readonly cleared: readonly string[];
  readonly outside: readonly string[];
  readonly inside: readonly string[];
  readonly peers: PeerLines;
  /** Inside, after all else: the default route. */
  readonly last: readonly string[];
}

/** Pure. `inside` is the namespace's network namespace, `outside` the host's. */
export function planNamespace(
  net: Pick<HostNetwork, "layout" | "index" | "plan" | "mtu" | "underlay" | "peers">,
  vni: number,
  netnsPath: string,
  observed: { readonly inside: Observed; readonly outside: Observed },
): NamespacePlan {
  const { inside, outside } = observed;
  const names = deviceNames(net.layout.tag);
  const uplink = names.uplink(vni);
  const tunnel = names.tunnel(vni);
  const network = formatBlock(net.plan.network);
  const { mtu } = net;

  const outer = outside.links.find((link) => link.ifname === uplink);
  const inner = inside.links.find((link) => link.ifname === UPLINK_INSIDE);
  const uplinkFits =
    isUp(outer) &&
    isUp(inner) &&
    hasAddress(outside.links, uplink, `${UPLINK_HOST}/32`) &&
    hasAddress(inside.links, UPLINK_INSIDE, `${UPLINK_NAMESPACE}/32`) &&
    outside.neighbours.some((have) => have.dev === uplink && have.dst === UPLINK_NAMESPACE && have.lladdr === UPLINK_NAMESPACE_MAC) &&
    inside.neighbours.some((have) => have.dev === UPLINK_INSIDE && have.dst === UPLINK_HOST && have.lladdr === UPLINK_HOST_MAC) &&
    inside.routes.some((route) => route.dst === UPLINK_HOST && route.dev === UPLINK_INSIDE);
  // Instances that are attached keep working over a new uplink: their routes on the host went with the old one.
  const attached = inside.routes
    .filter((route) => route.protocol === ROUTE_PROTOCOL && route.dev?.startsWith("i"))
    .map((route) => route.dst);
  const lostRoutes = attached.filter(
    (address) => !uplinkFits || !outside.routes.some((route) => route.dst === address && route.dev === uplink),
  );

  const mac = tunnelMac(vni, net.index);
  const wantsTunnel = net.peers.length > 0 && net.underlay !== undefined;
  const haveTunnel = inside.links.find((link) => link.ifname === tunnel);
  const address = `${tunnelAddress(net.plan, net.index)}/32`;
  const tunnelFits =
    wantsTunnel && isTunnel(haveTunnel, vni, net.underlay.address, mac) && isUp(haveTunnel) && haveTunnel.addresses.includes(address);

  const guarded = inside.routes.some((route) => route.type === "blackhole" && route.dst === network);
  const leads = inside.routes.some((route) => route.dst === "default" && route.gateway === UPLINK_HOST && route.dev === UPLINK_INSIDE);
  const loopback = inside.links.find((link) => link.ifname === "lo");
  return {
    cleared: [
      ...(inner !== undefined && !uplinkFits ? [`link del ${UPLINK_INSIDE}`] : []),
      ...(haveTunnel !== undefined && !tunnelFits ? [`link del ${tunnel}`] : []),
    ],
    outside: [
      // Gone already when its other end was deleted above.
      ...(outer !== undefined && inner === undefined && !uplinkFits ? [`link del ${uplink}`] : []),
      // A tunnel that was made but not yet moved when we were killed.
      ...(outside.links.some((link) => link.ifname === tunnel) ? [`link del ${tunnel}`] : []),
      ...(uplinkFits
        ? []
        : [
            `link add ${uplink} mtu ${mtu} address ${UPLINK_HOST_MAC} type veth peer name ${UPLINK_INSIDE} mtu ${mtu} address ${UPLINK_NAMESPACE_MAC} netns ${pathWord(netnsPath)}`,
            `link set ${uplink} addrgenmode none up`,
            `addr add ${UPLINK_HOST}/32 dev ${uplink}`,
            `neigh replace ${UPLINK_NAMESPACE} lladdr ${UPLINK_NAMESPACE_MAC} dev ${uplink} nud permanent`,
          ]),
      ...(uplinkFits && outer?.mtu !== mtu ? [`link set ${uplink} mtu ${mtu}`] : []),
      ...lostRoutes.map((lost) => instanceRouteLine(net, vni, lost)),
      ...(wantsTunnel && !tunnelFits
        ? [tunnelLine(tunnel, vni, net.underlay.address), `link set ${tunnel} netns ${pathWord(netnsPath)}`]
        : []),
    ],
    inside: [
      ...(isUp(loopback) ? [] : ["link set lo up"]),
      // Before any way out: what is not local never leaves.
      ...(guarded ? [] : [`route replace blackhole ${network} proto ${ROUTE_PROTOCOL}`]),
      ...(uplinkFits
        ? []
        : [
            `link set ${UPLINK_INSIDE} up`,
            `addr add ${UPLINK_NAMESPACE}/32 dev ${UPLINK_INSIDE}`,
            `neigh replace ${UPLINK_HOST} lladdr ${UPLINK_HOST_MAC} dev ${UPLINK_INSIDE} nud permanent`,
            `route replace ${UPLINK_HOST} dev ${UPLINK_INSIDE} scope link proto ${ROUTE_PROTOCOL}`,
          ]),
      ...inside.links
        .filter((link) => link.ifname !== "lo" && link.mtu !== mtu && (link !== inner || uplinkFits) && (link !== haveTunnel || tunnelFits))
        .map((link) => `link set ${link.ifname} mtu ${mtu}`),
      ...(wantsTunnel && !tunnelFits ? [`link set ${tunnel} address ${mac} mtu ${mtu} up`, `addr add ${address} dev ${tunnel}`] : []),
    ],
    peers: planPeers(
      tunnel,
      wantsTunnel ? net.peers.map((peer) => namespacePath(net.plan, vni, peer)) : [],
      tunnelFits ? inside : { ...inside, routes: [], neighbours: [], fdb: [] },
    ),
    last: leads && uplinkFits ? [] : [`route replace default via ${UPLINK_HOST} dev ${UPLINK_INSIDE} onlink proto ${ROUTE_PROTOCOL}`],
  };
}
