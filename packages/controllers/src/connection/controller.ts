import type { Clock } from "@plimsoll/config";
import type { Database } from "@plimsoll/db";
import { DONE, type Done, type ReconcileContext, type Reconciler, type RequeueAfter, requeueAfter } from "@plimsoll/reconcile";
import type { ControllerPorts } from "../ports.ts";
import { nextLookMs } from "./next-look.ts";

export interface ConnectionReconcilerOptions {
  readonly db: Database;
  readonly ports: ControllerPorts;
  readonly clock: Clock;
}

/** While a build of its commit is under way: the other side is told how it goes. */
const REPORT_MS = 2_000;

/** Follows the repository that an app is connected to: when it is told, and every few minutes. Key: app uid. */
export class ConnectionReconciler implements Reconciler {
  readonly #options: ConnectionReconcilerOptions;

  constructor(options: ConnectionReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(appUid: string, { signal }: ReconcileContext): Promise<Done | RequeueAfter> {
    const { db, ports, clock } = this.#options;
    const connection = await db.connections.find(appUid);
    if (connection === undefined) return DONE;
    if (nextLookMs(connection, clock.now().getTime()) === 0) await ports.lookAtConnection?.(connection, signal);
    const after = await db.connections.find(appUid);
    if (after === undefined) return DONE;
    const goesOn = (await ports.reportConnection?.(after)) === true;
    const waitMs = nextLookMs(after, clock.now().getTime());
    return requeueAfter(Math.max(100, goesOn ? Math.min(REPORT_MS, waitMs) : waitMs));
  }
}
