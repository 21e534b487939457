import { Connection, CreatedConnection, HookAnswer, NewConnection } from "@plimsoll/contracts";
import { connectApp, disconnectApp, lookNow, readConnection } from "../apps/connect.ts";
import { takeHookCall } from "../hooks/take.ts";
import { route } from "../http/route.ts";

/** Apps that are deployed from a Git repository elsewhere. */

const PATH = "/api/v1/namespaces/:team/:namespace/apps/:app/connection";
const MAX_HOOK_BYTES = 5 * 1024 * 1024;

export const getConnection = route({
  method: "GET",
  path: PATH,
  permission: "apps.read",
  summary: "The repository that an app is deployed from",
  responses: { 200: Connection },
  errors: ["not_found"],
  handler: ({ api, caller, namespace, params }) => readConnection(api, caller, namespace, params.app),
});

export const putConnection = route({
  method: "PUT",
  path: PATH,
  permission: "apps.update",
  summary: "Deploy an app from a repository elsewhere; the webhook's secret is shown this once",
  body: NewConnection,
  responses: { 200: CreatedConnection },
  errors: ["not_found", "conflict", "precondition_failed", "unavailable"],
  handler: ({ api, caller, namespace, params, body }) => connectApp(api, caller, namespace, params.app, body),
});

export const removeConnection = route({
  method: "DELETE",
  path: PATH,
  permission: "apps.update",
  summary: "Deploy an app by pushes again",
  responses: { 204: null },
  errors: ["not_found"],
  commit: (context, { namespace, params }) => disconnectApp(context, namespace, params.app),
});

export const lookAtConnection = route({
  method: "POST",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/connection/look",
  permission: "builds.create",
  summary: "Look at the connected repository now, and deploy what is new",
  responses: { 202: Connection },
  errors: ["not_found"],
  commit: (context, { namespace, params }) => lookNow(context, namespace, params.app),
});

export const callHook = route({
  method: "POST",
  path: "/api/v1/hooks/:hook",
  permission: "public",
  summary: "Webhook of a connected repository: GitHub, GitLab, Gitea, or anything that has its secret",
  responses: { 202: HookAnswer },
  errors: ["not_found"],
  handler: ({ api, params, request }) => takeHookCall(api, params.hook, request, MAX_HOOK_BYTES),
});
