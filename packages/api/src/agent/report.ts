import { isDeepStrictEqual } from "node:util";
import type { HostReport } from "@plimsoll/contracts";
import { applyInstanceReport, type Database, PLATFORM, reportedStatus } from "@plimsoll/db";

/** A host that says nothing for so long is not waited for. */
export const HOST_LEASE_MS = 10_000;
/** Instances written in one transaction. */
const BATCH = 50;

/**
 * Takes a host's word: prolongs its lease, and writes what differs. A report that says nothing new writes no object and wakes nobody.
 * What it says about instances that are not bound to it is not heard.
 */
export async function takeReport(db: Database, hostUid: string, report: HostReport): Promise<void> {
  const { routingVersion, traffic, pressure } = report;
  // A router that has let go of something is told of by the heartbeat itself, to every process that runs controllers.
  const { wasSilent } = await db.platform.heartbeat(hostUid, HOST_LEASE_MS, {
    ...(routingVersion === undefined ? {} : { routingVersion }),
    ...(traffic === undefined ? {} : { traffic }),
    ...(pressure === undefined ? {} : { pressure }),
  });
  const reports = new Map(report.instances.map((one) => [one.uid, one]));
  const changed = (await db.objects(PLATFORM).list("Instance", { hostUid })).flatMap((instance) => {
    const said = reports.get(instance.metadata.uid);
    return said === undefined || isDeepStrictEqual(reportedStatus(instance.status, said), instance.status) ? [] : [{ instance, said }];
  });
  for (let at = 0; at < changed.length; at += BATCH)
    await db.write({ scope: PLATFORM }, async (tx) => {
      for (const { instance, said } of changed.slice(at, at + BATCH)) await applyInstanceReport(tx, instance, said);
    });
  if (wasSilent) await db.write({ scope: PLATFORM }, async (tx) => tx.wake("host", hostUid));
}
