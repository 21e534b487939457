import type { Database } from "@plimsoll/db";

const CHANNELS = ["plimsoll_changes", "plimsoll_build_log"] as const;
export type SignalChannel = (typeof CHANNELS)[number];

export interface Topic {
  readonly channel: SignalChannel;
  /** Scope uid for changes, build uid for build logs. */
  readonly key: string;
}

/** What one reader waits for. Level-triggered: a signal says "read again", never what happened. */
export interface Subscription {
  /** Keys signalled since the last call; all of them at first. */
  take(): ReadonlySet<string>;
  /** Resolves at the next signal (at once when one is there) with true; after `timeoutMs`, or when `signal` is aborted, with false. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

export interface Signals {
  subscribe(topics: readonly Topic[]): Subscription;
  close(): Promise<void>;
}

/** One LISTEN connection of this process, fanned out to everybody who watches. After a lost connection everybody reads again. */
export function createSignals(db: Pick<Database, "listen">): Signals {
  const readers = new Map<string, Set<Reader>>();
  const listener = db.listen(CHANNELS, (channel, payload) => {
    if (payload !== undefined) for (const reader of readers.get(`${channel}/${payload}`) ?? []) reader.signal(payload);
    else for (const [topic, some] of readers) if (topic.startsWith(`${channel}/`)) for (const reader of some) reader.signal(keyOf(topic));
  });
  return {
    subscribe(topics) {
      const names = topics.map(({ channel, key }) => `${channel}/${key}`);
      const reader = new Reader(topics.map(({ key }) => key));
      for (const name of names) readers.set(name, (readers.get(name) ?? new Set()).add(reader));
      return {
        take: () => reader.take(),
        wait: (timeoutMs, signal) => reader.wait(timeoutMs, signal),
        close() {
          for (const name of names) {
            const some = readers.get(name);
            some?.delete(reader);
            if (some?.size === 0) readers.delete(name);
          }
        },
      };
    },
    close: () => listener.close(),
  };
}

function keyOf(topic: string): string {
  return topic.slice(topic.indexOf("/") + 1);
}

class Reader {
  #signalled: Set<string>;
  #wake: (() => void) | undefined;

  constructor(keys: readonly string[]) {
    this.#signalled = new Set(keys);
  }

  signal(key: string): void {
    this.#signalled.add(key);
    this.#wake?.();
  }

  take(): ReadonlySet<string> {
    const taken = this.#signalled;
    this.#signalled = new Set();
    return taken;
  }

  async wait(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#signalled.size > 0 || signal.aborted) return this.#signalled.size > 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const leave = () => resolve();
    signal.addEventListener("abort", leave, { once: true });
    this.#wake = leave;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    return this.#signalled.size > 0;
  }
}
