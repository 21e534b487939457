import { AppError } from "@plimsoll/core";
import type { TokenKind, TokenRecord, UserRecord } from "@plimsoll/db";
import type { Api } from "../context.ts";
import type { Credential } from "../http/route.ts";
import { readCookie, SESSION_MS, SESSION_TOUCH_MS, sessionCookie, sessionCookieName } from "./sessions.ts";

export type Identity =
  | { readonly kind: "user"; readonly user: UserRecord; readonly credential: Credential; readonly renewedCookie?: string }
  | { readonly kind: "host"; readonly hostUid: string };

type Door = Pick<Api, "db" | "settings" | "clock">;

/** An API token's last use is written at most this often. */
const TOKEN_TOUCH_MS = 60_000;

/** Who sent the request, by the credentials that this door takes; `unauthenticated` otherwise. */
export async function authenticate(api: Door, request: Request, door: "user" | "host"): Promise<Identity> {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (door === "host") return authenticateHost(api, bearer);
  const cookie = bearer === undefined ? readCookie(request.headers.get("cookie"), sessionCookieName(api.settings)) : undefined;
  const secret = bearer ?? cookie;
  if (secret === undefined) throw new AppError("unauthenticated", "Log in, or send an API token as `Authorization: Bearer …`.");
  return identifyUser(api, { kind: bearer === undefined ? "session" : "api", secret });
}

/** The user that a session or API token stands for, with its life prolonged; `unauthenticated` once it is over or revoked. */
export async function identifyUser(api: Door, presented: { readonly kind: "session" | "api"; readonly secret: string }) {
  const token = await findToken(api, presented.secret, presented.kind);
  const user = token?.userId === undefined ? undefined : await api.db.identities.user(token.userId);
  if (token === undefined || user === undefined)
    throw new AppError("unauthenticated", "This session or token is over, or was revoked; log in again.");
  const credential: Credential = { ...presented, tokenId: token.id };
  const renewedCookie = await touch(api, token, presented.secret);
  return { kind: "user" as const, user, credential, ...(renewedCookie === undefined ? {} : { renewedCookie }) };
}

async function authenticateHost(api: Door, bearer: string | undefined): Promise<Identity> {
  const token = bearer === undefined ? undefined : await findToken(api, bearer, "host");
  if (token?.subject === undefined)
    throw new AppError("unauthenticated", "This needs the credential of an enrolled host; enroll it again.");
  return { kind: "host", hostUid: token.subject };
}

async function findToken(api: Door, secret: string, kind: TokenKind): Promise<TokenRecord | undefined> {
  return secret.length > 512 ? undefined : api.db.identities.findToken(secret, [kind]);
}

/** Notes the use; a session slides on, and its cookie with it. */
async function touch(api: Door, token: TokenRecord, secret: string): Promise<string | undefined> {
  const idleMs = api.clock.now().getTime() - (token.usedAt ?? token.createdAt).getTime();
  if (token.kind === "api" && (token.usedAt === undefined || idleMs > TOKEN_TOUCH_MS)) await api.db.identities.touchToken(token.id);
  if (token.kind !== "session" || idleMs < SESSION_TOUCH_MS) return undefined;
  await api.db.identities.prolongToken(token.id, SESSION_MS);
  return sessionCookie(api.settings, secret);
}
