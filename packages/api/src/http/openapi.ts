import { CreatedToken, Me, OBJECT_LISTS, OBJECTS, Problem, SshKey, statusOf, Token } from "@plimsoll/contracts";
import type { ErrorCode } from "@plimsoll/core";
import { z } from "zod";
import type { Route } from "./route.ts";

/** What every route may answer, whoever may call it. */
const ALWAYS: readonly ErrorCode[] = ["invalid", "rate_limited", "internal"];

/** Schemas with a name of their own in the document; all others are written where they are used. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  Problem,
  Me,
  SshKey,
  Token,
  CreatedToken,
  ...OBJECTS,
  ...Object.fromEntries(Object.entries(OBJECT_LISTS).map(([kind, schema]) => [`${kind}List`, schema])),
};

/**
 * The OpenAPI 3.1 document of these routes, derived from what each declares, by zod's own JSON Schema (2020-12, which is what 3.1
 * speaks). `x-permission` is what a route asks for.
 */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Plimsoll", version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(NAMED).map(([name, schema]) => [name, jsonSchema(schema, "output")])),
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "plim_session", description: "`__Host-plim` off loopback" },
      },
    },
  };
}

function operationOf(route: Route): object {
  const parameters = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return {
    operationId: operationId(route),
    summary: route.summary,
    "x-permission": route.permission,
    security: route.permission === "public" ? [] : [{ token: [] }, { session: [] }],
    parameters: [...parameters, ...queryParameters(route)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: !route.body.safeParse(undefined).success, content: content("application/json", route.body, "input") } }),
    responses: { ...successOf(route), ...problemsOf(route) },
  };
}

/** `get_namespaces_team_namespace_apps`: the same for the life of a route. */
function operationId({ method, path }: Route): string {
  const words = path.replace(/^\/api\/v1\//, "").split(/[/:]+/);
  return [method.toLowerCase(), ...words].join("_").replaceAll("-", "_");
}

function queryParameters({ query }: Route): readonly object[] {
  if (!(query instanceof z.ZodObject)) return [];
  return Object.entries<z.ZodType>(query.shape).map(([name, schema]) => ({
    name,
    in: "query",
    required: false,
    schema: jsonSchema(schema, "input"),
  }));
}

function successOf({ responses }: Route) {
  return Object.fromEntries(
    Object.entries(responses).map(([status, schema]) => {
      if (schema === null) return [status, { description: "Done" }];
      if (schema === "stream")
        return [status, { description: "Server-sent events", content: content("text/event-stream", z.string(), "output") }];
      return [status, { description: "Done", content: content("application/json", schema, "output") }];
    }),
  );
}

function problemsOf({ errors, permission }: Route) {
  const codes = new Set<ErrorCode>([...ALWAYS, ...errors, ...(permission === "public" ? [] : (["unauthenticated", "forbidden"] as const))]);
  return Object.fromEntries(
    [...Map.groupBy(codes, statusOf)].map(([status, some]) => [
      status,
      { description: some.join(", "), content: content("application/problem+json", Problem, "output") },
    ]),
  );
}

function content(type: string, schema: z.ZodType, io: "input" | "output"): object {
  const name = Object.entries(NAMED).find(([, one]) => one === schema)?.[0];
  return { [type]: { schema: name === undefined ? jsonSchema(schema, io) : { $ref: `#/components/schemas/${name}` } } };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { unrepresentable: "any", io, reused: "inline" });
  return rest;
}
