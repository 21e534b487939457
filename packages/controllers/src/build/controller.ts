import { isBuildOver, type Resource } from "@plimsoll/core";
import { type Database, PLATFORM, recordEvent, releaseQuota, type Tx } from "@plimsoll/db";
import { DONE, type Done, type ReconcileContext, type Reconciler, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import type { Moment } from "../app/world.ts";
import { hostStates } from "../host-states.ts";
import { placePending } from "./place-build.ts";
import { type BuildPlan, type BuildWorld, planBuild } from "./plan-build.ts";
import { releaseBuild } from "./release-build.ts";

export interface BuildReconcilerOptions {
  readonly db: Database;
  readonly moment: () => Moment;
}

/** A slot or a host that gets free wakes those who wait; this is for the lost wake-up. */
const WAITING_RECHECK_MS = 5_000;
/** Enough to see whether a newer build was asked for. */
const NEWEST = 20;
/** As many of those who wait are woken when a slot gets free. */
const WOKEN = 50;

/** Brings a build from pending to its release, or to an explained end. Key: build uid. */
export class BuildReconciler implements Reconciler {
  readonly #options: BuildReconcilerOptions;

  constructor(options: BuildReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(uid: string, context: ReconcileContext): Promise<Done | RequeueAfter> {
    const world = await readBuildWorld(this.#options.db, uid, this.#options.moment());
    return world === undefined ? DONE : this.#apply(world, planBuild(world), context);
  }

  async #apply(world: BuildWorld, plan: BuildPlan, { fence }: ReconcileContext): Promise<Done | RequeueAfter> {
    const { build } = world;
    const write = <T>(work: (tx: Tx) => Promise<T>) => this.#options.db.write({ scope: PLATFORM, fence }, work);
    switch (plan.kind) {
      case "wait":
        return plan.againInMs === undefined ? DONE : requeueAfter(plan.againInMs);
      case "place": {
        const hint = await cacheHint(this.#options.db, build);
        const placed = await write(async (tx) => {
          await wakeOlder(tx, build);
          return placePending(tx, build, world.hosts, hint, world.nowMs);
        });
        return requeueAfter(WAITING_RECHECK_MS * (placed ? 2 : 1));
      }
      case "replace":
        await write((tx) => replace(tx, build, plan.message));
        return requeueAfter(0);
      case "end":
        await write((tx) => end(tx, world, plan));
        return DONE;
      case "release":
        await write((tx) => release(tx, build, world.nowMs));
        return DONE;
      case "settle":
        await write((tx) => settle(tx, build));
        return DONE;
    }
  }
}

async function readBuildWorld(db: Database, uid: string, { nowMs, observedSinceMs }: Moment): Promise<BuildWorld | undefined> {
  const objects = db.objects(PLATFORM);
  const build = await objects.find("Build", uid);
  if (build?.metadata.ownerUid === undefined) return undefined;
  const { ownerUid } = build.metadata;
  const [app, newest, leaseSilentMs, hosts, leases, charge] = await Promise.all([
    objects.find("App", ownerUid),
    isBuildOver(build.status.phase) ? [] : objects.list("Build", { ownerUid, newestFirst: true, limit: NEWEST }),
    db.leases.silentMs(buildLease(uid)),
    objects.list("Host"),
    db.platform.hostLeases(),
    db.quotas.charged(uid),
  ]);
  return {
    nowMs,
    observedSinceMs,
    build,
    app: app?.metadata.deletedAt === undefined ? app : undefined,
    newer: newest.filter(({ spec }) => spec.number > build.spec.number),
    leaseSilentMs,
    hosts: hostStates(hosts, leases, nowMs - observedSinceMs),
    charged: charge.builds > 0,
  };
}

/** The lease that the agent's claim takes and its words about the build are compared with. */
export function buildLease(uid: string): string {
  return `build/${uid}`;
}

/** Where the app was built last. */
async function cacheHint(db: Database, { metadata }: Resource<"Build">): Promise<string | undefined> {
  const [last] = await db
    .objects(PLATFORM)
    .list("Build", { ownerUid: metadata.ownerUid ?? "", phases: ["succeeded"], newestFirst: true, limit: 1 });
  return last?.status.hostUid;
}

/** A newer build takes the place of older ones: they find out for themselves. */
async function wakeOlder(tx: Tx, build: Resource<"Build">): Promise<void> {
  const open = await tx.objects.list("Build", { ownerUid: build.metadata.ownerUid ?? "", phases: ["pending", "placed", "running"] });
  for (const { metadata, spec } of open) if (spec.number < build.spec.number) tx.wake("build", metadata.uid);
}

/** Takes it from its host, whose later words count for nothing, and puts it in line again; it keeps its slot. */
async function replace(tx: Tx, build: Resource<"Build">, message: string): Promise<void> {
  await tx.leases.revoke(buildLease(build.metadata.uid));
  const { host: _host, hostUid, startedAt: _startedAt, ...status } = build.status;
  await tx.objects.updateStatus(build, { ...status, phase: "pending", message });
  if (hostUid !== undefined) tx.wake("sync", hostUid);
}

async function end(tx: Tx, { build, app, nowMs }: BuildWorld, plan: Extract<BuildPlan, { kind: "end" }>): Promise<void> {
  await giveBack(tx, build);
  await tx.leases.revoke(buildLease(build.metadata.uid));
  await tx.objects.updateStatus(build, {
    ...build.status,
    phase: plan.phase,
    message: plan.message,
    finishedAt: new Date(nowMs).toISOString(),
    ...(plan.failure === undefined ? {} : { failure: plan.failure }),
  });
  if (build.status.hostUid !== undefined) tx.wake("sync", build.status.hostUid);
  // An app that is being deleted waits for its builds.
  if (app === undefined) tx.wake("app", build.metadata.ownerUid ?? "");
  if (plan.phase === "failed") await noteFailure(tx, build, plan.message);
}

async function release(tx: Tx, build: Resource<"Build">, nowMs: number): Promise<void> {
  if (!(await releaseBuild(tx, build, nowMs))) return;
  if (build.spec.pushId !== undefined) tx.wake("push", build.spec.pushId);
  await wakePending(tx);
}

async function settle(tx: Tx, build: Resource<"Build">): Promise<void> {
  await giveBack(tx, build);
  if (build.status.phase === "failed") await noteFailure(tx, build, build.status.failure?.message ?? build.status.message ?? "");
}

/** Its slot, and the news to those who wait for one and for its end. */
async function giveBack(tx: Tx, build: Resource<"Build">): Promise<void> {
  const namespace = await tx.objects.find("Namespace", build.metadata.namespaceUid ?? "");
  if (namespace !== undefined) await releaseQuota(tx, namespace, build.metadata.uid);
  if (build.spec.pushId !== undefined) tx.wake("push", build.spec.pushId);
  await wakePending(tx);
}

async function wakePending(tx: Tx): Promise<void> {
  for (const { metadata } of await tx.objects.list("Build", { phases: ["pending"], limit: WOKEN })) tx.wake("build", metadata.uid);
}

async function noteFailure(tx: Tx, build: Resource<"Build">, message: string): Promise<void> {
  const app = await tx.objects.find("App", build.metadata.ownerUid ?? "");
  if (app !== undefined)
    await recordEvent(tx, app, { type: "warning", reason: "BuildFailed", message: `Build ${build.spec.number} failed: ${message}` });
}
