import { AppError, formatQuantity, QUOTA_DIMENSIONS, type QuotaVector, type Resource } from "@plimsoll/core";
import { givenByTeam } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";

/**
 * Gives a namespace another share of its team's quota; what is absent stays. The sum over the team's namespaces never passes the
 * team's quota. Lowering below what is used is allowed and stops nothing: it only admits nothing more.
 */
export async function editQuota(
  context: Context,
  namespace: Resource<"Namespace">,
  patch: Partial<QuotaVector>,
): Promise<Resource<"Namespace">> {
  const { tx } = context;
  const { uid, teamUid = "" } = namespace.metadata;
  await tx.quotas.lock(teamUid, uid);
  const team = await tx.objects.lock("Team", teamUid);
  const current = await tx.objects.lock("Namespace", uid);
  const quota = { ...current.spec.quota, ...Object.fromEntries(Object.entries(patch).filter(([, amount]) => amount !== undefined)) };
  assertTeamCanGive(team, await givenByTeam(tx, teamUid, uid), current.spec.quota, quota);
  const updated = await tx.objects.updateSpec(current, { ...current.spec, quota });
  await tx.objects.updateStatus(team, { ...team.status, given: await givenByTeam(tx, teamUid) });
  audit(context, "quota.edit", updated, { before: current.spec.quota, after: quota });
  // The kernel's limit of a namespace on a host follows its quota.
  for (const instance of await tx.objects.list("Instance", { in: uid })) tx.wake("sync", instance.spec.hostUid);
  return updated;
}

/**
 * Throws `quota_exceeded` where `quota` would make the sum of what the team's namespaces have pass what the team has. Lowering is
 * always allowed, also in a team whose own quota was lowered below what it has given.
 */
export function assertTeamCanGive(team: Resource<"Team">, givenToOthers: QuotaVector, before: QuotaVector, quota: QuotaVector): void {
  for (const dimension of QUOTA_DIMENSIONS) {
    const free = team.spec.quota[dimension] - givenToOthers[dimension];
    if (quota[dimension] <= free || quota[dimension] <= before[dimension]) continue;
    const [asked, left] = [formatQuantity(dimension, quota[dimension]), formatQuantity(dimension, Math.max(0, free))];
    throw new AppError(
      "quota_exceeded",
      `Team ${team.metadata.name} has ${left} for this namespace (${formatQuantity(dimension, team.spec.quota[dimension])} in all, the rest is given to others), not ${asked}; take some from another namespace, or ask a platform operator to raise the team's quota.`,
      { details: { dimension, asked: quota[dimension], free } },
    );
  }
}
