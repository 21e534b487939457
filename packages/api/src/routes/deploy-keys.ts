import { DeployKey, DeployKeyList, NewDeployKey } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { DeployKeyRecord } from "@plimsoll/db";
import type { z } from "zod";
import { openApp } from "../apps/open-app.ts";
import { parseSshPublicKey } from "../auth/ssh-key.ts";
import { audit } from "../context.ts";
import { route } from "../http/route.ts";

/** SSH keys of one app, for machines: they reach its repository and nothing else. */

const MAX_KEYS = 20;
const PATH = "/api/v1/namespaces/:team/:namespace/apps/:app/deploy-keys";

export const listDeployKeys = route({
  method: "GET",
  path: PATH,
  permission: "apps.read",
  summary: "Deploy keys of an app",
  responses: { 200: DeployKeyList },
  errors: ["not_found"],
  handler: async ({ api, caller, namespace, params }) => {
    const app = await api.db.objects(caller.scope).getByName("App", namespace.metadata.uid, params.app);
    return { items: (await api.db.identities.listDeployKeys(app.metadata.uid)).map(shown) };
  },
});

export const addDeployKey = route({
  method: "POST",
  path: PATH,
  permission: "keys.manage",
  summary: "Let the holder of an SSH key fetch an app's repository, or push to it",
  body: NewDeployKey,
  responses: { 201: DeployKey },
  errors: ["not_found", "conflict"],
  commit: async (context, { namespace, params, body }) => {
    const { publicKey, fingerprint } = parseSshPublicKey(body.publicKey);
    const { app } = await openApp(context, namespace, params.app);
    const appUid = app.metadata.uid;
    const { identities } = context.tx;
    if ((await identities.listDeployKeys(appUid)).length >= MAX_KEYS)
      throw new AppError("conflict", `An app has at most ${MAX_KEYS} deploy keys; remove one first.`, { retry: "never" });
    const { name, access } = body;
    const key = await identities.addDeployKey({ appUid, name, access, fingerprint, publicKey, addedBy: context.caller.name });
    audit(context, "deploy-keys.add", app, { fingerprint, access });
    return shown(key);
  },
});

export const removeDeployKey = route({
  method: "DELETE",
  path: `${PATH}/:id`,
  permission: "keys.manage",
  summary: "Remove a deploy key of an app",
  responses: { 204: null },
  errors: ["not_found"],
  commit: async (context, { namespace, params }) => {
    const { app } = await openApp(context, namespace, params.app);
    if (!(await context.tx.identities.removeDeployKey(app.metadata.uid, params.id)))
      throw new AppError("not_found", `App ${params.app} has no such deploy key; \`plim deploy-keys ${params.app}\` lists what it has.`);
    audit(context, "deploy-keys.remove", app, { id: params.id });
    return null;
  },
});

function shown({ id, name, fingerprint, access, addedBy, createdAt }: DeployKeyRecord): z.output<typeof DeployKey> {
  return { id, name, fingerprint, access, addedBy, createdAt: createdAt.toISOString() };
}
