import type { InstanceAssignment, InstanceReport } from "@plimsoll/contracts";
import { InstanceKeeper, type KeeperOptions } from "./keeper.ts";

/** All instances of this host, each in the hands of its keeper. */
export class Instances {
  readonly #options: KeeperOptions;
  readonly #keepers = new Map<string, InstanceKeeper>();
  readonly #unsubscribe: () => void;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#unsubscribe = options.runtime.onExit(({ id }) => this.#keepers.get(id)?.poke());
  }

  /** Instances that are wanted or still here, with their namespaces. */
  get known(): ReadonlyMap<string, InstanceKeeper> {
    return this.#keepers;
  }

  /** What is wanted now. Instances that are here and that nobody wants are taken away: what is asked for is the whole truth. */
  apply(assignments: readonly InstanceAssignment[]): void {
    const wanted = new Map(assignments.map((assignment) => [assignment.uid, assignment]));
    for (const { id, namespace } of this.#options.runtime.list()) if (!wanted.has(id)) this.#keeper(id, namespace).want(undefined);
    for (const assignment of assignments) {
      // A keeper that is done says so again: the server may have missed it.
      const known = this.#keepers.get(assignment.uid);
      if (known?.gone) this.#options.onReport(known.report);
      else this.#keeper(assignment.uid, assignment.namespaceUid).want(assignment);
    }
    for (const [uid, keeper] of this.#keepers) {
      if (wanted.has(uid)) continue;
      if (keeper.gone) this.#keepers.delete(uid);
      else keeper.want(undefined);
    }
  }

  /**
   * Brings back what is to run; leaves alone what runs and is to stop, or is not named: the word for that may be old. Before the first
   * `apply`.
   */
  restore(assignments: readonly InstanceAssignment[]): void {
    // A task is no concern of what was known before: it may have ended, and is not begun again.
    for (const assignment of assignments)
      if (assignment.desired === "running" && assignment.task === undefined)
        this.#keeper(assignment.uid, assignment.namespaceUid).want(assignment);
  }

  reports(): readonly InstanceReport[] {
    return [...this.#keepers.values()].map((keeper) => keeper.report);
  }

  /** Stops looking after them; they go on running. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.close()));
  }

  #keeper(uid: string, namespaceUid: string): InstanceKeeper {
    const known = this.#keepers.get(uid);
    if (known !== undefined) return known;
    const keeper = new InstanceKeeper(uid, namespaceUid, this.#options);
    this.#keepers.set(uid, keeper);
    return keeper;
  }
}
