import { existsSync } from "node:fs";
import { AppError } from "@plimsoll/core";
import { instanceMac, sourceAddress } from "./address-plan.ts";
import { type HostNetwork, hasAddress, isUp, type NetworkHost } from "./host-network.ts";
import { ROUTE_PROTOCOL } from "./host-routes.ts";
import { deviceNames, instanceLink, vniOfUplink } from "./names.ts";
import { instanceRouteLine, netnsPathOf } from "./namespace-network.ts";
import { ipBatch, pathWord } from "./netns.ts";
import { type Observed, observeLinks, observeRoutes } from "./observe.ts";
import type { Outcome } from "./outcome.ts";

/** Gateway of every instance, local on each of its namespace's veths. */
export const INSTANCE_GATEWAY = "169.254.1.1";
const GATEWAY_MAC = "0a:58:a9:fe:01:01";

export interface InstanceLink {
  readonly vni: number;
  readonly instanceId: string;
  /** Path of the instance's network namespace, usually owned by its tenant's user namespace. */
  readonly netnsPath: string;
  /** From freeAddress(). */
  readonly address: string;
}

/**
 * Gives an instance its `eth0`: a veth into its namespace's network, which must exist, with a /32 and no bridge. Idempotent: an intact
 * one is left alone, anything else is made anew. Safe to call concurrently for different instances. Throws AppError `conflict` when the
 * address is in use on this host: choose another.
 */
export async function attachInstance(net: HostNetwork, want: InstanceLink): Promise<Outcome> {
  const lines = instanceLines(net, want);
  const namespace = netnsPathOf(net, want.vni);
  const make = async () => {
    await ipBatch(namespace, lines.namespace);
    await Promise.all([ipBatch(want.netnsPath, lines.instance), ipBatch(net.netns, lines.host)]);
  };
  // What is usual comes first and is not preceded by a look: the first line fails when there is a link already.
  try {
    await make();
    return "created";
  } catch {
    const found = await observeInstance(net, want);
    if (found.isIntact) return "unchanged";
    await detachInstance(net, want);
    if (found.foreignHolder !== undefined) throw addressTaken(want.address, found.foreignHolder);
    await make();
    return found.existed ? "replaced" : "created";
  }
}

/** Takes an instance's link and routes away; true when there was one. Idempotent. Its namespace's network may be gone already. */
export async function detachInstance(
  host: NetworkHost,
  want: { readonly vni: number; readonly instanceId: string; readonly address?: string },
): Promise<boolean> {
  const namespace = netnsPathOf(host, want.vni);
  const link = instanceLink(want.instanceId);
  const uplink = deviceNames(host.layout.tag).uplink(want.vni);
  const inside = await observeIfThere(namespace);
  const exists = inside.links.some((have) => have.ifname === link);
  const addresses = inside.routes.filter((route) => route.dev === link).map((route) => route.dst);
  // The link may have gone with its instance while the host's route stayed; but another instance may have that address by now.
  const isOrphan = !inside.routes.some((route) => route.dst === want.address && route.dev !== undefined);
  if (want.address !== undefined && isOrphan) addresses.push(want.address);
  const outside = addresses.length === 0 ? [] : await observeRoutes(host.netns, "proto", ROUTE_PROTOCOL);
  await ipBatch(
    host.netns,
    outside
      .filter((route) => route.dev === uplink && addresses.includes(route.dst))
      .map((route) => `route del ${route.dst}/32 dev ${uplink}`),
  );
  await ipBatch(namespace, exists ? [`link del ${link}`] : []);
  return exists;
}

/** An address that something on this host has. */
export interface AddressInUse {
  readonly address: string;
  /** The namespace; undefined for a build. */
  readonly vni: number | undefined;
}

/** All addresses of instances and builds on this host, as the kernel has them: what freeAddress() must not give out. */
export async function addressesInUse(host: NetworkHost): Promise<readonly AddressInUse[]> {
  const { tenantPrefix } = deviceNames(host.layout.tag);
  const routes = await observeRoutes(host.netns, "proto", ROUTE_PROTOCOL);
  return routes
    .filter((route) => route.dev?.startsWith(tenantPrefix) && !route.dst.includes("/"))
    .map((route) => ({ address: route.dst, vni: vniOfUplink(host.layout.tag, route.dev ?? "") }));
}

