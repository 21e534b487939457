/** Counters of one controller since its start; read, never reset. */
export interface ControllerMetrics {
  readonly wakes: number;
  readonly resyncs: number;
  readonly done: number;
  readonly requeued: number;
  readonly failed: number;
  readonly parked: number;
  /** Another writer moved first: read again at once. */
  readonly conflicts: number;
  /** Another process holds the key. */
  readonly contended: number;
  /** The lease was lost while running. */
  readonly stale: number;
  readonly running: number;
  readonly waiting: number;
  readonly parkedNow: number;
}

export type Counter = Exclude<keyof ControllerMetrics, "running" | "waiting" | "parkedNow">;

export function newCounters(): Record<Counter, number> {
  return { wakes: 0, resyncs: 0, done: 0, requeued: 0, failed: 0, parked: 0, conflicts: 0, contended: 0, stale: 0 };
}
