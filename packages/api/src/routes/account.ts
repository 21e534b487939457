import { CreatedToken, NewSshKey, NewToken, SshKey, SshKeyList, type Token, TokenList } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { TokenRecord } from "@plimsoll/db";
import type { z } from "zod";
import { parseSshPublicKey } from "../auth/ssh-key.ts";
import { route } from "../http/route.ts";

/** SSH keys and API tokens: what belongs to a person and to no team. */

const MAX_KEYS = 50;
const MAX_TOKENS = 100;
const DAY_MS = 86_400_000;

export const listSshKeys = route({
  method: "GET",
  path: "/api/v1/ssh-keys",
  permission: "self",
  summary: "My SSH keys",
  responses: { 200: SshKeyList },
  errors: [],
  handler: async ({ api, caller }) => ({ items: (await api.db.identities.listSshKeys(caller.userId ?? "")).map(toSshKey) }),
});

export const addSshKey = route({
  method: "POST",
  path: "/api/v1/ssh-keys",
  permission: "self",
  summary: "Add an SSH key to push with",
  body: NewSshKey,
  responses: { 201: SshKey },
  errors: ["conflict"],
  commit: async ({ tx, caller }, { body, requestId }) => {
    const { publicKey, fingerprint } = parseSshPublicKey(body.publicKey);
    const userId = caller.userId ?? "";
    if ((await tx.identities.listSshKeys(userId)).length >= MAX_KEYS)
      throw new AppError("conflict", `An account has at most ${MAX_KEYS} SSH keys; remove one first.`, { retry: "never" });
    const key = await tx.identities.addSshKey({ userId, name: body.name, fingerprint, publicKey });
    tx.audit({ actor: caller.actor, action: "keys.add", requestId, details: { fingerprint } });
    return toSshKey(key);
  },
});

export const removeSshKey = route({
  method: "DELETE",
  path: "/api/v1/ssh-keys/:id",
  permission: "self",
  summary: "Remove one of my SSH keys",
  responses: { 204: null },
  errors: ["not_found"],
  commit: async ({ tx, caller }, { params, requestId }) => {
    if (!(await tx.identities.removeSshKey(caller.userId ?? "", params.id))) throw new AppError("not_found", "You have no such SSH key.");
    tx.audit({ actor: caller.actor, action: "keys.remove", requestId, details: { id: params.id } });
    return null;
  },
});

export const listTokens = route({
  method: "GET",
  path: "/api/v1/tokens",
  permission: "self",
  summary: "My API tokens",
  responses: { 200: TokenList },
  errors: [],
  handler: async ({ api, caller }) => ({ items: (await api.db.identities.listTokens(caller.userId ?? "", "api")).map(toToken) }),
});

export const createToken = route({
  method: "POST",
  path: "/api/v1/tokens",
  permission: "self",
  summary: "Make an API token; its secret is shown this once",
  body: NewToken,
  responses: { 201: CreatedToken },
  errors: ["conflict"],
  commit: async ({ tx, caller }, { body, requestId }) => {
    const userId = caller.userId ?? "";
    if ((await tx.identities.listTokens(userId, "api")).length >= MAX_TOKENS)
      throw new AppError("conflict", `An account has at most ${MAX_TOKENS} API tokens; remove one first.`, { retry: "never" });
    const ttl = body.expiresInDays === undefined ? {} : { ttlMs: body.expiresInDays * DAY_MS };
    const { id, secret } = await tx.identities.createToken({ kind: "api", userId, name: body.name, ...ttl });
    tx.audit({ actor: caller.actor, action: "tokens.create", requestId, details: { id, name: body.name } });
    const made = (await tx.identities.listTokens(userId, "api")).find((token) => token.id === id);
    if (made === undefined) throw new AppError("internal", "The new token could not be read back.");
    return { ...toToken(made), secret };
  },
});

export const removeToken = route({
  method: "DELETE",
  path: "/api/v1/tokens/:id",
  permission: "self",
  summary: "Revoke one of my API tokens",
  responses: { 204: null },
  errors: ["not_found"],
  commit: async ({ tx, caller }, { params, requestId }) => {
    if (!(await tx.identities.removeToken(caller.userId ?? "", params.id))) throw new AppError("not_found", "You have no such token.");
    tx.audit({ actor: caller.actor, action: "tokens.remove", requestId, details: { id: params.id } });
    return null;
  },
});

function toSshKey(key: { id: string; name: string; fingerprint: string; createdAt: Date }): z.output<typeof SshKey> {
  return { id: key.id, name: key.name, fingerprint: key.fingerprint, createdAt: key.createdAt.toISOString() };
}

function toToken({ id, name, createdAt, expiresAt, usedAt }: TokenRecord): z.output<typeof Token> {
  return {
    id,
    name,
    createdAt: createdAt.toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
    ...(usedAt === undefined ? {} : { lastUsedAt: usedAt.toISOString() }),
  };
}
