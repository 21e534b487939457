import { changeRouting, type Database, PLATFORM, type Tx } from "@plimsoll/db";
import { DONE, type Done, type ReconcileContext, type Reconciler, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import { hostViews } from "../host-states.ts";
import type { ControllerPorts, ControllerSettings } from "../ports.ts";
import { applyRollout, isNothing } from "./apply-rollout.ts";
import { commandShortage } from "./command-quota.ts";
import { deleteApp } from "./delete-app.ts";
import { createRoute, needsRoute, strayRoutes } from "./ensure-route.ts";
import { spreadGroup } from "./place-missing.ts";
import { needsCommandRoom, needsPlacement, planRollout } from "./plan-rollout.ts";
import { pruneHistory } from "./prune-history.ts";
import type { RolloutPlan } from "./rollout-world.ts";
import { urlOf } from "./route-host.ts";
import { lockBooks } from "./settle-spec.ts";
import { type AppWorld, type Moment, readAppWorld } from "./world.ts";

export interface AppReconcilerOptions {
  readonly db: Database;
  readonly settings: ControllerSettings;
  readonly ports: ControllerPorts;
  readonly moment: () => Moment;
}

/** Keeps an app as it should be: rollout, scaling, healing, route, status, deletion. Key: app uid. */
export class AppReconciler implements Reconciler {
  readonly #options: AppReconcilerOptions;

  constructor(options: AppReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(uid: string, context: ReconcileContext): Promise<Done | RequeueAfter> {
    const { db, settings, ports, moment } = this.#options;
    const world = await readAppWorld(db, uid, moment(), settings);
    if (world === undefined) return DONE;
    if (world.app.metadata.deletedAt !== undefined) return deleteApp(db, world, ports, context);

    const placing = needsPlacement(world);
    const routing = needsRoute(world.app, world.routes);
    if (!placing && !routing) {
      const plan = planRollout(world, []);
      if (isNothing(plan, world) && strays(world, plan).length === 0) return next(plan);
    }
    // Placement and the host name are decided inside, where nobody else can take the same.
    const plan = await db.write({ scope: PLATFORM, fence: context.fence }, async (tx) => {
      const asks = needsCommandRoom(world) ? world.open.at(-1) : undefined;
      const release = asks === undefined ? undefined : world.releases.get(asks.spec.release);
      let noRoom: string | undefined;
      if (asks !== undefined && release !== undefined) {
        await lockBooks(tx, world.app);
        noRoom = await commandShortage(tx, world.app, asks, release);
      }
      const views = placing ? await readViews(tx, world) : [];
      const routed = routing ? { ...world, urls: [urlOf((await createRoute(tx, world.app, settings)).spec.host, settings)] } : world;
      const now = noRoom === undefined ? routed : { ...routed, noRoomForCommand: noRoom };
      const plan = planRollout(now, views);
      await applyRollout(tx, now, plan);
      // With the release that begins to serve: requests reach what it has from then on.
      for (const { route, process } of strays(now, plan)) {
        await tx.objects.updateSpec(route, { ...route.spec, process });
        await changeRouting(tx);
      }
      if (plan.prune) await pruneHistory(tx, uid);
      return plan;
    });
    return next(plan);
  }
}

function strays({ routes, releases }: AppWorld, { status }: RolloutPlan) {
  return strayRoutes(routes, status.release === undefined ? undefined : releases.get(status.release));
}

async function readViews(tx: Tx, { hosts, instances }: AppWorld) {
  await tx.platform.lockPlacement();
  const use = await tx.platform.hostUse();
  return hostViews(hosts, use, (hostUid) => {
    const groups: Record<string, number> = {};
    for (const { spec } of instances)
      if (spec.hostUid === hostUid && spec.desired === "running") groups[spreadGroup(spec)] = (groups[spreadGroup(spec)] ?? 0) + 1;
    return groups;
  });
}

function next({ againInMs }: RolloutPlan): Done | RequeueAfter {
  return againInMs === undefined ? DONE : requeueAfter(againInMs);
}
