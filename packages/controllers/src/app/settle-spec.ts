import { appCharges, type Resource, type Spec, totalCharge } from "@plimsoll/core";
import { chargeQuota, type Tx } from "@plimsoll/db";
import type { RolloutPlan, RolloutWorld } from "./rollout-world.ts";

/**
 * What the app's spec becomes when the rollout of a release whose commit described it anew is decided; undefined: what it is. When it
 * serves, processes that it does not have are the app's no more. When it failed, the app is what it was before, unless somebody has
 * changed it since. Pure.
 */
export function settledSpec({ app, releases }: RolloutWorld, plan: Pick<RolloutPlan, "deployments">): Spec<"App"> | undefined {
  const decided = plan.deployments.find(
    ({ deployment, status }) =>
      deployment.spec.replaces !== undefined && deployment.status.phase === "starting" && status.phase !== "starting",
  );
  const replaces = decided?.deployment.spec.replaces;
  if (decided === undefined || replaces === undefined) return undefined;
  const { appFile: _, releaseCommand: __, ...spec } = app.spec;
  if (decided.status.phase === "failed") {
    if (app.metadata.generation !== replaces.generation) return undefined;
    const { processes, env, appFile, releaseCommand } = replaces;
    return {
      ...spec,
      processes,
      env,
      ...(appFile === undefined ? {} : { appFile }),
      ...(releaseCommand === undefined ? {} : { releaseCommand }),
    };
  }
  if (decided.status.phase === "superseded") return undefined;
  const release = releases.get(decided.deployment.spec.release);
  const gone = (name: string) => name in replaces.processes && release?.spec.processes[name] === undefined;
  const left = Object.entries(app.spec.processes).filter(([name]) => !gone(name));
  if (release === undefined || left.length === Object.keys(app.spec.processes).length) return undefined;
  return { ...app.spec, processes: Object.fromEntries(left) };
}

/** Holds the quota's books, which come before every row. */
export async function lockBooks(tx: Tx, { metadata: { teamUid = "", namespaceUid = "" } }: Resource<"App">): Promise<void> {
  await tx.quotas.lock(teamUid, namespaceUid);
}

/** Makes it so, and charges what it takes: what runs is not refused. */
export async function settleSpec(tx: Tx, app: Resource<"App">, spec: Spec<"App">): Promise<Resource<"App">> {
  const settled = await tx.objects.updateSpec(app, spec);
  const namespace = await tx.objects.get("Namespace", app.metadata.namespaceUid ?? "");
  await chargeQuota(tx, namespace, app.metadata.uid, totalCharge(appCharges(spec)));
  tx.wake("app", app.metadata.uid);
  return settled;
}
