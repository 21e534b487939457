import { writeFileSync } from "node:fs";
import { AppError } from "@plimsoll/core";
import { type HostLayout, inNetworkNamespace, listNetworkNamespaces, removeNetworkNamespace } from "@plimsoll/host";
import { type AddressPlan, sourceAddress, tunnelMac } from "./address-plan.ts";
import { ensureFirewall, otherFirewalls, removeFirewall } from "./firewall.ts";
import { ROUTE_PROTOCOL, refuseRouteConflicts } from "./host-routes.ts";
import { blockHas, formatBlock, parseAddress } from "./ipv4.ts";
import { deviceNames, PLATFORM_VNI, vniOfKey } from "./names.ts";
import { bridgeBatch, ipBatch, type Netns } from "./netns.ts";
import { type Link, type Observed, observe, observeLinks } from "./observe.ts";
import type { Outcome } from "./outcome.ts";
import { hasLines, type Peer, type PeerLines, planPeers, platformPath } from "./peers.ts";

/** VXLAN's registered port (RFC 7348). */
const VXLAN_PORT = 4789;
/** Outer IPv4, UDP and VXLAN headers and the inner Ethernet header. */
const VXLAN_OVERHEAD = 50;
const LINK_LOCAL = "169.254.0.0/16";

/** One host's part of the platform's network: whose names, which number, in which network namespace. */
export interface NetworkHost {
  readonly layout: HostLayout;
  readonly index: number;
  readonly plan: AddressPlan;
  /** The host's own network namespace; default: the one that this process lives in. */
  readonly netns?: string;
}

export interface WantedHostNetwork {
  /** The host's address on the network that joins the hosts. None, or a loopback address: a single host without peers. */
  readonly underlay?: { readonly address: string; readonly device?: string };
  /** All other enrolled hosts; this host itself among them is passed over. */
  readonly peers: readonly Peer[];
  /** See upstreamResolvers(): tenants reach port 53 there wherever it is. */
  readonly resolvers: readonly string[];
  /** Further addresses or blocks that tenants may not reach: the control plane's database, an operator's management network. */
  readonly forbidden?: readonly string[];
}

/** What ensureHostNetwork() made: namespaces, instances and builds are attached to it. */
export interface HostNetwork extends NetworkHost {
  readonly outcome: Outcome;
  /** Of every device behind the host, so that what crosses a VXLAN fits the underlay. */
  readonly mtu: number;
  readonly underlay?: { readonly address: string; readonly device: string };
  readonly peers: readonly Peer[];
}

/**
 * The host's share of the platform's network: firewall, forwarding, the host's source address, and the platform's VXLAN to its peers.
 * Idempotent, repairs what was changed by hand; the firewall comes first, so nothing is ever open that should not be. Throws AppError
 * `precondition_failed` when the underlay address is not on this host or a route of the host overlaps the platform's networks. Not for
 * concurrent use on one host.
 */
export async function ensureHostNetwork(host: NetworkHost, want: WantedHostNetwork): Promise<HostNetwork> {
  const { plan, index, layout, netns } = host;
  const names = deviceNames(layout.tag);
  const peers = want.peers.filter((peer) => peer.index !== index);
  const observed = await observe(netns);
  refuseRouteConflicts(plan, observed.routes);
  refuseUnderlayInside(plan, [...peers.map((peer) => peer.underlay), ...(want.underlay === undefined ? [] : [want.underlay.address])]);
  const { underlay, mtu } = findUnderlay(want.underlay, observed);
  if (peers.length > 0 && underlay === undefined)
    throw new AppError(
      "precondition_failed",
      "This host has no address that other hosts can reach: join it again with its underlay address.",
    );

  const firewall = await ensureFirewall(netns, {
    table: layout.nftTable,
    tenantPrefix: names.tenantPrefix,
    platformTunnel: names.platformTunnel,
    network: formatBlock(plan.network),
    vxlanPort: VXLAN_PORT,
    enrolled: peers.map((peer) => peer.underlay),
    forbidden: [
      formatBlock(plan.network),
      formatBlock(plan.sourceNetwork),
      LINK_LOCAL,
      ...peers.map((peer) => peer.underlay),
      ...(underlay === undefined ? [] : [underlay.address]),
      ...(want.forbidden ?? []),
    ],
    resolvers: want.resolvers,
  });
  writeSysctls(netns, ["net/ipv4/ip_forward"]);

  const own = planHost(host, { mtu, underlay, peers }, observed);
  await ipBatch(netns, own.devices);
  await applyPeerLines(netns, own.peers);
  const changed = own.devices.length > 0 || hasLines(own.peers);
  const outcome: Outcome = firewall === "unchanged" && changed ? "replaced" : firewall;
  return { ...host, outcome, mtu, peers, ...(underlay === undefined ? {} : { underlay }) };
}

