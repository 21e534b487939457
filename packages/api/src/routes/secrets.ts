import { SecretValue } from "@plimsoll/contracts";
import { AppError, EnvName } from "@plimsoll/core";
import { revealSecret as openSecret, deleteSecret as removeSecret, putSecret as sealSecret } from "../apps/secrets.ts";
import { route } from "../http/route.ts";

export const putSecret = route({
  method: "PUT",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name",
  permission: "secrets.write",
  summary: "Set a secret; a live app gets a new release",
  body: SecretValue,
  responses: { 204: null },
  errors: ["not_found", "conflict"],
  commit: async (context, { namespace, params, body }) => {
    if (!EnvName.safeParse(params.name).success || params.name === "PORT")
      throw new AppError("invalid", "A secret is named like an environment variable: letters, digits and _, and not PORT.");
    await sealSecret(context, namespace, params.app, params.name, body.value);
    return null;
  },
});

export const deleteSecret = route({
  method: "DELETE",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name",
  permission: "secrets.write",
  summary: "Take a secret from an app; a live app gets a new release",
  responses: { 204: null },
  errors: ["not_found", "conflict"],
  commit: async (context, { namespace, params }) => {
    await removeSecret(context, namespace, params.app, params.name);
    return null;
  },
});

export const revealSecret = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name/reveal",
  permission: "secrets.reveal",
  summary: "Show a secret's value; every reveal is audited",
  responses: { 200: SecretValue },
  errors: ["not_found"],
  commit: async (context, { namespace, params }) => ({ value: await openSecret(context, namespace, params.app, params.name) }),
});
