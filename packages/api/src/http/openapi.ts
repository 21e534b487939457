import type { OpenAPIHono } from "@hono/zod-openapi";
import { ObjectList, ObjectSchema, Problem, statusOf } from "@plimsoll/contracts";
import type { ErrorCode } from "@plimsoll/core";
import { z } from "zod";
import type { Route } from "./route.ts";

/** What every route may answer, by who may call it. */
const ALWAYS: readonly ErrorCode[] = ["invalid", "rate_limited", "internal"];

/** The OpenAPI 3.1 document of these routes, derived from what each declares. */
export function openApiDocument(app: OpenAPIHono, routes: readonly Route[]): object {
  const registry = app.openAPIRegistry;
  const problem = registry.register("Problem", Problem);
  const named = new Map<unknown, z.ZodType>([
    [ObjectSchema, registry.register("Object", ObjectSchema)],
    [ObjectList, registry.register("ObjectList", ObjectList)],
  ]);
  registry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  registry.registerComponent("securitySchemes", "session", { type: "apiKey", in: "cookie", name: "plim_session" });
  for (const route of routes) {
    const names = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? "");
    registry.registerPath({
      method: route.method.toLowerCase() as "get",
      path: route.path.replaceAll(/:(\w+)/g, "{$1}"),
      summary: route.summary,
      "x-permission": route.permission,
      security: route.permission === "public" ? [] : [{ token: [] }, { session: [] }],
      request: {
        ...(names.length === 0 ? {} : { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) }),
        ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
        ...(route.body === undefined ? {} : { body: { required: true, content: { "application/json": { schema: route.body } } } }),
      },
      responses: { ...successOf(route, named), ...problemsOf(route, problem) },
    });
  }
  return app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "Plimsoll", version: "1" } });
}

function successOf({ responses }: Route, named: ReadonlyMap<unknown, z.ZodType>) {
  return Object.fromEntries(
    Object.entries(responses).map(([status, schema]) => {
      if (schema === null) return [status, { description: "done" }];
      if (schema === "stream")
        return [status, { description: "server-sent events", content: { "text/event-stream": { schema: z.string() } } }];
      return [status, { description: "done", content: { "application/json": { schema: named.get(schema) ?? schema } } }];
    }),
  );
}

function problemsOf({ errors, permission }: Route, problem: z.ZodType) {
  const codes = new Set<ErrorCode>([...ALWAYS, ...errors, ...(permission === "public" ? [] : (["unauthenticated", "forbidden"] as const))]);
  const byStatus = Map.groupBy(codes, (code) => statusOf(code));
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      status,
      { description: some.join(", "), content: { "application/problem+json": { schema: problem } } },
    ]),
  );
}
