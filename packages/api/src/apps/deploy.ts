import { AppError, appCharges, type Resource } from "@plimsoll/core";
import { createBuild, createDeployment } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";
import { assertReachable } from "../registry/for-builds.ts";
import { admitApp } from "./admit.ts";
import { openApp } from "./open-app.ts";
import { currentRelease, releaseOf } from "./roll-out.ts";
import { assertImageReference } from "./spec.ts";

/** Deploys an image from a registry: pulled by a build, then released. An app made from an image is on this one from now on. */
export async function deployImage(
  context: Context,
  namespace: Resource<"Namespace">,
  name: string,
  reference: string,
): Promise<Resource<"Build">> {
  assertImageReference(reference);
  assertReachable(context, namespace, reference);
  const open = await openApp(context, namespace, name);
  const source = { kind: "image" as const, reference };
  const app =
    open.app.spec.source.kind === "image" ? await context.tx.objects.updateSpec(open.app, { ...open.app.spec, source }) : open.app;
  const build = await createBuild(context.tx, { namespace: open.namespace, app, source, requestedBy: context.caller.name });
  audit(context, "builds.create", build, { reference });
  return build;
}

/**
 * Rolls out an older release as it was: its image, environment, secret versions and processes, with the number of instances that the
 * app has now. Without a number the one before the live one.
 */
export async function rollback(
  context: Context,
  namespace: Resource<"Namespace">,
  name: string,
  number?: number,
): Promise<Resource<"Deployment">> {
  const open = await openApp(context, namespace, name);
  const current = await currentRelease(context, open);
  if (current === undefined)
    throw new AppError("precondition_failed", `App ${name} was never released, so there is nothing to go back to; push to it first.`);
  const target = number ?? (await releaseBefore(context, open.app, current));
  if (target === current.spec.number)
    throw new AppError("precondition_failed", `App ${name} is on v${target} already; \`plim releases\` lists the others.`);
  const release = await releaseOf(context, open, target);
  const { app } = open;
  const charges = appCharges(app.spec, release.spec);
  await admitApp(context, { namespace: open.namespace, app, charges, subject: `Release v${target}` });
  const createdBy = context.caller.name;
  const deployment = await createDeployment(context.tx, { namespace: open.namespace, app, release, reason: "rollback", createdBy });
  audit(context, "deployments.create", deployment, { release: target, reason: "rollback" });
  return deployment;
}

/** The release that served before this one: by deployments that completed, not by number. */
async function releaseBefore({ tx }: Context, app: Resource<"App">, current: Resource<"Release">): Promise<number> {
  const served = await tx.objects.list("Deployment", { ownerUid: app.metadata.uid, newestFirst: true, limit: 50 });
  const before = served.find(({ spec, status }) => status.readyAt !== undefined && spec.release !== current.spec.number);
  if (before !== undefined) return before.spec.release;
  throw new AppError("precondition_failed", `App ${app.metadata.name} has no earlier release that was live; name one with --release.`);
}
