import type { InstanceReport } from "@plimsoll/contracts";
import type { Resource, Status } from "@plimsoll/core";
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
  return true;
}

/** The status after a report: what the host does not say any more is gone, what only the platform writes stays. */
export function reportedStatus(before: Status<"Instance">, { uid: _, ...report }: InstanceReport): Status<"Instance"> {
  return { ...report, ...(before.drainVersion === undefined ? {} : { drainVersion: before.drainVersion }) };
}

/** Where routers send requests to, or nothing. */
function routable(status: Status<"Instance">): string | undefined {
  return status.phase === "ready" ? status.address : undefined;
}
