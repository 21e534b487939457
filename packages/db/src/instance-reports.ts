import type { InstanceReport } from "@plimsoll/contracts";
import { formatBytes, INSTANCE_PIDS, type Resource, type Status } from "@plimsoll/core";
import { type EventNote, recordEvent } from "./events.ts";
import { changeRouting } from "./routing.ts";
import type { Tx } from "./transaction.ts";

/**
 * Takes what a host says about one of its instances into the instance's status. Where routers care (it became ready, stopped being
 * so, or moved), the routing version moves with it; the app is woken when its phase or address changed. Idempotent; for transactions
 * of the platform. Answers whether anything changed; false also for an instance that is gone.
 */
export async function applyInstanceReport(tx: Tx, instance: Resource<"Instance">, report: InstanceReport): Promise<boolean> {
  if ((await tx.objects.find("Instance", instance.metadata.uid)) === undefined) return false;
  const current = await tx.objects.lock("Instance", instance.metadata.uid);
  const next = reportedStatus(current.status, report);
  const updated = await tx.objects.updateStatus(current, next);
  if (updated === current) return false;
  const ownerUid = current.metadata.ownerUid;
  const moved = current.status.phase !== next.phase || current.status.address !== next.address;
  if (moved && ownerUid !== undefined) tx.wake("app", ownerUid);
  if (routable(current.status) !== routable(next)) await changeRouting(tx);
  for (const note of reportEvents(current, next)) await recordEvent(tx, current, note);
  return true;
}

/** What of a change people may want to know later. */
export function reportEvents({ spec, status: before }: Resource<"Instance">, after: Status<"Instance">): readonly EventNote[] {
  const who = `${spec.process}-${spec.ordinal} (v${spec.release}, ${spec.host})`;
  const notes: EventNote[] = [];
  if (after.lastExit !== undefined && after.lastExit.at !== before.lastExit?.at && spec.desired === "running" && spec.task !== true) {
    const { outOfMemory, code, signal, at } = after.lastExit;
    notes.push(
      outOfMemory
        ? {
            type: "warning",
            reason: "OutOfMemory",
            message: `${who} was killed: it needed more than its ${formatBytes(spec.memoryBytes)}. Give the process more memory.`,
            at: new Date(at),
          }
        : {
            type: "warning",
            reason: "Exited",
            message: `${who} ${signal === undefined ? `exited with ${code}` : `was ended by ${signal}`}${afterLimit(after.lastExit)}; it is started again with growing pauses.`,
            at: new Date(at),
          },
    );
  }
  if ((after.startsRefused ?? 0) > (before.startsRefused ?? 0)) {
    notes.push({
      type: "warning",
      reason: "TooManyProcesses",
      message: `${who} has had ${atLimit(after.startsRefused ?? 0)}. It starts too many, or does not wait for those that ended.`,
    });
  }
  if (after.phase === "ready" && before.readyAt === undefined && after.readyAt !== undefined && after.startedAt !== undefined) {
    const seconds = Math.max(0, Date.parse(after.readyAt) - Date.parse(after.startedAt)) / 1_000;
    notes.push({
      type: "normal",
      reason: "Ready",
      message: `${who} got ready after ${seconds.toFixed(1)} s.`,
      at: new Date(after.readyAt),
    });
  }
  return notes;
}

function afterLimit({ startsRefused }: NonNullable<Status<"Instance">["lastExit"]>): string {
  return startsRefused === undefined ? "" : ` after it had ${atLimit(startsRefused)}`;
}

function atLimit(startsRefused: number): string {
  const times = startsRefused === 1 ? "once" : `${startsRefused} times`;
  return `all of its ${INSTANCE_PIDS} processes and threads, and was refused another ${times}`;
}

/** The status after a report: what the host does not say any more is gone, what only the platform writes stays. */
export function reportedStatus(before: Status<"Instance">, { uid: _, ...report }: InstanceReport): Status<"Instance"> {
  return { ...report, ...(before.drainVersion === undefined ? {} : { drainVersion: before.drainVersion }) };
}

/** Where routers send requests to, or nothing. */
function routable(status: Status<"Instance">): string | undefined {
  return status.phase === "ready" ? status.address : undefined;
}
