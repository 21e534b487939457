import { OBJECT_LISTS, OBJECTS, type ObjectPage } from "@plimsoll/contracts";
import type { Kind, Permission, Resource } from "@plimsoll/core";
import type { z } from "zod";
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

export const objectRoutes: readonly Route[] = KINDS.flatMap(({ plural, kind, permission }) => kindRoutes(plural, kind, permission));

function kindRoutes(plural: string, kind: Kind, permission: Permission): readonly Route[] {
  // The schema of the one kind; that it belongs to `kind` is more than the type system follows through a table.
  const one = OBJECTS[kind] as z.ZodType<Resource, Resource>;
  const list = OBJECT_LISTS[kind] as z.ZodType<ObjectPage<Kind>, ObjectPage<Kind>>;
  return [
    route({
      method: "GET",
      path: `/api/v1/namespaces/:team/:namespace/${plural}`,
      permission,
      summary: `The ${plural} of a namespace`,
      query: ListQuery,
      responses: { 200: list },
      errors: ["not_found"],
      handler: ({ api, caller, namespace, query }) => listPage(api.db.objects(caller.scope), kind, namespace.metadata.uid, query),
    }),
    route({
      method: "GET",
      path: `/api/v1/namespaces/:team/:namespace/${plural}/:name`,
      permission,
      summary: `One ${kind.toLowerCase()} of a namespace`,
      responses: { 200: one },
      errors: ["not_found"],
      handler: ({ api, caller, namespace, params }) => api.db.objects(caller.scope).getByName(kind, namespace.metadata.uid, params.name),
    }),
  ];
}
