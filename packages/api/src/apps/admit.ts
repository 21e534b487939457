import { type ProcessCharge, type QuotaExcess, quotaExcess, type Resource, totalCharge } from "@plimsoll/core";
import { chargeQuota, givenByTeam } from "@plimsoll/db";
import type { Context } from "../context.ts";
import { quotaRefusal } from "./refusal.ts";

type QuotaContext = Pick<Context, "tx" | "settings">;

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
export async function admitApp(context: QuotaContext, admission: AppAdmission): Promise<void> {
  await assertQuota(context, admission);
  const { namespace, app, charges } = admission;
  await chargeQuota(context.tx, namespace, app.metadata.uid, totalCharge(charges));
}

/** Throws `quota_exceeded` where admitApp would, and charges nothing: for what is decided later. */
export async function assertQuota(context: QuotaContext, admission: AppAdmission): Promise<void> {
  const { tx } = context;
  const { app, charges } = admission;
  const { uid: namespaceUid, teamUid = "" } = admission.namespace.metadata;
  await tx.quotas.lock(teamUid, namespaceUid);
  const [namespace, team] = [await tx.objects.get("Namespace", namespaceUid), await tx.objects.get("Team", teamUid)];
  const asked = totalCharge(charges);
  const before = await tx.quotas.charged(app.metadata.uid);
  const grows = ({ dimension }: QuotaExcess) => asked[dimension] > before[dimension];
  const used = await tx.quotas.used(teamUid, namespaceUid, app.metadata.uid);
  const inNamespace = quotaExcess(used.namespace, asked, namespace.spec.quota);
  const inTeam = quotaExcess(used.team, asked, team.spec.quota);
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
}
