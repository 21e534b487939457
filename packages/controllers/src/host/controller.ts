import type { Resource } from "@plimsoll/core";
import { type Database, PLATFORM, recordEvent, type Tx } from "@plimsoll/db";
import type { Queue } from "@plimsoll/queue";
import { DONE, type Done, type ReconcileContext, type Reconciler, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import type { Moment } from "../app/world.ts";
import { hostStates } from "../host-states.ts";
import { type HostPlan, planHost } from "./plan-host.ts";

export interface HostReconcilerOptions {
  readonly db: Database;
  readonly queue?: Pick<Queue, "ensureHostUser" | "removeHostUser" | "issuesHostUsers" | "connected"> | undefined;
  readonly moment: () => Moment;
}

/** Follows whether a host is heard of, and keeps its way to the queue open; closes that of one that was removed. Key: host uid. */
export class HostReconciler implements Reconciler {
  readonly #options: HostReconcilerOptions;

  constructor(options: HostReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(uid: string, { fence }: ReconcileContext): Promise<Done | RequeueAfter> {
    const { db, queue, moment } = this.#options;
    const { nowMs, observedSinceMs } = moment();
    const [host, leases] = await Promise.all([db.objects(PLATFORM).find("Host", uid), db.platform.hostLeases()]);
    if (host === undefined) {
      if (queue?.connected && queue.issuesHostUsers) await queue.removeHostUser(uid);
      return DONE;
    }
    const [state] = hostStates([host], leases, nowMs - observedSinceMs);
    if (state === undefined) return DONE;
    const plan = planHost(state);
    if (plan.status !== undefined || plan.wakeApps) await db.write({ scope: PLATFORM, fence }, (tx) => apply(tx, host, plan));
    // A Redis that was replaced knows no host; the agent cannot come in by itself.
    if (queue?.connected && queue.issuesHostUsers) await queue.ensureHostUser(uid);
    return plan.againInMs === undefined ? DONE : requeueAfter(plan.againInMs);
  }
}

async function apply(tx: Tx, host: Resource<"Host">, { status, event, wakeApps }: HostPlan): Promise<void> {
  const { uid } = host.metadata;
  if (status !== undefined) await tx.objects.updateStatus(host, status);
  if (wakeApps) {
    for (const app of await tx.platform.appsOnHost(uid)) tx.wake("app", app);
    if (host.spec.roles.includes("ingress")) for (const app of await tx.platform.drainingApps()) tx.wake("app", app);
  }
  if (event !== undefined) await tellNamespaces(tx, host, event);
}

/** Hosts belong to the platform, events to namespaces: those that have something there are told. */
async function tellNamespaces(tx: Tx, host: Resource<"Host">, event: NonNullable<HostPlan["event"]>): Promise<void> {
  const instances = await tx.objects.list("Instance", { hostUid: host.metadata.uid });
  const oneOfEach = new Map(instances.map((instance) => [instance.metadata.ownerUid, instance]));
  for (const appUid of oneOfEach.keys()) {
    const app = appUid === undefined ? undefined : await tx.objects.find("App", appUid);
    if (app !== undefined) await recordEvent(tx, app, event);
  }
}
