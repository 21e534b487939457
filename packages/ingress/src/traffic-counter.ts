import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess, isAlive, type ProcessIdentity } from "@plimsoll/host";
import { ifAvailable, parseInfo, sendCommands } from "./runtime.ts";
import { type BackendTraffic, parseTraffic, TrafficLedger } from "./traffic.ts";
import { Turns } from "./turns.ts";
import { WorkerSession } from "./worker-session.ts";

const COUNTERS = "show stat -1 2 -1";
/** A replaced worker ends so much later than it would by itself; of one that stays for long, a hundredth of its time. */
const LOOK_MS = 50;
const LONGEST_LOOK_MS = 1_000;

/**
 * Counts what all workers of one HAProxy answered, to the last request. A worker's counters end with it, at the moment of its last answer:
 * whoever only looks from time to time loses what came after the last look, in a burst of reloads nearly half. So a session is opened with
 * each worker before it is replaced. It cannot end then before we have seen that nothing is left but the session, have read the counters
 * and let go. It costs a request nothing, and when we are killed the session goes with us and the worker ends as ever. (A log line a
 * request would cost a system call each, and a stick table is overwritten, not added up, by the peer that both workers are in.)
 *
 * Lost is: what was counted since the last count() by a worker that was killed, that reached its hard stop, or that had been replaced
 * before we were there.
 */
export class TrafficCounter {
  readonly #sockets: { readonly runtimeSocket: string; readonly masterSocket: string };
  readonly #replacedWorkers: () => readonly ProcessIdentity[];
  readonly #ledger = new TrafficLedger();
  readonly #held = new Map<WorkerSession, ProcessIdentity>();
  /** Replaced before we came: out of reach but through the master, who passes on single questions only. */
  #strangers: readonly ProcessIdentity[] | undefined;
  /** A look that is under way must not be noted after a newer one, so there is one at a time. */
  readonly #turns = new Turns();

  constructor(
    sockets: { readonly runtimeSocket: string; readonly masterSocket: string },
    replacedWorkers: () => readonly ProcessIdentity[],
  ) {
    this.#sockets = sockets;
    this.#replacedWorkers = replacedWorkers;
  }

  /** Totals per backend; workers that do not answer count with what they last said. Safe to call at any time. */
  count(): Promise<readonly BackendTraffic[]> {
    return this.#turns.take(async () => {
      this.#strangers ??= this.#replacedWorkers();
      await this.#lookAtCurrent();
      for (const session of this.#held.keys()) await this.#lookAtHeld(session);
      for (const stranger of this.#strangers) await this.#lookAtStranger(stranger);
      this.#strangers = this.#strangers.filter(isAlive);
      this.#ledger.settle(isAlive);
      return this.#ledger.totals();
    });
  }

  /** To be called before each reload: the worker that is to be replaced lives until all it did is counted. */
  holdWorker(): Promise<void> {
    return this.#turns.take(async () => {
      this.#strangers ??= this.#replacedWorkers();
      // When nobody answers, the reload matters more than the count.
      const session = await ifAvailable(WorkerSession.open(this.#sockets.runtimeSocket));
      const info = session && (await ifAvailable(session.ask("show info")));
      if (session === undefined || info === undefined) return;
      const worker = identifyProcess(parseInfo(info).pid);
      // Held already, as its reload failed: two sessions would wait for each other.
      if (worker === undefined || [...this.#held.values()].some(({ pid }) => pid === worker.pid)) return session.close();
      this.#held.set(session, worker);
      void this.#holdUntilCounted(session);
    });
  }

  /** Lets all workers end, counted or not. */
  release(): void {
    for (const session of this.#held.keys()) this.#letGo(session);
  }

  async #holdUntilCounted(session: WorkerSession): Promise<void> {
    const sinceMs = performance.now();
    while (!(await this.#turns.take(() => this.#isCounted(session)))) {
      const pauseMs = Math.min(LONGEST_LOOK_MS, Math.max(LOOK_MS, (performance.now() - sinceMs) / 100));
      await sleep(pauseMs, undefined, { ref: false });
    }
  }

  async #isCounted(session: WorkerSession): Promise<boolean> {
    if (!this.#held.has(session)) return true;
    const info = await ifAvailable(session.ask("show info"));
    if (info !== undefined && !parseInfo(info).isDone) return false;
    await this.#lookAtHeld(session);
    this.#letGo(session);
    return true;
  }

  async #lookAtCurrent(): Promise<void> {
    const answers = await ifAvailable(sendCommands(this.#sockets.runtimeSocket, ["show info", COUNTERS]));
    const worker = answers && identifyProcess(parseInfo(answers[0] ?? "").pid);
    if (worker !== undefined) this.#ledger.record(worker, parseTraffic(answers?.[1] ?? ""));
  }

  async #lookAtHeld(session: WorkerSession): Promise<void> {
    const counters = await ifAvailable(session.ask(COUNTERS));
    const worker = this.#held.get(session);
    if (counters === undefined) this.#letGo(session);
    else if (worker !== undefined) this.#ledger.record(worker, parseTraffic(counters));
  }

  async #lookAtStranger(stranger: ProcessIdentity): Promise<void> {
    const answers = await ifAvailable(sendCommands(this.#sockets.masterSocket, [`@!${stranger.pid} ${COUNTERS}`]));
    const counters = parseTraffic(answers?.[0] ?? "");
    // None when it has ended.
    if (counters.length > 0) this.#ledger.record(stranger, counters);
  }

  #letGo(session: WorkerSession): void {
    session.close();
    this.#held.delete(session);
  }
}
