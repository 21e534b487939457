import type { NewApp } from "@plimsoll/contracts";
import { AppError, appCharges, type Resource } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";
import { assertReachable } from "../registry/for-builds.ts";
import { admitApp } from "./admit.ts";
import { defaultAppSpec } from "./spec.ts";

/** Held until nothing of the app runs any more. */
export const INSTANCES_FINALIZER = "instances";

/** Creates an app with the defaults for what is not said, charged to its quota; one from an image starts its first deploy at once. */
export async function createApp(context: Context, namespace: Resource<"Namespace">, wanted: NewApp): Promise<Resource<"App">> {
  const { tx } = context;
  const spec = defaultAppSpec(wanted.spec);
  if (Object.keys(spec.secrets).length > 0)
    throw new AppError("invalid", "A new app has no secrets yet; create it, then set each with `plim secret`.");
  if (spec.source.kind === "image") assertReachable(context, namespace, spec.source.reference);
  await tx.quotas.lock(namespace.metadata.teamUid ?? "", namespace.metadata.uid);
  const app = await tx.objects.create({
    kind: "App",
    name: wanted.name,
    namespace,
    labels: wanted.labels ?? {},
    spec,
    status: { observedGeneration: 0, phase: "empty", urls: [], processes: {} },
    finalizers: [INSTANCES_FINALIZER],
  });
  await admitApp(context, { namespace, app, charges: appCharges(spec), subject: `App ${wanted.name}` });
  tx.wake("app", app.metadata.uid);
  audit(context, "apps.create", app);
  if (spec.source.kind === "image") await createBuild(tx, { namespace, app, source: spec.source, requestedBy: context.caller.name });
  return app;
}
