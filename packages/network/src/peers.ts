import { type AddressPlan, hostRange, sourceAddress, tunnelAddress, tunnelMac } from "./address-plan.ts";
import { ROUTE_PROTOCOL } from "./host-routes.ts";
import { formatBlock } from "./ipv4.ts";
import { PLATFORM_VNI } from "./names.ts";
import type { Observed, Route } from "./observe.ts";

/** Another enrolled host. */
export interface Peer {
  readonly index: number;
  /** Its address on the network that joins the hosts. */
  readonly underlay: string;
}

/** How a VXLAN device reaches one peer: the frame's MAC address, the next hop that it stands for, and what lies behind. */
export interface PeerPath {
  readonly mac: string;
  readonly nextHop: string;
  readonly underlay: string;
  /** In the order in which they are to be added. */
  readonly routes: readonly WantedRoute[];
}

interface WantedRoute {
  readonly dst: string;
  readonly via?: string;
  readonly src?: string;
}

/** Lines for `ip`, for `bridge`, and again for `ip`, to be run in this order: a route never precedes what it needs. */
export interface PeerLines {
  readonly before: readonly string[];
  readonly fdb: readonly string[];
  readonly routes: readonly string[];
}

/** In a namespace's network: the peer's range by its end of the tunnel. */
export function namespacePath(plan: AddressPlan, vni: number, peer: Peer): PeerPath {
  const nextHop = tunnelAddress(plan, peer.index);
  return {
    mac: tunnelMac(vni, peer.index),
    nextHop,
    underlay: peer.underlay,
    routes: [{ dst: formatBlock(hostRange(plan, peer.index)), via: nextHop }],
  };
}

/** Between hosts: the peer's source address, and its range by it. Both spoken to from our own source address. */
export function platformPath(plan: AddressPlan, ownIndex: number, peer: Peer): PeerPath {
  const nextHop = sourceAddress(plan, peer.index);
  const src = sourceAddress(plan, ownIndex);
  return {
    mac: tunnelMac(PLATFORM_VNI, peer.index),
    nextHop,
    underlay: peer.underlay,
    routes: [
      { dst: nextHop, src },
      { dst: formatBlock(hostRange(plan, peer.index)), via: nextHop, src },
    ],
  };
}

/** Pure: what makes the device's neighbours, forwarding entries and routes be exactly `paths`. Nothing to do: no lines. */
export function planPeers(device: string, paths: readonly PeerPath[], observed: Observed): PeerLines {
  const routes = observed.routes.filter((route) => route.dev === device && route.protocol === ROUTE_PROTOCOL);
  const neighbours = observed.neighbours.filter((neighbour) => neighbour.dev === device);
  // A VXLAN device also shows entries without destination (its own and all-zero ones); they are not ours.
  const entries = observed.fdb.filter((entry) => entry.ifname === device && entry.dst !== undefined);
  const wantedRoutes = paths.flatMap((path) => path.routes);

  const hasRoute = (want: WantedRoute) => routes.some((route) => sameRoute(route, want));
  const hasNeighbour = (path: PeerPath) => neighbours.some((have) => have.dst === path.nextHop && have.lladdr === path.mac);
  const hasEntry = (path: PeerPath) => entries.some((have) => have.mac === path.mac && have.dst === path.underlay);

  const staleRoutes = routes.filter((route) => !wantedRoutes.some((want) => want.dst === route.dst));
  const staleNeighbours = neighbours.filter((have) => !paths.some((path) => path.nextHop === have.dst));
  const staleEntries = entries.filter((have) => !paths.some((path) => path.mac === have.mac));
  return {
    before: [
      // A range's route leans on its next hop's: last in, first out.
      ...staleRoutes.toReversed().map((route) => `route del ${route.dst} dev ${device}`),
      ...staleNeighbours.map((have) => `neigh del ${have.dst} dev ${device}`),
      ...paths
        .filter((path) => !hasNeighbour(path))
        .map((path) => `neigh replace ${path.nextHop} lladdr ${path.mac} dev ${device} nud permanent`),
    ],
    fdb: [
      ...staleEntries.map((have) => `fdb del ${have.mac} dev ${device} dst ${have.dst} self`),
      ...paths.filter((path) => !hasEntry(path)).map((path) => `fdb replace ${path.mac} dev ${device} dst ${path.underlay} self permanent`),
    ],
    routes: wantedRoutes
      .filter((want) => !hasRoute(want))
      .map((want) => {
        const via = want.via === undefined ? "" : ` via ${want.via}`;
        const onlink = want.via === undefined ? "" : " onlink";
        const src = want.src === undefined ? "" : ` src ${want.src}`;
        return `route replace ${want.dst}${via} dev ${device}${onlink}${src} proto ${ROUTE_PROTOCOL}`;
      }),
  };
}

export function hasLines(lines: PeerLines): boolean {
  return lines.before.length + lines.fdb.length + lines.routes.length > 0;
}

function sameRoute(route: Route, want: WantedRoute): boolean {
  return route.dst === want.dst && route.gateway === want.via && (want.src === undefined || route.prefsrc === want.src);
}
