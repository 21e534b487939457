import { AppError } from "@plimsoll/core";
import type { AddressPlan } from "./address-plan.ts";
import { blocksOverlap, formatBlock, parseBlock } from "./ipv4.ts";
import type { Route } from "./observe.ts";

/** Marks our routes (`ip route show proto 157`). Free in iproute2's table of protocols. */
export const ROUTE_PROTOCOL = "157";

export interface RouteConflict {
  /** Which of our networks. */
  readonly network: string;
  /** The foreign destination and its device. */
  readonly destination: string;
  readonly device: string;
}

/**
 * Foreign routes of the host that overlap the platform's networks: either would hide a part of the other. The default route and our own
 * do not count.
 */
export function routeConflicts(plan: AddressPlan, routes: readonly Route[]): readonly RouteConflict[] {
  const conflicts: RouteConflict[] = [];
  for (const route of routes) {
    if (route.dst === "default" || route.protocol === ROUTE_PROTOCOL) continue;
    for (const network of [plan.network, plan.sourceNetwork])
      if (blocksOverlap(network, parseBlock(route.dst)))
        conflicts.push({ network: formatBlock(network), destination: route.dst, device: route.dev ?? route.type ?? "no device" });
  }
  return conflicts;
}

/** Throws AppError `precondition_failed` that names the first conflict. */
export function refuseRouteConflicts(plan: AddressPlan, routes: readonly Route[]): void {
  const conflicts = routeConflicts(plan, routes);
  const first = conflicts[0];
  if (first === undefined) return;
  throw new AppError(
    "precondition_failed",
    `The platform's network ${first.network} overlaps ${first.destination}, which this host reaches by ${first.device}. ` +
      "Choose another private network in the install settings (platform network, source network) or remove that route.",
    { details: { conflicts } },
  );
}
