import { AppError, type Resource } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import type { Caller } from "../caller.ts";
import { type Api, audit } from "../context.ts";
import { admitCommit, commitSource, describeCommit } from "./commit-source.ts";
import { openApp } from "./open-app.ts";

/**
 * Builds and releases the commit of a branch that is stored. The branch that pushes deploy stays where it is: the next push to it takes
 * over. Throws `not_found` for the app, `precondition_failed` for what cannot be deployed so, and what a push of the commit would throw.
 */
export async function deployBranch(
  api: Api,
  caller: Caller,
  namespace: Resource<"Namespace">,
  appName: string,
  branch: string,
): Promise<Resource<"Build">> {
  const app = await api.db.objects(caller.scope).getByName("App", namespace.metadata.uid, appName);
  const { uid } = app.metadata;
  const commit = await api.git?.commitOfBranch(uid, branch);
  const facts = commit === undefined ? undefined : await api.git?.readCommit(uid, commit);
  if (api.git === undefined || commit === undefined || facts === undefined)
    throw new AppError("precondition_failed", `App ${appName} has no branch ${branch}; \`plim branches ${appName}\` lists what it has.`);
  // Before the transaction: it asks git.
  const says = await describeCommit(app.spec, api.git.commitFiles(uid, commit).read);
  return api.db.write({ scope: caller.scope }, async (tx) => {
    const context = { tx, caller, settings: api.settings };
    const open = await openApp(context, namespace, appName);
    await admitCommit(context, open, says);
    const build = await createBuild(tx, {
      namespace: open.namespace,
      app: open.app,
      source: commitSource(open.app.spec, { ...facts, commit, ref: `refs/heads/${branch}` }, says),
      ...(says.config === undefined ? {} : { config: says.config }),
      requestedBy: caller.name,
    });
    // The build controller ends what this one supersedes.
    for (const older of await tx.objects.list("Build", { ownerUid: uid, phases: ["pending", "placed", "running"] }))
      tx.wake("build", older.metadata.uid);
    audit(context, "builds.create", build, { commit, branch });
    return build;
  });
}
