import type { Logger } from "@plimsoll/config";

/** Nothing to do until somebody wakes the key or the next resync comes. */
export interface Done {
  readonly kind: "done";
}
/** Nothing to do now; look again after this time, whoever wakes or not. */
export interface RequeueAfter {
  readonly kind: "requeue";
  readonly afterMs: number;
}

export const DONE: Done = { kind: "done" };
export const requeueAfter = (afterMs: number): RequeueAfter => ({ kind: "requeue", afterMs });

/** The lease that a reconcile runs under: every write compares it, so that a holder who was replaced changes nothing. */
export interface Fence {
  readonly key: string;
  readonly epoch: number;
}

export interface ReconcileContext {
  readonly fence: Fence;
  /** Aborted when the lease is lost and when the runtime stops: give up soon. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface Reconciler<K extends string = string> {
  /**
   * Level-based and idempotent: reads everything it needs, ignores why it was woken. Never concurrent for one key, also across
   * processes. Throws → retried with growing pauses; AppError with retry "never" → parked and shown, until the key is woken;
   * `{ afterMs }` → after that time; `conflict` and `stale_lease` are no failures: another writer was first, so it is read again.
   */
  reconcile(key: K, context: ReconcileContext): Promise<Done | RequeueAfter>;
}

/** Exclusion, as packages/db keeps it in Postgres; stated here because this package stands beside it, not above. */
export interface LeaseStore {
  /** undefined: another holds it. Taking it again renews it. */
  acquire(key: string, holder: string, ttlMs: number): Promise<Lease | undefined>;
  /** false: it was lost. */
  renew(lease: Lease, ttlMs: number): Promise<boolean>;
  release(lease: Lease): Promise<void>;
}
export interface Lease extends Fence {
  readonly holder: string;
}
