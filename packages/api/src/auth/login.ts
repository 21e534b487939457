import type { Clock } from "@plimsoll/config";
import { AppError } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";
import { RateLimiter } from "../http/rate-limit.ts";
import { verifyPassword } from "./passwords.ts";
import { SESSION_MS } from "./sessions.ts";

/** Answers a new session's secret; AppError `unauthenticated` for any wrong pair, `rate_limited` after too many. */
export type Login = (request: {
  readonly email: string;
  readonly password: string;
  readonly address: string;
}) => Promise<{ readonly userId: string; readonly secret: string }>;

/**
 * Login with limits that only slow down whoever guesses: wrong passwords count per address and e-mail together, so that nobody is
 * locked out of their account by somebody else's attempts, and per address over all accounts.
 */
export function createLogin({ db, clock }: { readonly db: Pick<Database, "identities">; readonly clock: Clock }): Login {
  const nowMs = () => clock.now().getTime();
  const perAccount = new RateLimiter({ burst: 8, perSecond: 1 / 30 }, nowMs);
  const perAddress = new RateLimiter({ burst: 60, perSecond: 1 / 5 }, nowMs);

  return async ({ email, password, address }) => {
    const account = `${address}/${email.toLowerCase()}`;
    perAddress.take(address);
    perAccount.take(account);
    const known = await db.identities.credentials(email);
    const right = await verifyPassword(password, known?.passwordHash);
    if (!right || known === undefined)
      throw new AppError("unauthenticated", "E-mail address and password do not belong together; check both and try again.");
    perAddress.refund(address);
    perAccount.refund(account);
    const { secret } = await db.identities.createToken({ kind: "session", userId: known.id, ttlMs: SESSION_MS });
    return { userId: known.id, secret };
  };
}
