/**
 * Runs `pass` whenever triggered, never twice at the same time; triggers that come while it runs make it run once more after. A pass
 * that throws is told to `onError` and repeated by the next trigger: level-triggered work needs no queue of its own.
 */
export class Loop {
  readonly #pass: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(pass: () => Promise<void>, onError: (error: unknown) => void) {
    this.#pass = pass;
    this.#onError = onError;
  }

  trigger(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.trigger();
      }
    });
  }

  /** Sees to it that a pass begins within that time: for what is worth another try and of which nobody will tell. */
  triggerWithin(ms: number): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => this.trigger(), ms);
  }

  /** No pass begins after this; resolves when the one under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#again = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#pass();
    } catch (error) {
      this.#onError(error);
    }
  }
}
