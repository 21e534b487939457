import type { Clock } from "@plimsoll/config";

export interface VigilOptions {
  readonly clock: Clock;
  /** Asks the database which hosts changed between heard of and silent. */
  look(): Promise<readonly string[]>;
  onOutOfStep(uids: readonly string[]): void;
}

const LOOK_MS = 1_000;
/** Looks that are further apart: this process, its event loop or the database was away. */
const GAP_MS = 10_000;

/**
 * Watches over the hosts' leases once a second, and over its own watching: since when without a gap could hosts be heard? Nobody is
 * judged silent, late or lost for a time in which we were the ones who were away.
 */
export class Vigil {
  readonly #options: VigilOptions;
  #sinceMs: number;
  #lastMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: VigilOptions) {
    this.#options = options;
    this.#sinceMs = this.#lastMs = options.clock.now().getTime();
  }

  /** Milliseconds since 1970. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  start(): void {
    this.#sinceMs = this.#lastMs = this.#options.clock.now().getTime();
    this.#timer ??= setInterval(() => void this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async look(): Promise<void> {
    const uids = await this.#options.look().catch(() => undefined);
    if (uids === undefined) return;
    const nowMs = this.#options.clock.now().getTime();
    if (nowMs - this.#lastMs > GAP_MS) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
    this.#options.onOutOfStep(uids);
  }
}
