/** Work that takes its turn: one after the other, in the order of the calls, whatever became of the one before. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.catch(() => undefined).then(work);
    this.#last = mine;
    return mine;
  }
}
