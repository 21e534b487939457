import { AppError, type ErrorCode } from "@plimsoll/core";
import type { ApiRoutes } from "./generated/routes.ts";
import { Problem } from "./problem.ts";

type RouteName = keyof ApiRoutes;
type RouteInput<R extends RouteName> = Omit<ApiRoutes[R], "answer">;

export interface ApiClientOptions {
  /** `https://plimsoll.example`, or empty for the page's own origin. */
  readonly origin: string;
  /** An API token; absent where a browser's session counts. */
  readonly token?: string;
  /** Default: the global fetch. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/**
 * Calls a route by its method and path: `call("POST /api/v1/namespaces/:team/:namespace/apps", { params, body })`. Parameters, body and
 * answer have the types that the route declares. Streams answer the Response itself. Throws AppError: the server's own code and
 * sentence, or `unavailable` when nothing (or something else) answers.
 */
export type ApiClient = <R extends RouteName>(
  route: R,
  input: RouteInput<R>,
  options?: { readonly signal?: AbortSignal },
) => Promise<ApiRoutes[R]["answer"]>;

/** A client whose types are derived from the routes of packages/api (generated/routes.ts); it holds no state. */
export function createApiClient({ origin, token, fetch = globalThis.fetch }: ApiClientOptions): ApiClient {
  return async (route, input, { signal } = {}) => {
    const {
      params = {},
      query = {},
      body,
    } = input as {
      params?: Record<string, string>;
      query?: Record<string, unknown>;
      body?: unknown;
    };
    const [method = "GET", template = ""] = route.split(" ");
    const path = template.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
    const request = new Request(`${origin}${path}${search(query)}`, {
      method,
      headers: {
        accept: "application/json, text/event-stream",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const response = await fetch(request).catch((cause: unknown) => {
      throw new AppError("unavailable", `Nothing answers at ${origin}; is the platform running, is the address right?`, { cause });
    });
    return (await answerOf(response)) as never;
  };
}

async function answerOf(response: Response): Promise<unknown> {
  const type = response.headers.get("content-type") ?? "";
  if (response.ok && type.startsWith("text/event-stream")) return response;
  const text = await response.text();
  if (response.ok) return text === "" ? null : JSON.parse(text);
  const problem = type.includes("json") ? Problem.safeParse(JSON.parse(text)) : undefined;
  if (problem?.success !== true) throw new AppError("unavailable", `The platform answered ${response.status} without saying why.`);
  const { code, detail, fields } = problem.data;
  throw new AppError(code as ErrorCode, detail, { retry: "never", details: fields === undefined ? {} : { fields } });
}

function search(query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) parameters.append(name, String(one));
  return parameters.size === 0 ? "" : `?${parameters}`;
}
