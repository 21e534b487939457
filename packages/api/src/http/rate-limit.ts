import { AppError } from "@plimsoll/core";

export interface Rate {
  /** What may come at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Buckets kept at most; the one used longest ago goes first, which at worst forgives somebody. */
const MAX_BUCKETS = 20_000;

/**
 * Token buckets by key, in this process only: with several API processes each allows the whole rate, so the limit of an installation
 * is the rate times their number. It protects this process; quota protects the platform.
 */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(rate: Rate, nowMs: () => number) {
    this.#rate = rate;
    this.#nowMs = nowMs;
  }

  /** Takes one token, or throws `rate_limited` with the time until there is one. */
  take(key: string): void {
    const bucket = this.#refilled(key);
    if (bucket.tokens < 1) {
      const afterMs = Math.ceil(((1 - bucket.tokens) / this.#rate.perSecond) * 1_000);
      throw new AppError("rate_limited", `Too many requests; try again in ${Math.max(1, Math.ceil(afterMs / 1_000))} s.`, {
        retry: { afterMs },
      });
    }
    bucket.tokens -= 1;
  }

  /** Gives one back, for what turned out not to count. */
  refund(key: string): void {
    const bucket = this.#refilled(key);
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + 1);
  }

  #refilled(key: string): { tokens: number; atMs: number } {
    const nowMs = this.#nowMs();
    const before = this.#buckets.get(key) ?? { tokens: this.#rate.burst, atMs: nowMs };
    const gained = (Math.max(0, nowMs - before.atMs) / 1_000) * this.#rate.perSecond;
    const bucket = { tokens: Math.min(this.#rate.burst, before.tokens + gained), atMs: nowMs };
    // Deleting first moves the key to the end: the map's order is the order of last use.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_BUCKETS) this.#dropOldest();
    return bucket;
  }

  #dropOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
