import type { ClaimRequest } from "@plimsoll/contracts";
import { AppError, PLATFORM_SCOPE } from "@plimsoll/core";
import { type Database, type Identities, PLATFORM, type UserRecord } from "@plimsoll/db";
import type { z } from "zod";
import { hashPassword } from "./passwords.ts";
import { SESSION_MS } from "./sessions.ts";

/** The team whose owner the first operator becomes; made with the installation. */
const FIRST_TEAM = "demo";

/** A claim code as it is stored, from what somebody typed. */
export function normalClaimCode(typed: string): string {
  return typed.trim().toUpperCase();
}

/** Throws unless this code still makes somebody the first administrator: `gone` once there is one, `not_found` for any other. */
export async function checkClaimCode(db: Database, typed: string): Promise<void> {
  if ((await db.identities.findToken(normalClaimCode(typed), ["claim"])) === undefined) throw await claimRefusal(db.identities);
}

/**
 * Makes whoever holds the one-time code the first operator and owner of the first team, logged in. Of several at once exactly one
 * wins, also with several valid codes; the code stays valid when anything else goes wrong.
 */
export async function claimPlatform(
  db: Database,
  request: z.output<typeof ClaimRequest>,
  requestId: string,
): Promise<{ readonly user: UserRecord; readonly sessionSecret: string }> {
  await checkClaimCode(db, request.code);
  const passwordHash = await hashPassword(request.password);
  return db.write({ scope: PLATFORM }, async (tx) => {
    if (!(await tx.identities.consumeToken(normalClaimCode(request.code), "claim"))) throw await claimRefusal(tx.identities);
    await tx.identities.removeTokensOf("claim");
    const team = await tx.objects.getByName("Team", PLATFORM_SCOPE, FIRST_TEAM);
    const { id } = await tx.identities.createUser({ name: request.name, email: request.email, passwordHash, operator: true });
    await tx.identities.setMembership(id, team.metadata.uid, "owner");
    const session = await tx.identities.createToken({ kind: "session", userId: id, ttlMs: SESSION_MS });
    tx.audit({ actor: `user:${id}`, action: "platform.claim", teamUid: team.metadata.uid, requestId });
    const user = await tx.identities.user(id);
    if (user === undefined) throw new AppError("internal", "The new account could not be read back.");
    return { user, sessionSecret: session.secret };
  });
}

async function claimRefusal(identities: Identities): Promise<AppError> {
  return (await identities.countOperators()) > 0
    ? new AppError("gone", "This installation has its administrator already; log in, or ask them for an account.")
    : new AppError("not_found", "This claim link is not valid, or its hour is over; `npm start` prints a new one.");
}
