import type { Logger } from "@plimsoll/config";
import { AppError, toAppError } from "@plimsoll/core";
import { type Backoff, backoffMs } from "./backoff.ts";
import { type ControllerMetrics, newCounters } from "./metrics.ts";
import type { Lease, LeaseStore, Reconciler } from "./reconciler.ts";
import { WorkQueue } from "./work-queue.ts";

export interface ControllerOptions<K extends string> {
  /** Leases are `control/<name>/<key>`: agents hold leases of their own on what they work at. */
  readonly name: string;
  readonly reconciler: Reconciler<K>;
  readonly leases: LeaseStore;
  /** Unique to this process and this start of it. */
  readonly holder: string;
  /** Keys that may need work: all of them, or those that are not settled. Read at start and at every resync. */
  list(): Promise<readonly K[]>;
  readonly log: Logger;
  /** An error that is not retried. `undefined`: the key was reconciled after all. */
  onParked?(key: K, error: AppError | undefined): void;
  readonly concurrency?: number;
  readonly resyncMs?: number;
  readonly leaseMs?: number;
  readonly backoff?: Backoff;
  readonly random?: () => number;
}

export interface Controller<K extends string> {
  /** Begins with a resync; wakes that came before are not lost. */
  start(): void;
  /** Reconciles the key soon, again if it is running. Cheap, idempotent, safe from anywhere. */
  wake(key: K): void;
  /** Takes no new key, waits for those running at most `timeoutMs` and gives their leases back. Idempotent. */
  stop(timeoutMs?: number): Promise<void>;
  readonly metrics: ControllerMetrics;
}

const DEFAULTS = {
  concurrency: 8,
  resyncMs: 30_000,
  /** As long as a key whose holder was killed stays closed to everybody. */
  leaseMs: 5_000,
  backoff: { firstMs: 100, mostMs: 30_000 },
} as const;

/** Another writer was first: its transaction is over, so there is next to nothing to wait for. */
const CONFLICT_BACKOFF: Backoff = { firstMs: 5, mostMs: 1_000 };
/** Another process runs the key: mostly for milliseconds. */
const CONTENDED_BACKOFF: Backoff = { firstMs: 10, mostMs: 500 };
/** Parked keys are tried again now and then: the wake-up that would have freed them may be lost. */
const PARKED_RESYNCS = 10;
const STOP_TIMEOUT_MS = 10_000;

type Settings<K extends string> = ControllerOptions<K> & Required<Pick<ControllerOptions<K>, keyof typeof DEFAULTS | "random">>;

/** What is known of a key that is not simply at rest. */
interface Entry {
  running: boolean;
  /** Woken while running. */
  again: boolean;
  timer?: NodeJS.Timeout | undefined;
  failures: number;
  conflicts: number;
  contentions: number;
  parked?: AppError | undefined;
}

/**
 * Runs a reconciler over keys: never two runs of one key at a time in this process, nor in any that shares the leases; a wake during
 * a run makes one more run. Needs no queue to make progress: the resync alone reaches every key.
 */
export function createController<K extends string>(options: ControllerOptions<K>): Controller<K> {
  return new KeyedController(options);
}

class KeyedController<K extends string> implements Controller<K> {
  readonly #options: Settings<K>;
  readonly #entries = new Map<K, Entry>();
  readonly #queue = new WorkQueue<K>();
  readonly #counters = newCounters();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #renewals = new Set<NodeJS.Timeout>();
  #started = false;
  #resyncTimer: NodeJS.Timeout | undefined;

  constructor(options: ControllerOptions<K>) {
    this.#options = { ...DEFAULTS, random: Math.random, ...options };
  }

