/** Something that is looked for once for several who want it; when the last of them does not want it any more it is stopped. */
export class Search<T> {
  readonly #stop = new AbortController();
  readonly #result: Promise<T>;
  #wanting = 0;
  #over = false;

  constructor(find: (stop: AbortSignal) => Promise<T>) {
    this.#result = find(this.#stop.signal).finally(() => {
      this.#over = true;
    });
    // Whoever has left is not told.
    this.#result.catch(() => undefined);
  }

  /** It has ended, or nobody waits for it any more: a next one has to begin anew. */
  get isOver(): boolean {
    return this.#over;
  }

  /** The result, or the reason of the signal of whoever asks as soon as that is aborted. */
  async found(signal: AbortSignal | undefined): Promise<T> {
    this.#wanting++;
    try {
      return await unlessAborted(this.#result, signal);
    } finally {
      if (--this.#wanting === 0 && !this.#over) {
        this.#over = true;
        this.#stop.abort();
      }
    }
  }
}

/** The promise's outcome, or the signal's reason as soon as it is aborted; what the promise stands for goes on. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    promise.catch(() => undefined);
  }
}
