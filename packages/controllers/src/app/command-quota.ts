import { formatQuantity, type QuotaVector, quotaExcess, type Resource } from "@plimsoll/core";
import { chargeQuota, releaseQuota, type Tx } from "@plimsoll/db";
import { commandSize } from "./plan-command.ts";

/** What the instance of a release's command takes of the quota while it is there, charged to the deployment. */
function commandCharge(release: Resource<"Release">): QuotaVector {
  return { ...commandSize(release.spec), instances: 1, builds: 0 };
}

/** Why the quota has no room for the command of a release, as a sentence; undefined when it has. Its books are the caller's to hold. */
export async function commandShortage(
  tx: Tx,
  { metadata: { namespaceUid = "", teamUid = "" } }: Resource<"App">,
  deployment: Resource<"Deployment">,
  release: Resource<"Release">,
): Promise<string | undefined> {
  const { uid } = deployment.metadata;
  const asked = commandCharge(release);
  const [namespace, team] = [await tx.objects.get("Namespace", namespaceUid), await tx.objects.get("Team", teamUid)];
  const used = await tx.quotas.used(teamUid, namespaceUid, uid);
  for (const [holder, taken, limit] of [
    [`namespace ${namespace.metadata.name}`, used.namespace, namespace.spec.quota],
    [`team ${team.metadata.name}`, used.team, team.spec.quota],
  ] as const) {
    const [excess] = quotaExcess(taken, asked, limit);
    if (excess === undefined) continue;
    const amount = (value: number) => formatQuantity(excess.dimension, value);
    const left = amount(Math.max(0, excess.limit - excess.used));
    return `${holder} has no room for the release command: it needs ${amount(excess.asked)}, with ${left} left`;
  }
  return undefined;
}

export async function chargeCommand(
  tx: Tx,
  app: Resource<"App">,
  deployment: Resource<"Deployment">,
  release: Resource<"Release">,
): Promise<void> {
  const namespace = await tx.objects.get("Namespace", app.metadata.namespaceUid ?? "");
  await chargeQuota(tx, namespace, deployment.metadata.uid, commandCharge(release));
}

/** Gives back what the command of a deployment took. Idempotent. */
export async function settleCommand(tx: Tx, app: Resource<"App">, deployment: Resource<"Deployment">): Promise<void> {
  const namespace = await tx.objects.get("Namespace", app.metadata.namespaceUid ?? "");
  await releaseQuota(tx, namespace, deployment.metadata.uid);
}
