import type { ProcessIdentity } from "@plimsoll/host";

/** What HAProxy counted for one backend. */
export interface BackendTraffic {
  readonly backendId: string;
  readonly requests: number;
  /** Answered with 5xx by HAProxy or the instance. */
  readonly failed: number;
  /** Connections to an instance that failed, and answers that broke off; another try may have saved the request. */
  readonly connectionErrors: number;
  readonly sessions: number;
}

/** Adds up what several workers counted: each counts from zero, and a replaced one goes on until its last connection ends. */
export class TrafficLedger {
  readonly #living = new Map<string, { readonly worker: ProcessIdentity; readonly counters: readonly BackendTraffic[] }>();
  #ended: readonly BackendTraffic[] = [];

  /** Takes the newest counters of a worker, in place of what it said before. */
  record(worker: ProcessIdentity, counters: readonly BackendTraffic[]): void {
    this.#living.set(`${worker.pid}/${worker.startTicks}`, { worker, counters });
  }

  /** Of a worker that has ended, what it counted stays, and nothing can be recorded any more. */
  settle(isAlive: (worker: ProcessIdentity) => boolean): void {
    for (const [key, { worker, counters }] of this.#living) {
      if (isAlive(worker)) continue;
      this.#living.delete(key);
      this.#ended = sum([...this.#ended, ...counters.map((traffic) => ({ ...traffic, sessions: 0 }))]);
    }
  }

  totals(): readonly BackendTraffic[] {
    return sum([...this.#ended, ...[...this.#living.values()].flatMap(({ counters }) => counters)]);
  }
}

function sum(parts: readonly BackendTraffic[]): readonly BackendTraffic[] {
  const totals = new Map<string, BackendTraffic>();
  for (const part of parts) {
    const before = totals.get(part.backendId);
    totals.set(part.backendId, {
      backendId: part.backendId,
      requests: (before?.requests ?? 0) + part.requests,
      failed: (before?.failed ?? 0) + part.failed,
      connectionErrors: (before?.connectionErrors ?? 0) + part.connectionErrors,
      sessions: (before?.sessions ?? 0) + part.sessions,
    });
  }
  return [...totals.values()];
}

/** Pure: counters per backend of `show stat` (CSV, columns by name). The platform's own pages are left out. */
export function parseTraffic(csv: string): readonly BackendTraffic[] {
  const [head = "", ...lines] = csv.split("\n");
  const columns = head.replace(/^# /, "").split(",");
  return lines
    .map((line) => line.split(","))
    .map((fields) => (name: string) => fields[columns.indexOf(name)] ?? "")
    .filter((field) => field("svname") === "BACKEND" && !field("pxname").startsWith("platform_"))
    .map((field) => ({
      backendId: field("pxname"),
      requests: Number(field("req_tot") || 0),
      failed: Number(field("hrsp_5xx") || 0),
      connectionErrors: Number(field("econ") || 0) + Number(field("eresp") || 0),
      sessions: Number(field("scur") || 0),
    }));
}
