import type { BuildAssignment, DesiredState, InstanceAssignment, NamespaceAssignment, Routing } from "@plimsoll/contracts";
import { AppError, isInstanceGone, type Resource } from "@plimsoll/core";
import { type ObjectReader, PLATFORM } from "@plimsoll/db";
import type { Api } from "../context.ts";
import { CLEANING_MS } from "../disk/disk.ts";
import { MOST_LISTS } from "../packages/packages.ts";
import { registryHost } from "../registry/repository.ts";
import { assembleRouting } from "./routing.ts";

/**
 * Everything that one host has to do and may know: what is bound to it, the secrets of its own instances sealed to its key, its peers,
 * and (for ingress hosts) the routing table. Read anew each time; level-triggered.
 */
export async function desiredState(api: Api, hostUid: string): Promise<DesiredState> {
  const { db, sealing, settings } = api;
  const objects = db.objects(PLATFORM);
  // Each on its own and side by side: what changes meanwhile wakes the host once more.
  const [hosts, bound, builds, released, cleanings, unlisted] = await Promise.all([
    objects.list("Host"),
    objects.list("Instance", { hostUid }),
    objects.list("Build", { hostUid, phases: ["placed", "running"] }),
    db.platform.releasedImages(),
    db.disks.cleanings(CLEANING_MS),
    db.packages.wantedOf(hostUid, MOST_LISTS),
  ]);
  const host = hosts.find(({ metadata }) => metadata.uid === hostUid);
  if (host === undefined) throw new AppError("unauthenticated", "This host was removed from the platform; enroll it again.");
  const { index, underlay, roles, publicKey } = host.spec;
  const instances = bound.filter(isWanted);
  const [routing, namespaces, releases] = await Promise.all([
    roles.includes("ingress") ? readRouting(api, objects) : undefined,
    namespacesOf(objects, [...instances, ...builds]),
    releasesOf(objects, instances),
  ]);
  const assignments: InstanceAssignment[] = [];
  for (const instance of instances) {
    const release = releases.get(releaseKey(instance));
    // Its app is being removed and the release is gone already: what is not desired is stopped.
    if (release === undefined) continue;
    const sealedEnv = instance.spec.desired === "stopped" ? undefined : await sealing.sealedEnv(release, publicKey);
    assignments.push(assignInstance(instance, release, sealedEnv));
  }
  return {
    host: { uid: hostUid, name: host.metadata.name, index, underlay, roles },
    platform: {
      network: settings.network,
      sourceNetwork: settings.sourceNetwork,
      appsDomain: settings.appsDomain,
      platformDomain: settings.platformDomain,
      ...(api.registry === undefined ? {} : { registry: registryHost(settings.platformOrigin) }),
    },
    peers: hosts.filter(({ metadata }) => metadata.uid !== hostUid).map(peerOf),
    namespaces: namespaces.map(assignNamespace),
    instances: assignments,
    builds: builds.map(assignBuild),
    keepImages: [...new Set([...released, ...assignments.map(({ image }) => image.digest)])],
    ...(routing === undefined ? {} : { routing }),
    cleanCaches: cleanings.map(({ namespaceUid, stamp }) => ({ namespaceUid, stamp })),
    listPackages: [...unlisted],
    streams: [...api.streams.pending(hostUid)],
  };
}

/** The version first: a document with version v then holds every change up to v. */
async function readRouting({ db }: Api, objects: ObjectReader): Promise<Routing> {
  const version = await db.platform.routingVersion();
  const routes = await objects.list("Route");
  const apps = await objects.list("App", { uids: [...new Set(routes.map(({ metadata }) => metadata.ownerUid ?? ""))] });
  return assembleRouting(version, routes, apps, await objects.list("Instance", { phases: ["ready"] }));
}

async function namespacesOf(objects: ObjectReader, bound: readonly Resource[]): Promise<readonly Resource<"Namespace">[]> {
  const uids = new Set(bound.map(({ metadata }) => metadata.namespaceUid ?? ""));
  return uids.size === 0 ? [] : objects.list("Namespace", { uids: [...uids] });
}

async function releasesOf(objects: ObjectReader, instances: readonly Resource<"Instance">[]) {
  const releases = new Map<string, Resource<"Release">>();
  for (const [namespaceUid, some] of Map.groupBy(instances, ({ metadata }) => metadata.namespaceUid ?? "")) {
    const names = [...new Set(some.map(({ spec }) => `${spec.app}-v${spec.release}`))];
    for (const release of await objects.list("Release", { in: namespaceUid, names }))
      releases.set(`${release.metadata.ownerUid}/${release.spec.number}`, release);
  }
  return releases;
}

function releaseKey({ metadata, spec }: Resource<"Instance">): string {
  return `${metadata.ownerUid}/${spec.release}`;
}

function isWanted({ spec, status }: Resource<"Instance">): boolean {
  return !(spec.desired === "stopped" && isInstanceGone(status.phase));
}

function assignInstance(instance: Resource<"Instance">, release: Resource<"Release">, sealedEnv: string | undefined): InstanceAssignment {
  const { metadata, spec, status } = instance;
  const served = spec.task === true ? undefined : release.spec.processes[spec.process];
  const { command } = (spec.task === true ? release.spec.releaseCommand : served) ?? {};
  return {
    uid: metadata.uid,
    name: metadata.name,
    namespaceUid: metadata.namespaceUid ?? "",
    app: spec.app,
    process: spec.process,
    ordinal: spec.ordinal,
    release: spec.release,
    image: release.spec.image,
    ...(command === undefined ? {} : { command }),
    env: release.spec.env,
    ...(sealedEnv === undefined ? {} : { sealedEnv }),
    cpuMillis: spec.cpuMillis,
    memoryBytes: spec.memoryBytes,
    ...(spec.port === undefined ? {} : { port: spec.port }),
    readiness: served?.readiness ?? { kind: "none" },
    stopGraceMs: served?.stopGraceMs ?? 10_000,
    ...(spec.task === true ? { task: { started: status.startedAt !== undefined } } : {}),
    desired: spec.desired,
  };
}

function assignBuild({ metadata, spec, status }: Resource<"Build">): BuildAssignment {
  return {
    uid: metadata.uid,
    namespaceUid: metadata.namespaceUid ?? "",
    appUid: metadata.ownerUid ?? "",
    repository: `${metadata.team}/${metadata.namespace}/${spec.app}`,
    source: spec.source,
    limits: spec.limits,
    attempt: status.attempt,
    cancelled: spec.cancelled,
  };
}

function assignNamespace({ metadata, spec, status }: Resource<"Namespace">): NamespaceAssignment {
  return {
    uid: metadata.uid,
    name: metadata.name,
    team: metadata.team ?? "",
    vni: status.vni,
    uidBase: status.uidBase,
    quota: spec.quota,
  };
}

function peerOf({ metadata, spec }: Resource<"Host">) {
  return { uid: metadata.uid, name: metadata.name, index: spec.index, underlay: spec.underlay };
}
