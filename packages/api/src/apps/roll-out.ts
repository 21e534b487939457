import { AppError, appCharges, type Image, isDeploymentOver, type Resource, type Spec } from "@plimsoll/core";
import { createDeployment, createRelease, releaseChanges } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";
import { admitApp } from "./admit.ts";
import type { OpenApp } from "./open-app.ts";

/** The release that the app is on, or on its way to: what a change of configuration builds on. */
export async function currentRelease({ tx }: Context, { namespace, app }: OpenApp): Promise<Resource<"Release"> | undefined> {
  const [newest] = await tx.objects.list("Deployment", { ownerUid: app.metadata.uid, newestFirst: true, limit: 1 });
  const number = newest !== undefined && !isDeploymentOver(newest.status.phase) ? newest.spec.release : app.status.release;
  return number === undefined ? undefined : releaseOf({ tx }, { namespace, app }, number);
}

/** Release `number` of the app; `not_found` says what there is. */
export async function releaseOf({ tx }: Pick<Context, "tx">, { namespace, app }: OpenApp, number: number): Promise<Resource<"Release">> {
  const found = await tx.objects.findByName("Release", namespace.metadata.uid, `${app.metadata.name}-v${number}`);
  if (found !== undefined) return found;
  throw new AppError("not_found", `App ${app.metadata.name} has no release v${number}; \`plim releases\` lists them.`);
}

/**
 * After a change of the app's spec: where it changes what a release freezes, releases the image that serves now with the new
 * configuration; charges its quota; and starts the rollout. An app that was never released gets its configuration with its first release.
 * A change of anything else (scale) leaves the release alone, also one that a rollback made differ from the spec.
 */
export async function rollOutConfig(context: Context, before: Spec<"App">, open: OpenApp): Promise<void> {
  const { app, namespace } = open;
  const base = await currentRelease(context, open);
  const release = base === undefined ? undefined : await releaseConfig(context, before, open, base);
  // While nothing new is released, what serves may still take more than the spec says.
  const charges = appCharges(app.spec, release === undefined ? base?.spec : undefined);
  await admitApp(context, { namespace, app, charges, subject: release ? `Release v${release.spec.number}` : app.metadata.name });
  context.tx.wake("app", app.metadata.uid);
  if (release === undefined) return;
  const createdBy = context.caller.name;
  const deployment = await createDeployment(context.tx, { namespace, app, release, reason: "config", createdBy });
  audit(context, "deployments.create", deployment, { release: release.spec.number, reason: "config" });
}

/** A release of the same image with the app's configuration of now; undefined when this change asks for none. */
async function releaseConfig(context: Context, before: Spec<"App">, { namespace, app }: OpenApp, base: Resource<"Release">) {
  const { image, builtOn, buildUid, source } = base.spec;
  const next = frozen(app.spec, image);
  const isChange = (than: Parameters<typeof releaseChanges>[0]) => releaseChanges(than, next).length > 0;
  if (!isChange(frozen(before, image)) || !isChange(base.spec)) return undefined;
  return createRelease(context.tx, {
    namespace,
    app,
    image,
    createdBy: context.caller.name,
    ...(builtOn === undefined ? {} : { builtOn }),
    ...(buildUid === undefined ? {} : { buildUid }),
    ...(source === undefined ? {} : { source }),
  });
}

/** What a release of this spec would hold. */
function frozen(spec: Spec<"App">, image: Image) {
  const processes = Object.fromEntries(Object.entries(spec.processes).map(([name, { replicas: _, ...fixed }]) => [name, fixed]));
  return { image, env: spec.env, secrets: spec.secrets, processes };
}
