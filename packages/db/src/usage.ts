import { AppError, addQuota, type QuotaVector, type Resource } from "@plimsoll/core";
import type { Tx } from "./transaction.ts";

/**
 * Books what `ownerUid` (an app or a build) takes of its namespace's quota from now on, replacing what it took before, and shows it
 * in the status of namespace and team, in the caller's transaction. Admission is the caller's: read after `tx.quotas.lock`. Exact
 * under concurrency; callers that lock other rows take the quota lock first.
 */
export async function chargeQuota(tx: Tx, namespace: Resource<"Namespace">, ownerUid: string, amount: QuotaVector): Promise<void> {
  const { uid, teamUid } = holders(namespace);
  await tx.quotas.lock(teamUid, uid);
  await tx.quotas.charge(ownerUid, teamUid, uid, amount);
  await showUse(tx, teamUid, uid);
}

/** As chargeQuota with nothing, for an owner that is gone. Idempotent. */
export async function releaseQuota(tx: Tx, namespace: Resource<"Namespace">, ownerUid: string): Promise<void> {
  const { uid, teamUid } = holders(namespace);
  await tx.quotas.lock(teamUid, uid);
  await tx.quotas.release(ownerUid);
  await showUse(tx, teamUid, uid);
}

/** The sum of what a team has given to its namespaces; read under the quota lock where it decides something. */
export async function givenByTeam(tx: Tx, teamUid: string, exceptNamespaceUid?: string): Promise<QuotaVector> {
  const namespaces = await tx.objects.list("Namespace", { in: teamUid });
  return namespaces
    .filter(({ metadata }) => metadata.uid !== exceptNamespaceUid)
    .reduce((total, { spec }) => addQuota(total, spec.quota), { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 });
}

async function showUse(tx: Tx, teamUid: string, namespaceUid: string): Promise<void> {
  const used = await tx.quotas.used(teamUid, namespaceUid);
  const team = await tx.objects.lock("Team", teamUid);
  await tx.objects.updateStatus(team, { ...team.status, used: used.team });
  const namespace = await tx.objects.lock("Namespace", namespaceUid);
  await tx.objects.updateStatus(namespace, { ...namespace.status, used: used.namespace });
}

function holders(namespace: Resource<"Namespace">): { readonly uid: string; readonly teamUid: string } {
  const { uid, teamUid } = namespace.metadata;
  if (teamUid === undefined) throw new AppError("internal", `Namespace ${namespace.metadata.name} belongs to no team.`);
  return { uid, teamUid };
}
