import type { BuildProgress } from "@plimsoll/contracts";
import type { BuildEvent } from "@plimsoll/core";

/** Long enough to gather a burst of log lines, short enough to look immediate. */
const GATHER_MS = 40;
/** A silent step still renews the build's lease of 15 s. */
const RENEW_MS = 4_000;
const RETRY_MS = 500;
/** More than this of last words has a request of its own before the result's. */
const LAST_WORDS_BYTES = 256 * 1024;

/**
 * Sends a build's progress in order, gathered into few requests, again until the server has it. Consecutive output of one step and
 * stream becomes one event. When the server says that the lease is lost, `onLost` is called once and nothing more is sent.
 */
export class ProgressSender {
  readonly #send: (entries: readonly BuildProgress[]) => Promise<void>;
  readonly #onLost: (error: unknown) => void;
  readonly #isLost: (error: unknown) => boolean;
  readonly #renewal: NodeJS.Timeout;
  #queue: BuildProgress[] = [];
  #seq = 0;
  #sending: Promise<void> | undefined;
  /** Cuts the gathering under way short. */
  #hurry: (() => void) | undefined;
  #closing = false;
  #closed = false;

  constructor(options: {
    readonly send: (entries: readonly BuildProgress[]) => Promise<void>;
    readonly isLost: (error: unknown) => boolean;
    readonly onLost: (error: unknown) => void;
  }) {
    this.#send = options.send;
    this.#isLost = options.isLost;
    this.#onLost = options.onLost;
    this.#renewal = setInterval(() => this.#flushSoon(0, true), RENEW_MS);
  }

  add(event: BuildEvent): void {
    const last = this.#queue.at(-1);
    if (
      last?.event.type === "step-log" &&
      event.type === "step-log" &&
      last.event.step === event.step &&
      last.event.stream === event.stream
    ) {
      this.#queue[this.#queue.length - 1] = { seq: last.seq, event: { ...last.event, text: last.event.text + event.text } };
      return;
    }
    this.#queue.push({ seq: this.#seq++, event });
    this.#flushSoon(GATHER_MS);
  }

  /**
   * Ends the sending, and answers what is still to be told: it goes with the build's result, in one request. Everything before has been
   * delivered then, or the lease is lost.
   */
  async close(): Promise<readonly BuildProgress[]> {
    clearInterval(this.#renewal);
    this.#closing = true;
    this.#hurry?.();
    while (this.#sending !== undefined) await this.#sending;
    while (!this.#closed && sizeOf(this.#queue) > LAST_WORDS_BYTES) await this.#flush(0, false);
    const rest = this.#closed ? [] : this.#queue;
    this.#closed = true;
    this.#queue = [];
    return rest;
  }

  #flushSoon(delayMs: number, evenEmpty = false): void {
    if (this.#closed || this.#closing || this.#sending !== undefined) return;
    this.#sending = this.#flush(delayMs, evenEmpty).finally(() => {
      this.#sending = undefined;
      if (this.#queue.length > 0) this.#flushSoon(GATHER_MS);
    });
  }

  async #flush(delayMs: number, evenEmpty: boolean): Promise<void> {
    if (delayMs > 0) await this.#gather(delayMs);
    // The rest goes with the result.
    if (this.#closing && sizeOf(this.#queue) <= LAST_WORDS_BYTES) return;
    const entries = this.#queue;
    this.#queue = [];
    if (entries.length === 0 && !evenEmpty) return;
    try {
      await this.#send(entries);
    } catch (error) {
      if (this.#isLost(error)) {
        this.#closed = true;
        clearInterval(this.#renewal);
        this.#onLost(error);
        return;
      }
      this.#queue = [...entries, ...this.#queue];
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #gather(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#hurry = undefined;
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      this.#hurry = done;
    });
  }
}

/** Characters of output, which is what a build's progress can have much of. */
function sizeOf(entries: readonly BuildProgress[]): number {
  return entries.reduce((sum, { event }) => sum + (event.type === "step-log" ? event.text.length : 100), 0);
}
