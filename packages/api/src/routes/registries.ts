import { RegistryList, RegistryLogin, RegistryMirrorsRequest } from "@plimsoll/contracts";
import { route } from "../http/route.ts";
import { setRegistryCredential, setRegistryMirrors, shownRegistry, unsetRegistryCredential } from "../tenants/registries.ts";

export const listRegistries = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/registries",
  permission: "registries.read",
  summary: "Registries that a namespace has a user name or mirrors for; passwords are never shown",
  responses: { 200: RegistryList },
  errors: ["not_found"],
  handler: async ({ api, namespace }) => ({ items: (await api.db.registries.list(namespace.metadata.uid)).map(shownRegistry) }),
});

export const putRegistryCredential = route({
  method: "PUT",
  path: "/api/v1/namespaces/:team/:namespace/registries/:registry/credential",
  permission: "registries.write",
  summary: "Set the user name and the password or token that a namespace shows a registry",
  body: RegistryLogin,
  responses: { 204: null },
  errors: ["not_found", "conflict"],
  commit: async (context, { namespace, params, body }) => {
    await setRegistryCredential(context, namespace, params.registry, body);
    return null;
  },
});

export const deleteRegistryCredential = route({
  method: "DELETE",
  path: "/api/v1/namespaces/:team/:namespace/registries/:registry/credential",
  permission: "registries.write",
  summary: "Forget the user name and password for a registry",
  responses: { 204: null },
  errors: ["not_found"],
  commit: async (context, { namespace, params }) => {
    await unsetRegistryCredential(context, namespace, params.registry);
    return null;
  },
});

export const putRegistryMirrors = route({
  method: "PUT",
  path: "/api/v1/namespaces/:team/:namespace/registries/:registry/mirrors",
  permission: "registries.write",
  summary: "Set the mirrors that are asked before a registry; an empty list takes them away",
  body: RegistryMirrorsRequest,
  responses: { 204: null },
  errors: ["not_found", "conflict"],
  commit: async (context, { namespace, params, body }) => {
    await setRegistryMirrors(context, namespace, params.registry, body.mirrors);
    return null;
  },
});
