import type { Database } from "@plimsoll/db";

/** Wakes whoever waits for a scope or a build's log to change: one LISTEN connection for the whole process. */
export class Notifier {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #listener: { close(): Promise<void> };

  constructor(db: Database) {
    this.#listener = db.listen(["plimsoll_changes", "plimsoll_build_log"], (_channel, payload) => this.#notify(payload));
  }

  /** Resolves when one of the keys changed, after `timeoutMs`, or when the signal is aborted. Arm it before reading. */
  changed(keys: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        for (const key of keys) {
          this.#waiting.get(key)?.delete(done);
          if (this.#waiting.get(key)?.size === 0) this.#waiting.delete(key);
        }
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      for (const key of keys) {
        const set = this.#waiting.get(key) ?? new Set();
        set.add(done);
        this.#waiting.set(key, set);
      }
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }

  async close(): Promise<void> {
    await this.#listener.close();
    this.#notify(undefined);
  }

  #notify(key: string | undefined): void {
    const sets = key === undefined ? [...this.#waiting.values()] : [this.#waiting.get(key) ?? new Set<() => void>()];
    for (const set of sets) for (const wake of [...set]) wake();
  }
}
