import { RETENTION } from "@plimsoll/config";
import { isBuildOver, isDeploymentOver, type Resource } from "@plimsoll/core";
import type { Tx } from "@plimsoll/db";
import { isDeployed } from "../build/plan-build.ts";

/** What is kept of each app; its releases have a number of their own. */
export const HISTORY_KEPT = {
  Deployment: RETENTION.deploymentsPerApp,
  Build: RETENTION.buildsPerApp,
  Event: RETENTION.eventsPerApp,
} as const;
/** Objects removed in one transaction. */
const BATCH = 200;

/**
 * Removes deployments and builds, with their logs, that are over and older than the newest ones, and events that have not happened again
 * for longest. Removes a few hundred at a time, and answers whether it may have left some. Idempotent.
 */
export async function pruneHistory(tx: Tx, appUid: string): Promise<boolean> {
  const old = [...(await oldDeployments(tx, appUid)), ...(await oldBuilds(tx, appUid)), ...(await oldEvents(tx, appUid))];
  for (const object of old.slice(0, BATCH)) {
    if (object.metadata.kind === "Build") await tx.platform.clearBuildLog(object.metadata.uid);
    await tx.objects.delete(object);
  }
  return old.length > BATCH;
}

async function oldDeployments(tx: Tx, appUid: string): Promise<readonly Resource[]> {
  const deployments = await tx.objects.list("Deployment", { ownerUid: appUid, newestFirst: true });
  return deployments.slice(HISTORY_KEPT.Deployment).filter(({ status }) => isDeploymentOver(status.phase));
}

async function oldBuilds(tx: Tx, appUid: string): Promise<readonly Resource[]> {
  const builds = await tx.objects.list("Build", { ownerUid: appUid, newestFirst: true });
  return builds.slice(HISTORY_KEPT.Build).filter((build) => isBuildOver(build.status.phase) && !isToRelease(build));
}

function isToRelease(build: Resource<"Build">): boolean {
  return build.status.phase === "succeeded" && build.status.release === undefined && isDeployed(build);
}

async function oldEvents(tx: Tx, appUid: string): Promise<readonly Resource[]> {
  const events = await tx.objects.list("Event", { ownerUid: appUid });
  return [...events].sort((a, b) => Date.parse(b.spec.lastAt) - Date.parse(a.spec.lastAt)).slice(HISTORY_KEPT.Event);
}