  get metrics(): ControllerMetrics {
    let parkedNow = 0;
    for (const { parked } of this.#entries.values()) if (parked !== undefined) parkedNow++;
    return { ...this.#counters, running: this.#running.size, waiting: this.#queue.size, parkedNow };
  }

  start(): void {
    if (this.#started || this.#stop.signal.aborted) return;
    this.#started = true;
    this.#dispatch();
    void this.#resync();
  }

  wake(key: K): void {
    this.#counters.wakes++;
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.parked = undefined;
    this.#enqueue(key, "urgent");
  }

  async stop(timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#resyncTimer);
    for (const entry of this.#entries.values()) cancelTimer(entry);
    this.#queue.clear();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(this.#running), patience]);
    clearTimeout(timer);
    // Who does not end in time writes nothing any more once another has taken its key.
    for (const renewal of this.#renewals) clearInterval(renewal);
  }

  #enqueue(key: K, lane: "urgent" | "routine"): void {
    if (this.#stop.signal.aborted) return;
    const entry = this.#entries.get(key);
    if (entry?.running) {
      // A routine look at a key that is being looked at adds nothing.
      if (lane === "urgent") entry.again = true;
      return;
    }
    if (entry !== undefined) cancelTimer(entry);
    this.#queue.add(key, lane);
    this.#dispatch();
  }

  #dispatch(): void {
    if (!this.#started) return;
    const { concurrency } = this.#options;
    while (this.#running.size < concurrency && !this.#stop.signal.aborted) {
      // Half of the places, rounded up, are open to routine work.
      const key = this.#queue.take(this.#running.size >= Math.ceil(concurrency / 2));
      if (key === undefined) return;
      const entry = this.#entries.get(key) ?? { running: false, again: false, failures: 0, conflicts: 0, contentions: 0 };
      this.#entries.set(key, entry);
      entry.running = true;
      entry.again = false;
      const run = this.#run(key, entry).finally(() => {
        this.#running.delete(run);
        entry.running = false;
        if (entry.again) this.#enqueue(key, "urgent");
        this.#forgetAtRest(key, entry);
        this.#dispatch();
      });
      this.#running.add(run);
    }
  }

  async #run(key: K, entry: Entry): Promise<void> {
    const { name, leases, holder, leaseMs, log } = this.#options;
    let lease: Lease | undefined;
    try {
      lease = await leases.acquire(`control/${name}/${key}`, holder, leaseMs);
      if (lease === undefined) {
        this.#counters.contended++;
        this.#later(key, entry, backoffMs(CONTENDED_BACKOFF, ++entry.contentions, this.#options.random));
        return;
      }
      entry.contentions = 0;
      await this.#reconcile(key, entry, lease);
    } catch (error) {
      this.#onError(key, entry, toAppError(error));
    } finally {
      if (lease !== undefined)
        await leases.release(lease).catch((error) => log.debug("a lease was not given back; it expires", { controller: name, key, error }));
    }
  }

  async #reconcile(key: K, entry: Entry, lease: Lease): Promise<void> {
    const { name, reconciler, log } = this.#options;
    const lost = new AbortController();
    const stopRenewal = this.#keepRenewing(lease, () => lost.abort(new AppError("stale_lease", `The lease of ${name}/${key} was lost.`)));
    try {
      const result = await reconciler.reconcile(key, {
        fence: { key: lease.key, epoch: lease.epoch },
        signal: AbortSignal.any([this.#stop.signal, lost.signal]),
        log: log.child({ controller: name, key }),
      });
      if (entry.parked !== undefined) this.#options.onParked?.(key, undefined);
      entry.parked = undefined;
      entry.failures = 0;
      entry.conflicts = 0;
      if (result.kind === "done") this.#counters.done++;
      else {
        this.#counters.requeued++;
        this.#later(key, entry, result.afterMs);
      }
    } finally {
      stopRenewal();
    }
  }

  #onError(key: K, entry: Entry, error: AppError): void {
    const { name, log, random, backoff } = this.#options;
    switch (error.code) {
      case "conflict":
        if (error.retry === "never") break;
        this.#counters.conflicts++;
        this.#later(key, entry, backoffMs(CONFLICT_BACKOFF, ++entry.conflicts, random));
        return;
      case "stale_lease":
        this.#counters.stale++;
        this.#later(key, entry, backoffMs(CONTENDED_BACKOFF, ++entry.contentions, random));
        return;
      default:
    }
    if (error.retry === "never") {
      this.#counters.parked++;
      entry.parked = error;
      log.error("parked: it is tried again when something about it changes", { controller: name, key, code: error.code, error });
      this.#options.onParked?.(key, error);
      return;
    }
    this.#counters.failed++;
    entry.failures++;
    const afterMs = error.retry === "backoff" ? backoffMs(backoff, entry.failures, random) : error.retry.afterMs;
    // One line for the first failure, then ever fewer: an outage must not fill the log.
    if ((entry.failures & (entry.failures - 1)) === 0)
      log.warn("failed and will be tried again", { controller: name, key, failures: entry.failures, afterMs: Math.round(afterMs), error });
    this.#later(key, entry, afterMs);
  }

  /** Renews at a third of the lease's time until told to stop; a renewal that is refused is told once. */
  #keepRenewing(lease: Lease, onLost: () => void): () => void {
    const { leases, leaseMs } = this.#options;
    const timer = setInterval(() => {
      leases.renew(lease, leaseMs).then(
        (held) => {
          if (held) return;
          clearInterval(timer);
          onLost();
        },
        // The database does not answer: the fence decides what was still in time.
        () => undefined,
      );
    }, leaseMs / 3);
    this.#renewals.add(timer);
    return () => {
      clearInterval(timer);
      this.#renewals.delete(timer);
    };
  }

  #later(key: K, entry: Entry, afterMs: number): void {
    if (this.#stop.signal.aborted) return;
    cancelTimer(entry);
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      this.#enqueue(key, "urgent");
    }, afterMs);
  }

  async #resync(): Promise<void> {
    const { name, list, resyncMs, random, log } = this.#options;
    const count = this.#counters.resyncs++;
    try {
      for (const key of await list()) {
        const entry = this.#entries.get(key);
        if (entry?.parked !== undefined && count % PARKED_RESYNCS !== 0) continue;
        // Its own timer will bring it back.
        if (entry !== undefined && entry.failures > 0) continue;
        this.#enqueue(key, "routine");
      }
    } catch (error) {
      log.warn("could not list what is to be looked at; the next resync tries again", { controller: name, error });
    }
    if (this.#stop.signal.aborted) return;
    // Up to a tenth earlier, so that several servers drift apart.
    this.#resyncTimer = setTimeout(() => void this.#resync(), resyncMs * (1 - random() / 10));
  }

  #forgetAtRest(key: K, entry: Entry): void {
    if (entry.running || entry.again || entry.timer !== undefined || entry.parked !== undefined) return;
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

function cancelTimer(entry: Entry): void {
  clearTimeout(entry.timer);
  entry.timer = undefined;
}
