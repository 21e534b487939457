import { type ControlJobName, JOBS, type JobName } from "@plimsoll/contracts";
import { AppError } from "@plimsoll/core";
import type { JobsOptions } from "bullmq";

/** A wake-up as the outbox keeps it. */
export interface QueuedWake {
  readonly job: JobName;
  /** Uid of what is to be read again. */
  readonly key: string;
}

/** Names of a BullMQ queue: all its keys begin with `<prefix>:<name>:`. */
export interface QueueName {
  readonly prefix: string;
  readonly name: string;
}

/** The one queue below a host's prefix. */
const HOST_QUEUE = "sync";

/** Tries before a wake-up is parked: with pauses of at most 30 s about an hour; the resync reads the same state long before. */
const ATTEMPTS = 120;

/** How many parked wake-ups are kept for people to look at. */
const PARKED_KEPT = 100;

export function normalizePrefix(prefix: string): string {
  return prefix.replace(/:+$/, "");
}

/**
 * The prefix of a host's keys, which its Redis user is confined to. `prefix` is the platform's, or already the host's own as
 * ensureHostUser answered it (an agent knows no other).
 */
export function hostPrefix(prefix: string, hostUid: string): string {
  assertUid(hostUid);
  const platform = normalizePrefix(prefix);
  return platform.endsWith(`:host:${hostUid}`) ? platform : `${platform}:host:${hostUid}`;
}

/** Control wake-ups have one queue a job, so that a server may take some of them only. */
export function controlQueue(prefix: string, job: ControlJobName): QueueName {
  return { prefix: `${normalizePrefix(prefix)}:control`, name: job };
}

export function hostQueue(prefix: string, hostUid: string): QueueName {
  return { prefix: hostPrefix(prefix, hostUid), name: HOST_QUEUE };
}

export function queueOf(prefix: string, wake: QueuedWake): QueueName {
  return wake.job === "sync" ? hostQueue(prefix, wake.key) : controlQueue(prefix, wake.job);
}

/**
 * How each job is added. Deduplication keeps one waiting wake-up a key and one more for what comes while it is being handled: plain
 * deduplication and custom job ids lose that one.
 */
export function jobOptions(wake: QueuedWake): JobsOptions {
  return {
    deduplication: { id: wake.key, keepLastIfActive: true },
    attempts: ATTEMPTS,
    backoff: { type: "custom" },
    removeOnComplete: true,
    removeOnFail: { count: PARKED_KEPT },
  };
}

/** The key of a payload; AppError `invalid` (never retried) when it is not what its job says. Payloads are parsed here only. */
export function parsePayload(job: JobName, data: unknown): string {
  const parsed = JOBS[job].safeParse(data);
  if (!parsed.success)
    throw new AppError("invalid", `A ${job} wake-up of another version or another sender was dropped.`, { cause: parsed.error });
  return parsed.data.uid;
}

/** Uids become parts of keys and of access rules. */
function assertUid(uid: string): void {
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(uid)) throw new AppError("invalid", "A host's uid consists of letters, digits, _ and -.");
}
