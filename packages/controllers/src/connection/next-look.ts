import type { ConnectionRecord } from "@plimsoll/db";

/** Webhooks get lost: without any the other side is looked at this often. */
const POLL_MS = 5 * 60_000;
/** However many webhooks come, one fetch follows another after this time. */
const APART_MS = 5_000;

/** In how many milliseconds the other side is to be looked at; 0: now. Pure. */
export function nextLookMs({ wantedAt, lookedAt }: Pick<ConnectionRecord, "wantedAt" | "lookedAt">, nowMs: number): number {
  if (lookedAt === undefined) return 0;
  const isWanted = wantedAt !== undefined && wantedAt >= lookedAt;
  return Math.max(0, lookedAt.getTime() + (isWanted ? APART_MS : POLL_MS) - nowMs);
}
