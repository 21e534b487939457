import { ObjectList, ObjectSchema } from "@plimsoll/contracts";
import type { Kind, Permission } from "@plimsoll/core";
import { type Route, route } from "../http/route.ts";
import { listPage } from "./lists.ts";
import { ListQuery } from "./schemas.ts";

/** What lives in a namespace, as lists and one by one. */
const KINDS = [
  { plural: "apps", kind: "App", permission: "apps.read" },
  { plural: "builds", kind: "Build", permission: "builds.read" },
  { plural: "releases", kind: "Release", permission: "releases.read" },
  { plural: "deployments", kind: "Deployment", permission: "deployments.read" },
  { plural: "instances", kind: "Instance", permission: "instances.read" },
  { plural: "routes", kind: "Route", permission: "routes.read" },
  { plural: "events", kind: "Event", permission: "events.read" },
] as const satisfies readonly { plural: string; kind: Kind; permission: Permission }[];

export const objectRoutes: readonly Route[] = KINDS.flatMap(({ plural, kind, permission }) => [
  route({
    method: "GET",
    path: `/api/v1/namespaces/:team/:namespace/${plural}`,
    permission,
    summary: `The ${plural} of a namespace`,
    query: ListQuery,
    responses: { 200: ObjectList },
    errors: ["not_found"],
    handler: ({ api, caller, namespace, query }) => listPage(api.db.objects(caller.scope), kind, namespace.metadata.uid, query),
  }),
  route({
    method: "GET",
    path: `/api/v1/namespaces/:team/:namespace/${plural}/:name`,
    permission,
    summary: `One ${kind.toLowerCase()} of a namespace`,
    responses: { 200: ObjectSchema },
    errors: ["not_found"],
    handler: ({ api, caller, namespace, params }) => api.db.objects(caller.scope).getByName(kind, namespace.metadata.uid, params.name),
  }),
]);
