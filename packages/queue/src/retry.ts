import { toAppError } from "@plimsoll/core";
import { DelayedError, type Job, UnrecoverableError } from "bullmq";

const FIRST_MS = 200;
const MOST_MS = 30_000;

/** Pause before try `attempt` + 1: doubled each time, with full jitter over its upper half. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 20));
  return Math.round(most / 2 + (most / 2) * random());
}

/**
 * Translates what a handler threw into BullMQ's terms, by the error's own word about retrying: `never` parks the job (kept among
 * the failed ones), `backoff` tries again with growing pauses, `{ afterMs }` after that time. Always throws.
 */
export async function rethrowForQueue(error: unknown, job: Job, token: string | undefined): Promise<never> {
  const { retry, message } = toAppError(error);
  if (retry === "never") throw new UnrecoverableError(message);
  if (retry !== "backoff" && token !== undefined) {
    await job.moveToDelayed(Date.now() + retry.afterMs, token);
    throw new DelayedError();
  }
  throw error;
}
