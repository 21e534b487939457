/**
 * Many may pass together, or one alone. Who wants to be alone waits a bounded time for those inside, and newcomers wait for him: they are
 * never held up for longer than that and his work. In this process only.
 */
export class Gate {
  #inside = 0;
  #alone: Promise<void> | undefined;
  #left: (() => void) | undefined;

  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone;
    this.#inside++;
    try {
      return await work();
    } finally {
      if (--this.#inside === 0) this.#left?.();
    }
  }

  /** Undefined, and nothing done, when somebody stayed inside for `waitMs`. */
  async alone<T>(work: () => Promise<T>, waitMs: number): Promise<T | undefined> {
    while (this.#alone !== undefined) await this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      return (await this.#isEmptyWithin(waitMs)) ? await work() : undefined;
    } finally {
      this.#alone = undefined;
      resolve();
    }
  }

  async #isEmptyWithin(waitMs: number): Promise<boolean> {
    if (this.#inside === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), waitMs);
    this.#left = () => resolve(true);
    const empty = await promise;
    clearTimeout(timer);
    this.#left = undefined;
    return empty;
  }
}
