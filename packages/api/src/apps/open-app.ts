import { AppError, type Resource } from "@plimsoll/core";
import type { Context } from "../context.ts";

export interface OpenApp {
  readonly namespace: Resource<"Namespace">;
  readonly app: Resource<"App">;
}

/**
 * An app for read-modify-write: the quota books of its team and namespace are held, then its row, in this order everywhere, so that
 * two mutations cannot lock each other out. Throws `not_found`, and `conflict` for an app that is being deleted.
 */
export async function openApp({ tx }: Context, namespace: Resource<"Namespace">, name: string): Promise<OpenApp> {
  const { uid, teamUid = "" } = namespace.metadata;
  await tx.quotas.lock(teamUid, uid);
  const app = await tx.objects.lockByName("App", uid, name);
  if (app.metadata.deletedAt !== undefined)
    throw new AppError("conflict", `App ${name} is being deleted; wait until it is gone.`, { retry: "never" });
  return { namespace: await tx.objects.get("Namespace", uid), app };
}
