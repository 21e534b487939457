import type { Resource } from "@plimsoll/core";
import { liveIngress } from "../host-states.ts";
import type { RolloutWorld } from "./rollout-world.ts";

export interface Drains {
  readonly acknowledged: readonly Resource<"Instance">[];
  readonly unversioned: readonly Resource<"Instance">[];
  readonly waiting: readonly Resource<"Instance">[];
  /** Names of live routers that have not acknowledged. */
  readonly slow: readonly string[];
  /** Names of routers that are silent and not waited for. */
  readonly absent: readonly string[];
}

/** Every router with a live lease has to acknowledge; an absent one delays by at most its lease. */
export function planDrains({ instances, hosts }: RolloutWorld): Drains {
  const draining = instances.filter(({ spec }) => spec.desired === "draining");
  const routers = liveIngress(hosts);
  const behind = (version: number) => routers.filter(({ routingVersion }) => routingVersion < version);
  const isAcknowledged = ({ status, spec }: Resource<"Instance">) =>
    status.phase === "stopped" ||
    spec.port === undefined ||
    (status.drainVersion !== undefined && behind(status.drainVersion).length === 0);
  const waiting = draining.filter((instance) => !isAcknowledged(instance) && instance.status.drainVersion !== undefined);
  return {
    acknowledged: draining.filter(isAcknowledged),
    unversioned: draining.filter((instance) => !isAcknowledged(instance) && instance.status.drainVersion === undefined),
    waiting,
    slow: [...new Set(waiting.flatMap(({ status }) => behind(status.drainVersion ?? 0).map(({ host }) => host.metadata.name)))],
    absent: hosts.filter(({ host, live }) => !live && host.spec.roles.includes("ingress")).map(({ host }) => host.metadata.name),
  };
}

/** Routers may send it requests, now or a moment ago. */
export function isRouted({ spec, status }: Resource<"Instance">): boolean {
  return spec.port !== undefined && (status.phase === "ready" || status.phase === "unready" || status.readyAt !== undefined);
}

/** Whom the draining waits for, and whom it does not; undefined when there is nothing to say. */
export function drainMessage({ slow, absent, waiting }: Drains): string | undefined {
  const parts = [
    ...(waiting.length > 0 && slow.length > 0 ? [`Waits for the ingress of ${slow.join(", ")} to let go of the release before.`] : []),
    ...(absent.length > 0 ? [`The ingress of ${absent.join(", ")} is silent and was not waited for.`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(" ");
}
