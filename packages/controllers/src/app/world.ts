import type { Resource } from "@plimsoll/core";
import { backendId, type Database, type HostLeaseRecord, PLATFORM } from "@plimsoll/db";
import { hostStates } from "../host-states.ts";
import type { ControllerSettings } from "../ports.ts";
import type { RolloutWorld, Traffic } from "./rollout-world.ts";
import { urlOf } from "./route-host.ts";

export interface AppWorld extends RolloutWorld {
  readonly routes: readonly Resource<"Route">[];
}

export interface Moment {
  readonly nowMs: number;
  readonly observedSinceMs: number;
}

/** Uids order what is made by the thirtieth of a second; numbers do exactly. */
const LATEST = 5;

/** Reads what the rollout of an app depends on, all but the releases side by side; undefined when the app is gone. */
export async function readAppWorld(
  db: Database,
  uid: string,
  { nowMs, observedSinceMs }: Moment,
  settings: ControllerSettings,
): Promise<AppWorld | undefined> {
  const objects = db.objects(PLATFORM);
  const [app, open, latest, instances, routes, hosts, leases] = await Promise.all([
    objects.find("App", uid),
    objects.list("Deployment", { ownerUid: uid, phases: ["starting", "draining"] }),
    objects.list("Deployment", { ownerUid: uid, newestFirst: true, limit: LATEST }),
    objects.list("Instance", { ownerUid: uid }),
    objects.list("Route", { ownerUid: uid }),
    objects.list("Host"),
    db.platform.hostLeases(),
  ]);
  if (app === undefined) return undefined;
  // After all that names one: a release begins together with its deployment, and must not seem to be missing.
  const releases = await objects.list("Release", { ownerUid: uid });
  return {
    nowMs,
    observedSinceMs,
    app,
    releases: new Map(releases.map((release) => [release.spec.number, release])),
    open: [...open].sort((a, b) => a.spec.number - b.spec.number),
    latest: [...latest].sort((a, b) => b.spec.number - a.spec.number)[0],
    instances,
    routes,
    hosts: hostStates(hosts, leases, nowMs - observedSinceMs),
    urls: routes.map(({ spec }) => urlOf(spec.host, settings)),
    traffic: trafficOf(app, leases),
  };
}

/** What all ingress hosts have counted for the app's processes; undefined where none counts. */
function trafficOf(app: Resource<"App">, leases: ReadonlyMap<string, HostLeaseRecord>): Traffic | undefined {
  const mine = new Set(Object.keys(app.spec.processes).map((process) => backendId(app.metadata.uid, process)));
  const counting = [...leases.values()].filter(({ live, traffic }) => live && traffic.length > 0);
  if (counting.length === 0) return undefined;
  const counts = counting.flatMap(({ traffic }) => traffic.filter((one) => mine.has(one.backendId)));
  return counts.reduce((sum, one) => ({ total: sum.total + one.requests, failed: sum.failed + one.failed }), { total: 0, failed: 0 });
}
