import { isBuildOver, type Resource } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";

/** Asks for a build to be stopped; its controller and its builder obey. One that is over stays as it ended. Idempotent. */
export async function cancelBuild({ tx, ...rest }: Context, namespace: Resource<"Namespace">, name: string): Promise<Resource<"Build">> {
  const found = await tx.objects.getByName("Build", namespace.metadata.uid, name);
  const build = await tx.objects.lock("Build", found.metadata.uid);
  audit({ tx, ...rest }, "builds.cancel", build, { phase: build.status.phase });
  if (isBuildOver(build.status.phase) || build.spec.cancelled) return build;
  const cancelled = await tx.objects.updateSpec(build, { ...build.spec, cancelled: true });
  tx.wake("build", build.metadata.uid);
  if (build.status.hostUid !== undefined) tx.wake("sync", build.status.hostUid);
  return cancelled;
}
