import { AppError } from "@plimsoll/core";

/**
 * Lets at most `atOnce` pieces of work of one key run at the same time; the rest wait in order, up to `waiting` of them. Database
 * connections are few and shared: what would only wait in the database waits here, so that one tenant's crowd delays itself.
 */
export class Turns {
  readonly #atOnce: number;
  readonly #waiting: number;
  readonly #lines = new Map<string, { running: number; readonly queue: (() => void)[] }>();

  constructor(atOnce: number, waiting: number) {
    this.#atOnce = atOnce;
    this.#waiting = waiting;
  }

  /** Runs `work` when it is its turn; `rate_limited` when too many wait already. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { running: 0, queue: [] };
    this.#lines.set(key, line);
    if (line.running < this.#atOnce) line.running++;
    else {
      if (line.queue.length >= this.#waiting)
        throw new AppError("rate_limited", "Too many changes of this team wait already; try again in a few seconds.");
      // Whoever finishes hands its turn over: `running` stays.
      await new Promise<void>((resolve) => line.queue.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = line.queue.shift();
      if (next !== undefined) next();
      else if (--line.running === 0) this.#lines.delete(key);
    }
  }
}
