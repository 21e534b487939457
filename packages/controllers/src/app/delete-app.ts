import { isBuildOver, type Resource } from "@plimsoll/core";
import { changeRouting, type Database, PLATFORM, releaseQuota, type Tx } from "@plimsoll/db";
import { DONE, type ReconcileContext, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import type { ControllerPorts } from "../ports.ts";
import { isLost } from "./wanted.ts";
import type { AppWorld } from "./world.ts";

/** Held until nothing of the app runs any more; set by whoever creates apps. */
const FINALIZER = "instances";
/** Children removed in one transaction. */
const BATCH = 100;
const RECHECK_MS = 2_000;

/**
 * Takes a deleted app down: routes first, so that no new request comes; then instances and builds; then, when nothing of it runs, its
 * history, charges and secrets, and last the app itself. Every step may be repeated.
 */
export async function deleteApp(
  db: Database,
  world: AppWorld,
  ports: ControllerPorts,
  { fence }: ReconcileContext,
): Promise<typeof DONE | RequeueAfter> {
  const { app, instances } = world;
  const { uid } = app.metadata;
  const builds = (await db.objects(PLATFORM).list("Build", { ownerUid: uid })).filter(({ status }) => !isBuildOver(status.phase));
  const toStop = instances.filter(({ spec }) => spec.desired !== "stopped");
  const gone = instances.filter((one) => one.status.phase === "stopped" || isLost(one, world.hosts));
  const toCancel = builds.filter(({ spec }) => !spec.cancelled);
  if (world.routes.length + toStop.length + gone.length + toCancel.length > 0) {
    await db.write({ scope: PLATFORM, fence }, async (tx) => {
      await removeRoutes(tx, world.routes);
      for (const one of instances) {
        if (gone.includes(one)) await tx.objects.delete(one);
        else if (toStop.includes(one)) {
          await tx.objects.updateSpec(one, { ...one.spec, desired: "stopped" });
          tx.wake("sync", one.spec.hostUid);
        }
      }
      for (const build of toCancel) {
        await tx.objects.updateSpec(build, { ...build.spec, cancelled: true });
        tx.wake("build", build.metadata.uid);
      }
    });
  }
  if (gone.length < instances.length || builds.length > 0) return requeueAfter(RECHECK_MS);
  return finish(db, app, ports, fence);
}

async function finish(db: Database, app: Resource<"App">, ports: ControllerPorts, fence: ReconcileContext["fence"]) {
  const { uid, namespaceUid = "" } = app.metadata;
  await ports.appDeleted?.(app);
  const left = await db.write({ scope: PLATFORM, fence }, async (tx) => {
    await tx.quotas.lock(app.metadata.teamUid ?? "", namespaceUid);
    const children = [];
    for (const kind of ["Build", "Deployment", "Release", "Event", "Instance", "Route"] as const)
      if (children.length < BATCH) children.push(...(await tx.objects.list(kind, { ownerUid: uid, limit: BATCH - children.length })));
    for (const child of children) {
      if (child.metadata.kind === "Build") await tx.platform.clearBuildLog(child.metadata.uid);
      // One that was under way may have its release command in the books.
      if (child.metadata.kind === "Deployment") await tx.quotas.release(child.metadata.uid);
      await tx.objects.delete(child);
    }
    if (children.length > 0) return children.length;
    const namespace = await tx.objects.find("Namespace", namespaceUid);
    if (namespace !== undefined) await releaseQuota(tx, namespace, uid);
    await tx.secrets.removeAll(uid);
    await tx.identities.removeDeployKeys(uid);
    await tx.connections.remove(uid);
    for (const push of await tx.pushes.open(uid)) tx.wake("push", push.id);
    await tx.objects.removeFinalizer(await tx.objects.lock("App", uid), FINALIZER);
    return 0;
  });
  return left > 0 ? requeueAfter(0) : DONE;
}

async function removeRoutes(tx: Tx, routes: readonly Resource<"Route">[]): Promise<void> {
  for (const route of routes) {
    await tx.platform.releaseRouteHosts(route.metadata.uid);
    await tx.objects.delete(route);
  }
  if (routes.length > 0) await changeRouting(tx);
}
