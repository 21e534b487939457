import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError, newSecret, type Resource, toAppError } from "@plimsoll/core";
import { asUnavailable } from "@plimsoll/db";
import { Hono, type Context as HonoContext } from "hono";
import { createSealing } from "./agent/sealing.ts";
import { createLogin } from "./auth/login.ts";
import type { Api, ApiPorts } from "./context.ts";
import { admit } from "./http/admission.ts";
import { openApiDocument } from "./http/openapi.ts";
import { problemResponse } from "./http/problem.ts";
import { RateLimiter } from "./http/rate-limit.ts";
import type { Route } from "./http/route.ts";
import { Turns } from "./http/turns.ts";
import { registryDoor } from "./registry/door.ts";
import { Registry } from "./registry/registry.ts";
import { AGENT_ROUTES, PUBLIC_ROUTES } from "./routes/index.ts";
import { createSignals } from "./watch/signals.ts";

/** For one token, or one address that is not logged in. A page of the portal is about ten requests. */
const REQUEST_RATE = { burst: 500, perSecond: 100 };

/** Mutations of one team under way at once: they take turns at its quota books anyway, and must not hold every connection meanwhile. */
const MUTATIONS_OF_TEAM = 2;
const MUTATIONS_WAITING = 500;

export interface PlimsollApi {
  /** Answers one request; never throws. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Absent where there is no registry. */
  readonly registry?: {
    /** Answers a request below /v2/. Streams; never throws. */
    readonly door: (request: IncomingMessage, response: ServerResponse) => void;
    /** Removes the repository of an app that is being removed. Idempotent. */
    readonly appDeleted: (app: Resource<"App">) => Promise<void>;
  };
  /** Ends its database listener; open streams end with their connections. */
  close(): Promise<void>;
}

/** The HTTP side of the control plane: /api/v1 for people and programs, /api/agent/v1 for hosts, /git for git. */
export function createApi(ports: ApiPorts): PlimsollApi {
  const registry = ports.registryAt === undefined ? undefined : new Registry(ports, ports.registryAt);
  const own = { signals: createSignals(ports.db), login: createLogin(ports), sealing: createSealing(ports.db) };
  const api: Api = { ...ports, ...own, ...(registry === undefined ? {} : { registry }) };
  const limiter = new RateLimiter(ports.rate ?? REQUEST_RATE, () => api.clock.now().getTime());
  const turns = new Turns(MUTATIONS_OF_TEAM, MUTATIONS_WAITING);
  const app = new Hono();
  const document = openApiDocument(PUBLIC_ROUTES);

  for (const route of [...PUBLIC_ROUTES, ...AGENT_ROUTES])
    app.on(route.method, route.path, (context) =>
      answer(context, (requestId, responseHeaders) => serve(context, route, requestId, responseHeaders)),
    );
  app.get("/api/v1/openapi.json", () => Response.json(document));
  app.all("/git/*", (context) => ports.git?.fetch(context.req.raw) ?? notFound(context));
  app.notFound((context) => notFound(context));

  async function serve(context: HonoContext, route: Route, requestId: string, responseHeaders: Headers): Promise<Response> {
    const request = context.req.raw;
    const params = context.req.param() as Record<string, string>;
    const clientAddress = addressOf(request, api);
    const result = await admit({ api, limiter, turns, route, request, requestId, clientAddress, params, responseHeaders });
    return result instanceof Response ? result : respond(route, result);
  }

  /** One answer per request, whatever happens: errors become problems, and only our own words leave the house. */
  async function answer(context: HonoContext, work: (requestId: string, headers: Headers) => Promise<Response>): Promise<Response> {
    const requestId = newSecret(9);
    const headers = new Headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    const response = await work(requestId, headers).catch((error: unknown) => refuse(context, error, requestId));
    for (const [name, value] of headers) response.headers.append(name, value);
    response.headers.set("x-request-id", requestId);
    return response;
  }

  function refuse(context: HonoContext, error: unknown, requestId: string): Response {
    const known = toAppError(asUnavailable(error));
    if (known.code === "internal")
      api.logger.error("a request failed", { requestId, method: context.req.method, path: context.req.routePath, error: known });
    return problemResponse(known, requestId);
  }

  function notFound(context: HonoContext): Promise<Response> {
    return answer(context, async () => {
      throw new AppError("not_found", "There is nothing at this address; /api/v1/openapi.json lists what there is.");
    });
  }

  return {
    fetch: async (request) => app.fetch(request),
    ...(registry === undefined
      ? {}
      : { registry: { door: registryDoor(api, registry), appDeleted: (app) => registry.removeRepositoryOf(app) } }),
    async close() {
      registry?.close();
      await api.signals.close();
    },
  };
}

function respond(route: Route, result: unknown): Response {
  const [status, schema] = Object.entries(route.responses)[0] ?? ["200"];
  if (schema === null || result === undefined || result === null) return new Response(null, { status: Number(status) });
  return Response.json(result, { status: Number(status) });
}

/** Set by our own ingress, which is the only one that reaches the socket; the last entry is what it saw itself. */
function addressOf(request: Request, { settings }: Api): string {
  const header = request.headers.get(settings.clientAddressHeader ?? "x-forwarded-for");
  return header?.split(",").at(-1)?.trim().slice(0, 64) || "local";
}
