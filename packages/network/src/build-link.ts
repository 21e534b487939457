import { ensureNetworkNamespace, removeNetworkNamespace } from "@plimsoll/host";
import { instanceMac, sourceAddress } from "./address-plan.ts";
import { type HostNetwork, hasAddress, isUp, type NetworkHost } from "./host-network.ts";
import { ROUTE_PROTOCOL } from "./host-routes.ts";
import { addressTaken, eth0Lines, isEth0Intact } from "./instance-link.ts";
import { deviceNames } from "./names.ts";
import { UPLINK_HOST } from "./namespace-network.ts";
import { ipBatch, pathWord } from "./netns.ts";
import { observeLinks, observeRoutes } from "./observe.ts";
import type { Outcome } from "./outcome.ts";

const GATEWAY_MAC = "0a:58:a9:fe:02:01";

export interface BuildLink {
  readonly buildId: string;
  /** Path of the network namespace that the build runs in; without one it is made, and detachBuild() removes it. */
  readonly netnsPath?: string;
  /** From freeAddress(). */
  readonly address: string;
}

/**
 * A network of its own for a build: straight to the host, out by masquerade, and to nothing of the platform – no instance, not even of its
 * own namespace, no other build, no host. Idempotent. Safe to call concurrently for different builds. Throws AppError `conflict` when the
 * address is in use.
 */
export async function attachBuild(net: HostNetwork, want: BuildLink): Promise<{ readonly outcome: Outcome; readonly netnsPath: string }> {
  const netnsPath = want.netnsPath ?? (await ensureNetworkNamespace(net.layout, buildKey(want.buildId)));
  const lines = buildLines(net, { ...want, netnsPath });
  const make = async () => {
    await ipBatch(net.netns, lines.host);
    await ipBatch(netnsPath, lines.build);
  };
  try {
    await make();
    return { outcome: "created", netnsPath };
  } catch {
    const device = deviceNames(net.layout.tag).build(want.buildId);
    const [links, hostRoutes, buildLinks, buildRoutes] = await Promise.all([
      observeLinks(net.netns),
      observeRoutes(net.netns, "proto", ROUTE_PROTOCOL),
      observeLinks(netnsPath),
      observeRoutes(netnsPath),
    ]);
    const holder = hostRoutes.find((route) => route.dst === want.address && route.dev !== undefined)?.dev;
    const isLink = links.some((link) => link.ifname === device && isUp(link)) && hasAddress(links, device, `${UPLINK_HOST}/32`);
    if (isLink && holder === device && isEth0Intact({ links: buildLinks, routes: buildRoutes }, want.address, UPLINK_HOST))
      return { outcome: "unchanged", netnsPath };
    await deleteLink(net, want.buildId);
    if (holder !== undefined && holder !== device) throw addressTaken(want.address, holder);
    await make();
    return { outcome: "replaced", netnsPath };
  }
}

/** Takes the build's link away, and its network namespace where attachBuild() made it. True when there was a link. Idempotent. */
export async function detachBuild(host: NetworkHost, buildId: string): Promise<boolean> {
  const existed = await deleteLink(host, buildId);
  await removeNetworkNamespace(host.layout, buildKey(buildId));
  return existed;
}

/** Pure: `ip` lines for the host and for the build's network namespace. */
export function buildLines(
  net: HostNetwork,
  want: BuildLink & { readonly netnsPath: string },
): { readonly host: readonly string[]; readonly build: readonly string[] } {
  const device = deviceNames(net.layout.tag).build(want.buildId);
  const mac = instanceMac(want.address);
  const src = sourceAddress(net.plan, net.index);
  return {
    host: [
      `link add ${device} mtu ${net.mtu} address ${GATEWAY_MAC} type veth peer name eth0 mtu ${net.mtu} address ${mac} netns ${pathWord(want.netnsPath)}`,
      `link set ${device} addrgenmode none up`,
      `addr add ${UPLINK_HOST}/32 dev ${device}`,
      `neigh replace ${want.address} lladdr ${mac} dev ${device} nud permanent`,
      `route add ${want.address}/32 dev ${device} src ${src} proto ${ROUTE_PROTOCOL}`,
    ],
    build: eth0Lines(want.address, UPLINK_HOST, GATEWAY_MAC),
  };
}

async function deleteLink(host: NetworkHost, buildId: string): Promise<boolean> {
  const device = deviceNames(host.layout.tag).build(buildId);
  const exists = (await observeLinks(host.netns)).some((link) => link.ifname === device);
  await ipBatch(host.netns, exists ? [`link del ${device}`] : []);
  return exists;
}

function buildKey(buildId: string): string {
  return `b-${buildId}`;
}
