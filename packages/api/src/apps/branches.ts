import type { BranchList } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import type { z } from "zod";
import type { Caller } from "../caller.ts";
import type { Api } from "../context.ts";

/** What the app's repository stores beside what is deployed, newest first, and which of it is live. Throws `not_found`. */
export async function listBranches(
  api: Api,
  caller: Caller,
  namespace: Resource<"Namespace">,
  appName: string,
): Promise<z.output<typeof BranchList>> {
  const objects = api.db.objects(caller.scope);
  const app = await objects.getByName("App", namespace.metadata.uid, appName);
  const stored = await api.git?.listRefs(app.metadata.uid);
  if (stored === undefined) return { items: [], more: false };
  const releases = await objects.list("Release", { ownerUid: app.metadata.uid, newestFirst: true, limit: 50 });
  const source = releases.find(({ spec }) => spec.number === app.status.release)?.spec.source;
  const live = source?.kind === "git" ? source.commit : undefined;
  const connection = await api.db.connections.find(app.metadata.uid);
  const items = stored.refs.map((ref) => ({
    ...ref,
    live: ref.commit === live,
    // Of a connected app it is the branch over there.
    ...(connection === undefined ? {} : { deployed: ref.kind === "branch" && ref.name === connection.branch }),
  }));
  return { items, more: stored.more };
}
