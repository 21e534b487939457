import type { Resource } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";

/**
 * Closes a host to new work, or opens it again. What runs on a closed one is replaced on others, without a moment in which less is ready
 * (where there is no other, it stays); builds under way there end in their time. Idempotent.
 */
export async function setSchedulable(context: Context, host: Resource<"Host">, schedulable: boolean): Promise<Resource<"Host">> {
  const { tx } = context;
  const { uid } = host.metadata;
  const current = await tx.objects.lock("Host", uid);
  const updated = await tx.objects.updateSpec(current, { ...current.spec, schedulable });
  audit(context, schedulable ? "hosts.open" : "hosts.close", updated);
  for (const appUid of await tx.platform.appsOnHost(uid)) tx.wake("app", appUid);
  return updated;
}
