import type { HostLoad, HostLoadDetail } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { type Database, PLATFORM } from "@plimsoll/db";
import { HOST_LEASE_MS } from "../agent/report.ts";

/** What is bound to each of these hosts, by name, and how they are. */
export async function hostLoads(db: Database, hosts: readonly Resource<"Host">[]): Promise<HostLoad[]> {
  const [bound, ends, leases] = await Promise.all([db.loads.byNamespace(), db.loads.leaseEnds(), db.platform.hostLeases()]);
  const uids = [...new Set(bound.map(({ namespaceUid }) => namespaceUid))];
  const namespaces = uids.length === 0 ? [] : await db.objects(PLATFORM).list("Namespace", { uids });
  const names = new Map(namespaces.map(({ metadata }) => [metadata.uid, `${metadata.team}/${metadata.name}`]));
  return hosts
    .map(({ metadata: { uid, name } }): HostLoad => {
      const rows = bound
        .filter(({ hostUid }) => hostUid === uid)
        .map(({ hostUid: _, namespaceUid, ...row }) => ({ namespace: names.get(namespaceUid) ?? namespaceUid, ...row }))
        .sort((a, b) => (a.namespace < b.namespace ? -1 : 1));
      const sum = (of: "instances" | "builds" | "cpuMillis" | "memoryBytes") => rows.reduce((all, row) => all + row[of], 0);
      const end = ends.get(uid);
      const lease = leases.get(uid);
      return {
        host: name,
        // A lease lives for so long from the moment at which the host spoke.
        ...(end === undefined ? {} : { heardAt: new Date(end.getTime() - HOST_LEASE_MS).toISOString() }),
        instances: sum("instances"),
        builds: sum("builds"),
        cpuMillis: sum("cpuMillis"),
        memoryBytes: sum("memoryBytes"),
        // What a silent host said of ten seconds long ago says nothing of now.
        ...(lease?.live && lease.pressure !== undefined ? { pressure: lease.pressure } : {}),
        namespaces: rows,
      };
    })
    .sort((a, b) => (a.host < b.host ? -1 : 1));
}

const HISTORY = 50;

/** The load of one host, with what was done to it as the audit has it: let in, closed, opened. */
export async function hostLoadOf(db: Database, host: Resource<"Host">): Promise<HostLoadDetail> {
  const { uid, name } = host.metadata;
  const [[load], trail] = await Promise.all([hostLoads(db, [host]), db.platform.auditTrail({ objectUid: uid }, HISTORY)]);
  const users = [...new Set(trail.flatMap(({ actor }) => (actor.startsWith("user:") ? [actor.slice("user:".length)] : [])))];
  const names = new Map<string, string | undefined>(
    await Promise.all(users.map(async (id) => [`user:${id}`, (await db.identities.user(id))?.name] as const)),
  );
  return {
    ...(load ?? { host: name, instances: 0, builds: 0, cpuMillis: 0, memoryBytes: 0, namespaces: [] }),
    history: trail.map(({ at, action, actor }) => {
      const by = names.get(actor);
      return { at: at.toISOString(), action, ...(by === undefined ? {} : { by }) };
    }),
  };
}
