import { ClaimCheck, ClaimRequest, LoginRequest, Me } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { checkClaimCode, claimPlatform } from "../auth/claim.ts";
import { sessionCookie } from "../auth/sessions.ts";
import { callerOf } from "../caller.ts";
import { route } from "../http/route.ts";
import { meOf } from "../tenants/me.ts";

export const checkClaim = route({
  method: "GET",
  path: "/api/v1/claim/:code",
  permission: "public",
  summary: "Whether a claim code is still good",
  responses: { 200: ClaimCheck },
  errors: ["not_found", "gone"],
  handler: async ({ api, params }) => {
    await checkClaimCode(api.db, params.code);
    return { valid: true as const };
  },
});

export const claim = route({
  method: "POST",
  path: "/api/v1/claim",
  permission: "public",
  summary: "Become the first administrator",
  body: ClaimRequest,
  responses: { 201: Me },
  errors: ["not_found", "gone", "conflict"],
  handler: async ({ api, body, requestId, setHeader }) => {
    const { user, sessionSecret } = await claimPlatform(api.db, body, requestId);
    setHeader("set-cookie", sessionCookie(api.settings, sessionSecret));
    return meOf(api.db, callerOf(user));
  },
});

export const login = route({
  method: "POST",
  path: "/api/v1/login",
  permission: "public",
  summary: "Begin a session",
  body: LoginRequest,
  responses: { 200: Me },
  errors: ["unauthenticated", "rate_limited"],
  handler: async ({ api, body, clientAddress, setHeader }) => {
    const { userId, secret } = await api.login({ ...body, address: clientAddress });
    const user = await api.db.identities.user(userId);
    if (user === undefined) throw new AppError("unauthenticated", "This account is gone.");
    setHeader("set-cookie", sessionCookie(api.settings, secret));
    return meOf(api.db, callerOf(user));
  },
});

export const logout = route({
  method: "POST",
  path: "/api/v1/logout",
  permission: "self",
  summary: "End this session",
  responses: { 204: null },
  errors: [],
  handler: async ({ api, credential, setHeader }) => {
    if (credential.kind === "session") await api.db.identities.removeBySecret(credential.secret);
    setHeader("set-cookie", sessionCookie(api.settings, undefined));
    return null;
  },
});

export const me = route({
  method: "GET",
  path: "/api/v1/me",
  permission: "self",
  summary: "Who I am, and the teams and namespaces I reach",
  responses: { 200: Me },
  errors: [],
  handler: ({ api, caller }) => meOf(api.db, caller),
});