/** Links of instances in a namespace's network on this host, by address: those that no instance owns are to be detached. */
export async function listInstanceLinks(
  host: NetworkHost,
  vni: number,
): Promise<readonly { readonly link: string; readonly address: string | undefined }[]> {
  const { links, routes } = await observeIfThere(netnsPathOf(host, vni));
  return links
    .filter((link) => /^i[0-9a-f]{12}$/.test(link.ifname))
    .map((link) => ({ link: link.ifname, address: routes.find((route) => route.dev === link.ifname)?.dst }));
}

/** Pure: `ip` lines for the namespace's network, for the instance's, and for the host's. */
export function instanceLines(
  net: HostNetwork,
  want: InstanceLink,
): { readonly namespace: readonly string[]; readonly instance: readonly string[]; readonly host: readonly string[] } {
  const link = instanceLink(want.instanceId);
  const { mtu } = net;
  const mac = instanceMac(want.address);
  return {
    namespace: [
      `link add ${link} mtu ${mtu} address ${GATEWAY_MAC} type veth peer name eth0 mtu ${mtu} address ${mac} netns ${pathWord(want.netnsPath)}`,
      `link set ${link} up`,
      `addr add ${INSTANCE_GATEWAY}/32 dev ${link}`,
      `route add ${want.address}/32 dev ${link} proto ${ROUTE_PROTOCOL}`,
      `neigh replace ${want.address} lladdr ${mac} dev ${link} nud permanent`,
    ],
    instance: eth0Lines(want.address, INSTANCE_GATEWAY, GATEWAY_MAC),
    host: [instanceRouteLine(net, want.vni, want.address)],
  };
}

/** What is set inside an instance or build. No IPv6 address: nobody on the other side answers it. */
export function eth0Lines(address: string, gateway: string, gatewayMac: string): readonly string[] {
  return [
    "link set lo up",
    "link set eth0 addrgenmode none up",
    `addr add ${address}/32 dev eth0`,
    `neigh replace ${gateway} lladdr ${gatewayMac} dev eth0 nud permanent`,
    `route add ${gateway} dev eth0 scope link`,
    `route add default via ${gateway} dev eth0 onlink`,
  ];
}

/** Whether `eth0` in there has the address and leads to the gateway. */
export function isEth0Intact(observed: Pick<Observed, "links" | "routes">, address: string, gateway: string): boolean {
  const eth0 = observed.links.find((link) => link.ifname === "eth0");
  return (
    isUp(eth0) &&
    hasAddress(observed.links, "eth0", `${address}/32`) &&
    observed.routes.some((route) => route.dst === "default" && route.gateway === gateway)
  );
}

export function addressTaken(address: string, holder: string): AppError {
  return new AppError("conflict", `The address ${address} is in use on this host (${holder}): choose another.`, {
    details: { address, holder },
  });
}

async function observeInstance(net: HostNetwork, want: InstanceLink) {
  const link = instanceLink(want.instanceId);
  const uplink = deviceNames(net.layout.tag).uplink(want.vni);
  const [namespace, instance, hostRoutes] = await Promise.all([
    observeIfThere(netnsPathOf(net, want.vni)),
    observeIfThere(want.netnsPath),
    observeRoutes(net.netns, "proto", ROUTE_PROTOCOL),
  ]);
  const hostRoute = hostRoutes.find((route) => route.dst === want.address && route.dev !== undefined);
  const namespaceRoute = namespace.routes.find((route) => route.dst === want.address && route.dev !== undefined);
  const isLink = namespace.links.some((have) => have.ifname === link && isUp(have) && have.addresses.includes(`${INSTANCE_GATEWAY}/32`));
  const foreign = [hostRoute?.dev === uplink ? undefined : hostRoute?.dev, namespaceRoute?.dev === link ? undefined : namespaceRoute?.dev];
  return {
    existed: namespace.links.some((have) => have.ifname === link) || instance.links.some((have) => have.ifname === "eth0"),
    isIntact:
      isLink &&
      namespaceRoute?.dev === link &&
      hostRoute?.dev === uplink &&
      hostRoute.prefsrc === sourceAddress(net.plan, net.index) &&
      isEth0Intact(instance, want.address, INSTANCE_GATEWAY),
    foreignHolder: foreign.find((device) => device !== undefined),
  };
}

/** Links and routes; none when there is no such network namespace. */
async function observeIfThere(netns: string): Promise<Pick<Observed, "links" | "routes">> {
  if (!existsSync(netns)) return { links: [], routes: [] };
  const [links, routes] = await Promise.all([observeLinks(netns), observeRoutes(netns)]);
  return { links, routes };
}