/**
 * Takes away everything that this package made on the host, namespaces' networks included; instances lose their network. Idempotent.
 * `ip_forward` stays as it is: others may have come to need it. So do source address and guard where another agent lives in the same
 * network namespace, which has them in common with us.
 */
export async function removeHostNetwork(host: NetworkHost): Promise<void> {
  const { layout, netns, plan, index } = host;
  const names = deviceNames(layout.tag);
  const links = await observeLinks(netns);
  const ours = links.filter((link) => link.ifname.startsWith(names.tenantPrefix) || link.ifname === names.platformTunnel);
  const source = `${sourceAddress(plan, index)}/32`;
  const { routes } = await observe(netns);
  const isShared = (await otherFirewalls(netns, layout.nftTable)).length > 0;
  const hasGuard = routes.some((route) => isGuard(host, route));
  await ipBatch(netns, [
    ...ours.map((link) => `link del ${link.ifname}`),
    ...(hasGuard && !isShared ? [`route del unreachable ${formatBlock(plan.network)} proto ${ROUTE_PROTOCOL}`] : []),
    ...(hasAddress(links, "lo", source) && !isShared ? [`addr del ${source} dev lo`] : []),
  ]);
  for (const key of listNetworkNamespaces(layout)) if (vniOfKey(key) !== undefined) await removeNetworkNamespace(layout, key);
  await removeFirewall(netns, layout.nftTable);
}

/** Pure: lines that turn what is observed into the host's own devices, addresses and paths to its peers. */
export function planHost(
  host: NetworkHost,
  want: { readonly mtu: number; readonly underlay: { readonly address: string } | undefined; readonly peers: readonly Peer[] },
  observed: Observed,
): { readonly devices: readonly string[]; readonly peers: PeerLines } {
  const { plan, index } = host;
  const device = deviceNames(host.layout.tag).platformTunnel;
  const source = `${sourceAddress(plan, index)}/32`;
  const mac = tunnelMac(PLATFORM_VNI, index);
  const have = observed.links.find((link) => link.ifname === device);
  const wanted = want.peers.length > 0 && want.underlay !== undefined;
  const fits = wanted && isTunnel(have, PLATFORM_VNI, want.underlay.address, mac);
  const devices = [
    // On lo, so that it exists without any peer; a source address needs no device of its own.
    ...(hasAddress(observed.links, "lo", source) ? [] : [`addr add ${source} dev lo`]),
    // What runs nowhere must neither leave by the default route nor hang: the ingress gets its refusal at once.
    ...(observed.routes.some((route) => isGuard(host, route))
      ? []
      : [`route replace unreachable ${formatBlock(plan.network)} proto ${ROUTE_PROTOCOL}`]),
    ...(have !== undefined && !fits ? [`link del ${device}`] : []),
    ...(wanted && !fits
      ? [tunnelLine(device, PLATFORM_VNI, want.underlay.address), `link set ${device} address ${mac} mtu ${want.mtu} up`]
      : []),
    ...(fits && have?.mtu !== want.mtu ? [`link set ${device} mtu ${want.mtu}`] : []),
    ...(fits && !isUp(have) ? [`link set ${device} up`] : []),
  ];
  const paths = wanted ? want.peers.map((peer) => platformPath(plan, index, peer)) : [];
  const current = fits && isUp(have) ? observed : { ...observed, routes: [], neighbours: [], fdb: [] };
  return { devices, peers: planPeers(device, paths, wanted ? current : { ...observed, routes: [], neighbours: [], fdb: [] }) };
}

