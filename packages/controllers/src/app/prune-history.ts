import { isBuildOver, isDeploymentOver } from "@plimsoll/core";
import type { Tx } from "@plimsoll/db";

/** Deployments and builds of an app that are kept; its releases have a number of their own. */
export const HISTORY_KEPT = 50;

/** Removes deployments and builds, with their logs, that are over and older than the newest ones. Idempotent. */
export async function pruneHistory(tx: Tx, appUid: string): Promise<void> {
  const deployments = await tx.objects.list("Deployment", { ownerUid: appUid, newestFirst: true });
  for (const deployment of deployments.slice(HISTORY_KEPT))
    if (isDeploymentOver(deployment.status.phase)) await tx.objects.delete(deployment);
  const builds = await tx.objects.list("Build", { ownerUid: appUid, newestFirst: true });
  for (const build of builds.slice(HISTORY_KEPT)) {
    const toRelease = build.status.phase === "succeeded" && build.status.release === undefined;
    if (!isBuildOver(build.status.phase) || toRelease) continue;
    await tx.platform.clearBuildLog(build.metadata.uid);
    await tx.objects.delete(build);
  }
}
