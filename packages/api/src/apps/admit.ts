import { type QuotaExcess, quotaExcess, type Resource } from "@plimsoll/core";
import { chargeQuota, givenByTeam } from "@plimsoll/db";
import type { Context } from "../context.ts";
import type { ProcessCharge } from "./charge.ts";
import { totalCharge } from "./charge.ts";
import { quotaRefusal } from "./refusal.ts";

export interface AppAdmission {
  readonly namespace: Resource<"Namespace">;
  readonly app: Resource<"App">;
  readonly charges: readonly ProcessCharge[];
  /** What needs it, for the refusal: `Release v16`, `shop`. */
  readonly subject: string;
}

/**
 * The quota step of admission: charges what the app takes from now on, or throws `quota_exceeded`. Holds the books of team and
 * namespace until the transaction ends, so concurrent requests never pass the line together. A dimension that does not grow is never
 * refused: a quota lowered below its use stops nothing.
 */
export async function admitApp(context: Context, admission: AppAdmission): Promise<void> {
  const { tx } = context;
  const { app, charges } = admission;
  const { uid: namespaceUid, teamUid = "" } = admission.namespace.metadata;
  await tx.quotas.lock(teamUid, namespaceUid);
  const [namespace, team] = [await tx.objects.get("Namespace", namespaceUid), await tx.objects.get("Team", teamUid)];
  const asked = totalCharge(charges);
  const before = await tx.quotas.charged(app.metadata.uid);
  const grows = ({ dimension }: QuotaExcess) => asked[dimension] > before[dimension];
  const inNamespace = quotaExcess(await tx.quotas.usedByNamespace(namespaceUid, app.metadata.uid), asked, namespace.spec.quota);
  const inTeam = quotaExcess(await tx.quotas.usedByTeam(teamUid, app.metadata.uid), asked, team.spec.quota);
  const excess = [...inNamespace, ...inTeam].find(grows);
  if (excess !== undefined)
    throw quotaRefusal({
      subject: admission.subject,
      excess,
      charges,
      before,
      team: team.metadata.name,
      namespace: namespace.metadata.name,
      teamFree: team.spec.quota[excess.dimension] - (await givenByTeam(tx, teamUid))[excess.dimension],
      owners: await tx.identities.ownersOf(teamUid),
      platformOrigin: context.settings.platformOrigin,
    });
  await chargeQuota(tx, namespace, app.metadata.uid, asked);
}
