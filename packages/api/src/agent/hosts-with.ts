import type { Resource } from "@plimsoll/core";
import { type Database, PLATFORM } from "@plimsoll/db";
import type { StreamHost } from "../streams/broker.ts";

/** Live hosts that should have the images of these releases: `first`, those that built one, those that run one. */
export async function hostsWith(db: Database, releases: readonly Resource<"Release">[], first?: string): Promise<readonly StreamHost[]> {
  const running = await runningElsewhere(db, releases);
  const preferred = [first, ...releases.map(({ spec }) => spec.builtOn), ...running].filter((one) => one !== undefined);
  const leases = await db.platform.hostLeases();
  const hosts = (await db.objects(PLATFORM).list("Host")).filter(({ metadata }) => leases.get(metadata.uid)?.live);
  // A host is named by its uid or its name, whoever wrote it down.
  const ranked = preferred.flatMap((one) => hosts.filter(({ metadata }) => metadata.uid === one || metadata.name === one));
  return [...new Set(ranked)].map(({ metadata }) => ({ uid: metadata.uid, name: metadata.name }));
}

/** Hosts where an instance of one of these releases has got far enough to have its image. */
async function runningElsewhere(db: Database, releases: readonly Resource<"Release">[]): Promise<readonly string[]> {
  const hosts: string[] = [];
  for (const { metadata, spec } of releases) {
    const instances = await db
      .objects(PLATFORM)
      .list("Instance", { ownerUid: metadata.ownerUid ?? "", phases: ["ready", "unready", "starting"] });
    hosts.push(...instances.filter((instance) => instance.spec.release === spec.number).map((instance) => instance.spec.hostUid));
  }
  return hosts;
}
