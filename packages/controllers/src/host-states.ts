import type { Resource } from "@plimsoll/core";
import type { HostLeaseRecord, HostUse } from "@plimsoll/db";
import type { HostView } from "@plimsoll/scheduler";

/** A host and what is known of its life. */
export interface HostState {
  readonly host: Resource<"Host">;
  readonly live: boolean;
  /** Never heard of since it was enrolled: it is still starting, or cannot reach us. */
  readonly unheard?: true;
  /** How long we have listened to it in vain: since its lease ended, but not from before we listened. */
  readonly silentMs: number;
  /** The routing version that its ingress has applied. */
  readonly routingVersion: number;
  readonly pressure?: HostView["pressure"];
}

/** A host that has been silent for longer has lost its instances: they are replaced elsewhere. */
export const LOST_AFTER_MS = 60_000;

/** `listenedMs`: how long this process has been able to hear hosts. After an outage of ours, silence says nothing about them. */
export function hostStates(
  hosts: readonly Resource<"Host">[],
  leases: ReadonlyMap<string, HostLeaseRecord>,
  listenedMs: number,
): readonly HostState[] {
  return hosts.map((host) => {
    const lease = leases.get(host.metadata.uid);
    return {
      host,
      live: lease?.live ?? false,
      ...(lease === undefined ? { unheard: true } : {}),
      silentMs: lease?.live ? 0 : Math.min(lease?.silentMs ?? Number.POSITIVE_INFINITY, listenedMs),
      routingVersion: lease?.routingVersion ?? 0,
      ...(lease?.pressure === undefined ? {} : { pressure: lease.pressure }),
    };
  });
}

/** The scheduler's view: `use` is what is bound to each host, `spread` counts instances by group and host. */
export function hostViews(
  states: readonly HostState[],
  use: ReadonlyMap<string, HostUse>,
  spread: (hostUid: string) => Readonly<Record<string, number>> = () => ({}),
): readonly HostView[] {
  return states.map(({ host, live, pressure }) => {
    const { uid, name, labels } = host.metadata;
    const used = use.get(uid);
    return {
      uid,
      name,
      labels,
      live,
      roles: host.spec.roles,
      schedulable: host.spec.schedulable,
      capacity: host.spec.capacity,
      used: { cpuMillis: used?.cpuMillis ?? 0, memoryBytes: used?.memoryBytes ?? 0 },
      spread: spread(uid),
      builds: used?.builds ?? 0,
      ...(pressure === undefined ? {} : { pressure }),
    };
  });
}

/** Routers that count: ingress hosts whose lease lives. */
export function liveIngress(states: readonly HostState[]): readonly HostState[] {
  return states.filter(({ host, live }) => live && host.spec.roles.includes("ingress"));
}
