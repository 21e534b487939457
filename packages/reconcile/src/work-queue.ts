/**
 * Keys that are to be run, each at most once in line. Two lanes: what somebody waits for goes before what is only looked at again, so
 * that a resync of many keys delays nobody.
 */
export class WorkQueue<K> {
  readonly #urgent = new Set<K>();
  readonly #routine = new Set<K>();

  get size(): number {
    return this.#urgent.size + this.#routine.size;
  }

  add(key: K, lane: "urgent" | "routine"): void {
    if (lane === "urgent") {
      this.#routine.delete(key);
      this.#urgent.add(key);
    } else if (!this.#urgent.has(key)) this.#routine.add(key);
  }

  /** The next key in line; `urgentOnly` leaves the routine lane alone. */
  take(urgentOnly: boolean): K | undefined {
    for (const lane of urgentOnly ? [this.#urgent] : [this.#urgent, this.#routine])
      for (const key of lane) {
        lane.delete(key);
        return key;
      }
    return undefined;
  }

  clear(): void {
    this.#urgent.clear();
    this.#routine.clear();
  }
}
