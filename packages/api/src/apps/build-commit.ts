import type { NewBuild } from "@plimsoll/contracts";
import { AppError, type Resource } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import type { z } from "zod";
import type { Caller } from "../caller.ts";
import { type Api, audit } from "../context.ts";
import { commitSource, describeCommit } from "./commit-source.ts";
import { openApp } from "./open-app.ts";

/**
 * Builds a commit for its image alone: nothing is released, and no other build of the app is superseded. AppError `precondition_failed`
 * when the app's repository does not have the commit: it is brought there by a push to `refs/for-build/`, which deploys nothing either.
 */
export async function buildCommit(
  api: Api,
  caller: Caller,
  namespace: Resource<"Namespace">,
  appName: string,
  wanted: z.output<typeof NewBuild>,
): Promise<Resource<"Build">> {
  const app = await api.db.objects(caller.scope).getByName("App", namespace.metadata.uid, appName);
  if (app.spec.source.kind === "image")
    throw new AppError(
      "precondition_failed",
      `App ${appName} runs an image from a registry, so there is nothing to build; push to it to build it.`,
    );
  // Before the transaction: both ask git. A commit that is not there says nothing.
  const [commit, says] = await Promise.all([
    api.git?.readCommit(app.metadata.uid, wanted.commit),
    api.git === undefined ? undefined : describeCommit(app.spec, api.git.commitFiles(app.metadata.uid, wanted.commit).read),
  ]);
  if (commit === undefined || says === undefined)
    throw new AppError("precondition_failed", `App ${appName} has no commit ${wanted.commit}; push it to refs/for-build/head first.`);
  return api.db.write({ scope: caller.scope }, async (tx) => {
    const context = { tx, caller, settings: api.settings };
    const open = await openApp(context, namespace, appName);
    const source = commitSource(open.app.spec, { ...commit, commit: wanted.commit, ref: "refs/for-build/head" }, says);
    const build = await createBuild(tx, {
      namespace: open.namespace,
      app: open.app,
      source: {
        ...source,
        ...(wanted.dockerfile === undefined ? {} : { dockerfile: wanted.dockerfile }),
        ...(wanted.target === undefined ? {} : { target: wanted.target }),
        ...(wanted.args === undefined ? {} : { args: { ...(source.kind === "git" ? source.args : {}), ...wanted.args } }),
        ...(wanted.contexts === undefined ? {} : { contexts: { ...(source.kind === "git" ? source.contexts : {}), ...wanted.contexts } }),
        ...(wanted.noCache === true ? { noCache: true } : {}),
      },
      requestedBy: caller.name,
      deploy: false,
    });
    audit(context, "builds.create", build, { commit: wanted.commit, deploy: false });
    return build;
  });
}
