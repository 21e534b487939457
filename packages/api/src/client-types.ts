import * as contracts from "@plimsoll/contracts";
import { z } from "zod";
import type { Route } from "./http/route.ts";

/**
 * The types of the client in packages/contracts, as the source of its generated/routes.ts: params, query, body and answer of every
 * public route. Bodies and answers are named after their schema in contracts, so every schema that a route uses must be exported there.
 */
export function clientTypes(routes: readonly Route[]): string {
  const lines = routes.map((route) => `  "${route.method} ${route.path}": ${typeOf(route)};`).sort();
  return `// Generated from the routes of packages/api by \`npm run generate:client -w packages/api\`; a test keeps it up to date.
import type { Kind, Resource } from "@plimsoll/core";
import type { z } from "zod";
import type * as api from "../api.ts";
import type { ObjectPage } from "../objects.ts";

type In<S extends z.ZodType> = z.input<S>;
type Out<S extends z.ZodType> = z.output<S>;
type List<K extends Kind> = ObjectPage<K>;
/** Query parameters are text on the wire; several of one name are an array. */
type Query<N extends string> = { readonly [K in N]?: string | number | boolean | readonly string[] };

export interface ApiRoutes {
${lines.join("\n")}
}
`;
}

function typeOf(route: Route): string {
  const params = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => `${name}: string`);
  const parts = [
    ...(params.length === 0 ? [] : [`params: { ${params.join("; ")} }`]),
    ...(route.query instanceof z.ZodObject ? [`query?: Query<${queryNames(route.query)}>`] : []),
    ...(route.body === undefined ? [] : [`body${isOptional(route.body) ? "?" : ""}: In<typeof api.${exportedName(route.body)}>`]),
    `answer: ${answerType(route)}`,
  ];
  return `{ ${parts.join("; ")} }`;
}

function isOptional(body: z.ZodType): boolean {
  return body.safeParse(undefined).success;
}

function queryNames(query: z.ZodObject): string {
  return Object.keys(query.shape)
    .map((name) => `"${name}"`)
    .join(" | ");
}

function answerType({ responses }: Route): string {
  const [schema] = Object.values(responses);
  if (schema === undefined || schema === null) return "null";
  if (schema === "stream") return "Response";
  for (const [kind, one] of Object.entries(contracts.OBJECTS)) if (one === schema) return `Resource<"${kind}">`;
  for (const [kind, one] of Object.entries(contracts.OBJECT_LISTS)) if (one === schema) return `List<"${kind}">`;
  if (schema === contracts.ObjectSchema) return "Resource";
  return `Out<typeof api.${exportedName(schema)}>`;
}

function exportedName(schema: z.ZodType): string {
  for (const [name, value] of Object.entries(contracts)) if (value === schema) return name;
  throw new Error("a route uses a schema that contracts does not export; give it a name in contracts/src/api.ts");
}
