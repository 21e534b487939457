import { DeletedImages, RegistryImageFound, RegistryImageList } from "@plimsoll/contracts";
import { AppError, type Resource } from "@plimsoll/core";
import { z } from "zod";
import { identifyUser } from "../auth/authenticate.ts";
import { callerOf, may } from "../caller.ts";
import type { Api } from "../context.ts";
import { route } from "../http/route.ts";
import { registryRefusal } from "../registry/errors.ts";
import { imagesOfNamespace, registryOf, deleteImage as removeImage } from "../registry/images.ts";
import { grant } from "../registry/place.ts";
import { parseScopes, registryHost } from "../registry/repository.ts";
import { REGISTRY_SERVICE, TOKEN_SECONDS } from "../registry/tokens.ts";

const Search = z.string().max(200);
const MAX_FOUND = 200;

const TokenQuery = z.object({
  service: z.string().max(200).optional(),
  scope: z
    .union([z.string().max(4_000), z.array(z.string().max(1_000)).max(16)])
    .optional()
    .describe("`repository:<team>/<namespace>/<app>:pull,push`, several times where several are wanted"),
  account: z.string().max(320).optional(),
  client_id: z.string().max(200).optional(),
  offline_token: z.string().max(10).optional(),
});

/** The distribution's token service. Basic authentication: the e-mail address, or `token`, and an API token of the platform. */
export const registryToken = route({
  method: "GET",
  path: "/api/v1/registry/token",
  permission: "public",
  summary: "A token for the registry, as docker and skopeo ask for it: HTTP Basic with an API token as the password",
  query: TokenQuery,
  responses: { 200: "stream" },
  errors: ["unauthenticated", "rate_limited", "unavailable"],
  handler: async ({ api, query, request, clientAddress }) => {
    const registry = registryOf(api);
    try {
      const user = await logIn(api, request, clientAddress);
      if (query.service !== undefined && query.service !== REGISTRY_SERVICE)
        throw new AppError("invalid", `Tokens are given for the service ${REGISTRY_SERVICE} only.`);
      const scopes = parseScopes([query.scope ?? []].flat());
      const access = await grant(api.db, callerOf(user), scopes);
      const { token, issuedAt } = registry.tokens.issue({ subject: `user:${user.id}`, access });
      return Response.json({ token, access_token: token, expires_in: TOKEN_SECONDS, issued_at: issuedAt.toISOString() });
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "internal") throw error;
      return refusal(error);
    }
  },
});

export const listImages = route({
  method: "GET",
  path: "/api/v1/namespaces/:team/:namespace/images",
  permission: "images.read",
  summary: "What can be pulled from a namespace's repositories",
  query: z.object({
    app: z.string().max(40).optional().describe("only of this app"),
    search: Search.optional().describe("in names and tags, or the beginning of a digest"),
  }),
  responses: { 200: RegistryImageList },
  errors: ["not_found", "unavailable"],
  handler: async ({ api, caller, namespace, team, query }) => {
    const { files, budgets } = registryOf(api);
    const reader = api.db.objects(caller.scope);
    const { uid, name } = namespace.metadata;
    const apps = query.app === undefined ? await reader.list("App", { in: uid }) : [await reader.getByName("App", uid, query.app)];
    return {
      items: await imagesOfNamespace(api, apps, query.search),
      registry: registryHost(api.settings.platformOrigin),
      usedBytes: (await files.usageOf(team.metadata.name, name)).bytes,
      limitBytes: budgets.limitBytes,
    };
  },
});

export const searchImages = route({
  method: "GET",
  path: "/api/v1/images",
  permission: "self",
  summary: "Images of every namespace that you reach, by a part of their name or tag",
  query: z.object({ search: Search.default("") }),
  responses: { 200: RegistryImageFound },
  errors: ["unavailable"],
  handler: async ({ api, caller, query }) => {
    registryOf(api);
    const found = [];
    const apps = (await api.db.objects(caller.scope).list("App")).filter(({ metadata }) => may(caller, "images.read", metadata.teamUid));
    for (const [, some] of Map.groupBy(apps, ({ metadata }) => metadata.namespaceUid)) {
      const { team = "", namespace = "" } = some[0]?.metadata ?? {};
      found.push(...(await imagesOfNamespace(api, some, query.search)).map((image) => ({ ...image, team, namespace })));
      if (found.length >= MAX_FOUND) break;
    }
    return { items: found.slice(0, MAX_FOUND) };
  },
});

export const deleteImage = route({
  method: "DELETE",
  path: "/api/v1/namespaces/:team/:namespace/apps/:app/images/:reference",
  permission: "images.delete",
  summary: "Remove a pushed tag, or by its digest every tag of an image",
  responses: { 200: DeletedImages },
  errors: ["not_found", "precondition_failed", "unavailable"],
  handler: async ({ api, caller, namespace, params }) => {
    const app = await api.db.objects(caller.scope).getByName("App", namespace.metadata.uid, params.app);
    const tags = await removeImage(api, app, params.reference);
    await noteDeletion(api, caller, app, tags);
    return { tags: [...tags] };
  },
});

async function noteDeletion(
  api: Api,
  caller: { readonly actor: string; readonly scope: Parameters<Api["db"]["write"]>[0]["scope"] },
  app: Resource<"App">,
  tags: readonly string[],
) {
  const { uid, kind, name, teamUid } = app.metadata;
  await api.db.write({ scope: caller.scope }, async (tx) =>
    tx.audit({
      actor: caller.actor,
      action: "images.delete",
      objectUid: uid,
      details: { kind, name, tags },
      ...(teamUid === undefined ? {} : { teamUid }),
    }),
  );
}

/** Guesses are slowed down by the address that they come from; whoever is right pays nothing. */
async function logIn(api: Api, request: Request, address: string) {
  const { logins } = registryOf(api);
  const [, basic] = /^Basic ([A-Za-z0-9+/=]{1,2048})$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  const refused = new AppError(
    "unauthenticated",
    "Log in with your e-mail address, or `token`, and an API token (portal: Account, API tokens) as the password.",
  );
  if (basic === undefined) throw refused;
  logins.take(address);
  const text = Buffer.from(basic, "base64").toString("utf8");
  const colon = text.indexOf(":");
  const { user } = await identifyUser(api, { kind: "api", secret: text.slice(colon + 1) }).catch((error: unknown) => {
    throw error instanceof AppError && error.code === "unauthenticated" ? refused : error;
  });
  const name = text.slice(0, Math.max(0, colon)).toLowerCase();
  if (name !== "token" && name !== user.email.toLowerCase()) throw refused;
  logins.refund(address);
  return user;
}

function refusal(error: AppError): Response {
  const { status, body, retryAfterS } = registryRefusal(error);
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (status === 401) headers["www-authenticate"] = 'Basic realm="Plimsoll"';
  if (retryAfterS !== undefined) headers["retry-after"] = String(retryAfterS);
  return new Response(body, { status, headers });
}
