import type { Resource } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";

/** Marks an app for deletion: its controller stops what runs, gives the quota back and removes it. Idempotent. */
export async function deleteApp(context: Context, namespace: Resource<"Namespace">, name: string): Promise<Resource<"App">> {
  const { tx } = context;
  await tx.quotas.lock(namespace.metadata.teamUid ?? "", namespace.metadata.uid);
  const found = await tx.objects.getByName("App", namespace.metadata.uid, name);
  const app = await tx.objects.lock("App", found.metadata.uid);
  await tx.objects.delete(app);
  tx.wake("app", app.metadata.uid);
  audit(context, "apps.delete", app);
  return tx.objects.get("App", app.metadata.uid);
}
