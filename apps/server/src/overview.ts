import { type Database, PLATFORM } from "@plimsoll/db";

/** Every host and app, as `npm run status` shows them. */
export interface Overview {
  readonly hosts: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly roles: readonly string[];
    readonly cpuMillis: number;
    readonly memoryBytes: number;
    readonly instances: number;
  }[];
  readonly apps: readonly {
    readonly team: string;
    readonly namespace: string;
    readonly name: string;
    readonly state: string;
    readonly release?: string;
    readonly url?: string;
  }[];
}

/** Reads only; a host is ready while its agent's lease lives. */
export async function readOverview(db: Database): Promise<Overview> {
  const objects = db.objects(PLATFORM);
  const [hosts, apps, instances, leases] = await Promise.all([
    objects.list("Host"),
    objects.list("App"),
    objects.list("Instance"),
    db.platform.hostLeases(),
  ]);
  return {
    hosts: hosts.map(({ metadata, spec }) => ({
      name: metadata.name,
      ready: leases.get(metadata.uid)?.live === true,
      roles: spec.roles,
      ...spec.capacity,
      instances: instances.filter((instance) => instance.spec.hostUid === metadata.uid).length,
    })),
    apps: apps.map(({ metadata, status }) => ({
      team: metadata.team ?? "",
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      state: status.phase,
      ...(status.release === undefined ? {} : { release: `v${status.release}` }),
      ...(status.urls[0] === undefined ? {} : { url: status.urls[0] }),
    })),
  };
}