export async function applyPeerLines(netns: Netns, lines: PeerLines): Promise<void> {
  await ipBatch(netns, lines.before);
  await bridgeBatch(netns, lines.fdb);
  await ipBatch(netns, lines.routes);
}

/** The line that makes a VXLAN device in the host's network namespace, where its socket stays also when the device is moved. */
export function tunnelLine(device: string, vni: number, local: string): string {
  return `link add ${device} type vxlan id ${vni} dstport ${VXLAN_PORT} local ${local} nolearning`;
}

export function isTunnel(link: Link | undefined, vni: number, local: string, mac: string): link is Link {
  const vxlan = link?.vxlan;
  if (vxlan === undefined) return false;
  return vxlan.id === vni && vxlan.local === local && vxlan.port === VXLAN_PORT && !vxlan.learning && link?.address === mac;
}

export function isUp(link: Link | undefined): boolean {
  return link?.flags.includes("UP") ?? false;
}

export function hasAddress(links: readonly Link[], device: string, address: string): boolean {
  return links.some((link) => link.ifname === device && link.addresses.includes(address));
}

/** Writes 1 to each of these files below /proc/sys, in the given network namespace. */
export function writeSysctls(netns: Netns, names: readonly string[]): void {
  const write = () => {
    for (const name of names) writeFileSync(`/proc/sys/${name}`, "1\n");
  };
  if (netns === undefined) write();
  else inNetworkNamespace(netns, write);
}

function isGuard(host: NetworkHost, route: { readonly type?: string; readonly dst: string; readonly protocol?: string }): boolean {
  return route.type === "unreachable" && route.dst === formatBlock(host.plan.network) && route.protocol === ROUTE_PROTOCOL;
}

function findUnderlay(
  want: { readonly address: string; readonly device?: string } | undefined,
  observed: Observed,
): { readonly underlay: { readonly address: string; readonly device: string } | undefined; readonly mtu: number } {
  if (want === undefined || blockHas({ first: parseAddress("127.0.0.0"), prefix: 8 }, parseAddress(want.address))) {
    const device = observed.routes.find((route) => route.dst === "default")?.dev;
    const outside = observed.links.find((link) => link.ifname === device);
    return { underlay: undefined, mtu: (outside?.mtu ?? 1_500) - VXLAN_OVERHEAD };
  }
  const link = observed.links.find(
    ({ ifname, addresses }) =>
      (want.device === undefined || ifname === want.device) && addresses.some((address) => address.startsWith(`${want.address}/`)),
  );
  if (link === undefined) {
    const where = want.device === undefined ? "this host" : want.device;
    throw new AppError(
      "precondition_failed",
      `The underlay address ${want.address} is not on ${where}: give one that \`ip addr\` shows here.`,
    );
  }
  return { underlay: { address: want.address, device: link.ifname }, mtu: link.mtu - VXLAN_OVERHEAD };
}

function refuseUnderlayInside(plan: AddressPlan, addresses: readonly string[]): void {
  for (const address of addresses)
    for (const network of [plan.network, plan.sourceNetwork])
      if (blockHas(network, parseAddress(address)))
        throw new AppError(
          "precondition_failed",
          `The underlay address ${address} lies in the platform's own network ${formatBlock(network)}: choose another network in the install settings.`,
        );
}
