import type { HookAnswer } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import { CONNECTION_HOOK, PLATFORM } from "@plimsoll/db";
import type { z } from "zod";
import type { Api } from "../context.ts";
import { readBytes } from "../http/body.ts";
import { readHookCall } from "./verify.ts";

/**
 * Takes a call of a connection's webhook. Nothing of what it says is believed but that there is something to see: the branch is fetched and
 * what it holds then is deployed, so that a call that is repeated, or an old one, changes nothing. Many calls lead to one look.
 */
export async function takeHookCall(api: Api, hookId: string, request: Request, limitBytes: number): Promise<z.input<typeof HookAnswer>> {
  const { db } = api;
  const connection = await db.connections.byHook(hookId);
  const app = connection === undefined ? undefined : await db.objects(PLATFORM).find("App", connection.appUid);
  if (connection === undefined || app === undefined || app.metadata.deletedAt !== undefined)
    throw new AppError("not_found", "There is no such webhook; the app was disconnected, or connected anew.");
  const { uid, namespaceUid = "" } = app.metadata;
  const secret = await db.secrets.openOnly(namespaceUid, uid, CONNECTION_HOOK);
  const body = await readBytes(request, limitBytes);
  const token = new URL(request.url).searchParams.get("token");
  const call = secret === undefined ? { kind: "forged" as const } : readHookCall(request.headers, token, body, secret);
  if (call.kind === "forged")
    throw new AppError("unauthenticated", "The call is not signed with this webhook's secret; `plim connect` again shows a new one.");
  if (call.kind === "other") return { accepted: false, reason: `nothing follows from ${call.what}` };
  if (call.ref !== undefined && call.ref !== `refs/heads/${connection.branch}`)
    return { accepted: false, reason: `only refs/heads/${connection.branch} is deployed` };
  await db.write({ scope: PLATFORM }, async (tx) => {
    await tx.connections.want(uid, new Date());
    tx.wake("connection", uid);
  });
  return { accepted: true };
}
