import { type Database, PLATFORM, type PushRecord } from "@plimsoll/db";
import { DONE, type Done, type ReconcileContext, type Reconciler, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import type { Moment } from "../app/world.ts";
import { hostStates, liveIngress } from "../host-states.ts";
import type { ControllerPorts } from "../ports.ts";
import { type PushWorld, planPush } from "./plan-push.ts";

export interface PushReconcilerOptions {
  readonly db: Database;
  readonly ports: ControllerPorts;
  readonly moment: () => Moment;
}

/** A push is recorded before its build is, in one transaction or two; then every step wakes it. This is for the lost wake-up. */
const RECHECK_MS = 10_000;
/** Who reads "Live" opens the URL: live routers get this long to acknowledge what makes it true. */
const ROUTED_WITHIN_MS = 3_000;
const ROUTED_RECHECK_MS = 500;
const RECENT_DEPLOYMENTS = 50;

/** Ends a push when its release serves, or when it cannot: moves the branch, then records. Key: push id. */
export class PushReconciler implements Reconciler {
  readonly #options: PushReconcilerOptions;
  /** Routing version to wait for, by push: only to not say "Live" too soon; a restart begins anew. */
  readonly #routed = new Map<string, { readonly version: number; readonly untilMs: number }>();

  constructor(options: PushReconcilerOptions) {
    this.#options = options;
  }

  /** To be woken when an ingress has applied a newer version. */
  get waitingForRouting(): Iterable<string> {
    return this.#routed.keys();
  }

  async reconcile(id: string, { fence }: ReconcileContext): Promise<Done | RequeueAfter> {
    const { db, ports } = this.#options;
    const world = await readPushWorld(db, id);
    if (world === undefined || world.push.state !== "open") return DONE;
    const end = planPush(world);
    if (end === undefined) return requeueAfter(RECHECK_MS);
    if (end.state === "live" && !(await this.#isRouted(id))) return requeueAfter(ROUTED_RECHECK_MS);
    this.#routed.delete(id);
    const recorded = await ports.finishPush(world.push, end);
    await db.write({ scope: PLATFORM, fence }, async (tx) => {
      await tx.pushes.finish(id, recorded.state, recorded.state === "refused" ? recorded.reason : undefined);
    });
    return DONE;
  }

  /** Every live ingress has what was routed when this was asked first; a slow one is not waited for beyond its time. */
  async #isRouted(id: string): Promise<boolean> {
    const { db, moment } = this.#options;
    const { nowMs, observedSinceMs } = moment();
    const known = this.#routed.get(id) ?? { version: await db.platform.routingVersion(), untilMs: nowMs + ROUTED_WITHIN_MS };
    this.#routed.set(id, known);
    if (nowMs >= known.untilMs) return true;
    const [hosts, leases] = await Promise.all([db.objects(PLATFORM).list("Host"), db.platform.hostLeases()]);
    return liveIngress(hostStates(hosts, leases, nowMs - observedSinceMs)).every(({ routingVersion }) => routingVersion >= known.version);
  }
}

async function readPushWorld(db: Database, id: string): Promise<PushWorld | undefined> {
  const push = await db.pushes.find(id);
  if (push === undefined) return undefined;
  const objects = db.objects(PLATFORM);
  const [app, build] = await Promise.all([
    objects.find("App", push.appUid),
    push.buildUid === undefined ? undefined : objects.find("Build", push.buildUid),
  ]);
  const deployment = build?.status.release === undefined ? undefined : await deploymentOf(db, push);
  return { push, appExists: app !== undefined && app.metadata.deletedAt === undefined, build, deployment };
}

async function deploymentOf(db: Database, push: PushRecord) {
  const recent = await db.objects(PLATFORM).list("Deployment", { ownerUid: push.appUid, newestFirst: true, limit: RECENT_DEPLOYMENTS });
  return recent.find(({ spec }) => spec.pushId === push.id);
}
