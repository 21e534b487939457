import { AppError, isInstanceGone, type Resource } from "@plimsoll/core";
import type { Tx } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";

/**
 * Takes a host out of the platform: its credential, its certificate, its enrolment token and its lease end with the transaction, its user
 * in Redis right after it. `conflict` while something runs there, or (without `force`) while an app's live image is nowhere else.
 */
export async function removeHost(context: Context, host: Resource<"Host">, { force }: { readonly force: boolean }): Promise<void> {
  const { tx } = context;
  const { uid, name } = host.metadata;
  // Nothing is placed there meanwhile; what a plan made before still puts there is lost with it, and replaced.
  await tx.platform.lockPlacement();
  const current = await tx.objects.lock("Host", uid);
  await assertEmpty(tx, current);
  const only = force ? [] : await tx.platform.appsWithImageOnlyOn(uid);
  if (only.length > 0)
    throw new AppError(
      "conflict",
      `Host ${name} alone has the image of what is live of ${list(only)}. Deploy or scale up before it goes, or remove it with force and deploy after.`,
      { retry: "never", details: { apps: only } },
    );
  await tx.hosts.remove(uid);
  await tx.objects.delete(current);
  audit(context, "hosts.remove", current, { force });
  tx.wake("host", uid);
  for (const other of await tx.objects.list("Host")) if (other.metadata.uid !== uid) tx.wake("sync", other.metadata.uid);
  // Its ingress is not waited for any more.
  for (const appUid of await tx.platform.drainingApps()) tx.wake("app", appUid);
}

async function assertEmpty(tx: Tx, { metadata: { uid, name } }: Resource<"Host">): Promise<void> {
  const instances = (await tx.objects.list("Instance", { hostUid: uid })).filter(
    ({ spec, status }) => !(spec.desired === "stopped" && isInstanceGone(status.phase)),
  );
  const builds = await tx.objects.list("Build", { hostUid: uid, phases: ["placed", "running"] });
  if (instances.length + builds.length === 0) return;
  const apps = [...instances, ...builds].map(({ metadata, spec }) => `${metadata.team}/${metadata.namespace}/${spec.app}`);
  throw new AppError(
    "conflict",
    `Host ${name} still has ${instances.length} instances and ${builds.length} builds, of ${list(apps)}. Close it first: what runs there moves to other hosts, and it can go when it is empty. One that is silent is empty after a minute.`,
    { retry: "never", details: { instances: instances.length, builds: builds.length, apps: [...new Set(apps)] } },
  );
}

const SHOWN = 5;

function list(names: readonly string[]): string {
  const unique = [...new Set(names)];
  const more = unique.length > SHOWN ? ` and ${unique.length - SHOWN} more` : "";
  return `${unique.slice(0, SHOWN).join(", ")}${more}`;
}
