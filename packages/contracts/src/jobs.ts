import { z } from "zod";

/**
 * Every wake-up that travels through the queue: ids only, never a snapshot, never a secret (invariant 1). What to do is read from
 * Postgres by whoever wakes; a lost wake-up costs at most one resync (30 s).
 */
export const JOBS = {
  /** Reconcile one app: rollout, scaling, clean-up. Key: app uid. */
  app: z.object({ uid: z.string() }),
  /** Reconcile one build: place it, follow it, release it. Key: build uid. */
  build: z.object({ uid: z.string() }),
  /** Reconcile one host: leases, lost instances. Key: host uid. */
  host: z.object({ uid: z.string() }),
  /** Finish one push: move its branch, or record why not. Key: push id. */
  push: z.object({ uid: z.string() }),
  /** Look at the repository that an app is connected to, and tell it what became of its commit. Key: app uid. */
  connection: z.object({ uid: z.string() }),
  /** An agent reads its desired state again. Key: host uid; on the host's own queue. */
  sync: z.object({ uid: z.string() }),
} as const;

export type JobName = keyof typeof JOBS;
/** Kinds of wake-ups that controllers take; `sync` goes to the agents. */
export type ControlJobName = Exclude<JobName, "sync">;

/** One wake-up: what kind, and the key whose state is to be read again. */
export interface Wake {
  readonly job: JobName;
  readonly uid: string;
}
