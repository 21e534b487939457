import type { Resource, Spec } from "@plimsoll/core";
import { type HostState, LOST_AFTER_MS } from "../host-states.ts";

/** An instance that has given up is kept to be looked at for this long before another takes its place. */
export const REPLACE_FAILED_AFTER_MS = 15_000;

/** An instance that has no object yet. */
export interface MissingInstance {
  readonly process: string;
  readonly release: number;
  readonly ordinal: number;
  /** It is to run the release's command. */
  readonly task?: true;
}

/** What becomes of an instance that is not wanted where it is. */
export type Census = {
  /** Wanted and there, whatever its phase. */
  readonly kept: readonly Resource<"Instance">[];
  /** Wanted, but on a host that is closed: they stay until others that are missing, or not ready yet, have taken their places. */
  readonly moving: readonly Resource<"Instance">[];
  readonly surplus: readonly Resource<"Instance">[];
  /** Given up by their hosts, long enough ago. */
  readonly broken: readonly Resource<"Instance">[];
  /** Their hosts have not been heard of for too long. */
  readonly lost: readonly Resource<"Instance">[];
  readonly missing: readonly MissingInstance[];
};

export interface CensusInput {
  readonly app: Resource<"App">;
  readonly releases: ReadonlyMap<number, Resource<"Release">>;
  readonly instances: readonly Resource<"Instance">[];
  readonly hosts: readonly HostState[];
  readonly nowMs: number;
}

/** Counts the running instances against what the app wants of these releases: kept, surplus (newest first out), moving, and missing ones. */
export function takeCensus({ app, releases, instances, hosts, nowMs }: CensusInput, wantedReleases: readonly number[]): Census {
  const running = instances.filter(({ spec }) => spec.desired === "running" && spec.task !== true);
  const lost = running.filter((instance) => isLost(instance, hosts));
  const broken = running.filter((instance) => !lost.includes(instance) && isBroken(instance, nowMs));
  const there = running.filter((instance) => !lost.includes(instance) && !broken.includes(instance));
  const kept: Resource<"Instance">[] = [];
  const moving: Resource<"Instance">[] = [];
  const missing: MissingInstance[] = [];
  for (const number of new Set(wantedReleases)) {
    const release = releases.get(number);
    if (release === undefined) continue;
    for (const process of Object.keys(release.spec.processes)) {
      const replicas = replicasOf(app.spec, process);
      const mine = there
        .filter(({ spec }) => spec.release === number && spec.process === process)
        .sort((a, b) => a.spec.ordinal - b.spec.ordinal || (a.metadata.uid < b.metadata.uid ? -1 : 1));
      const staying = mine.filter((instance) => !isOnClosedHost(instance, hosts)).slice(0, replicas);
      const leaving = mine.filter((instance) => isOnClosedHost(instance, hosts)).sort((a, b) => Number(isReady(b)) - Number(isReady(a)));
      const needed = leaving.slice(0, Math.max(0, replicas - staying.filter(isReady).length));
      kept.push(...staying);
      moving.push(...needed);
      const taken = new Set([...staying, ...needed].map(({ spec }) => spec.ordinal));
      for (let ordinal = 1, short = replicas - staying.length; short > 0; ordinal++) {
        if (taken.has(ordinal)) continue;
        missing.push({ process, release: number, ordinal });
        short--;
      }
    }
  }
  const wanted = new Set([...kept, ...moving]);
  return { kept, moving, surplus: there.filter((instance) => !wanted.has(instance)), broken, lost, missing };
}

/** Its operator has closed the host: what runs there is to run elsewhere. */
function isOnClosedHost(instance: Resource<"Instance">, hosts: readonly HostState[]): boolean {
  return hosts.some(({ host }) => host.metadata.uid === instance.spec.hostUid && !host.spec.schedulable);
}

function isReady({ status }: Resource<"Instance">): boolean {
  return status.phase === "ready";
}

/** A process that the app does not have any more (an older release may) gets no instance: none is paid for by its quota. */
export function replicasOf(spec: Spec<"App">, process: string): number {
  return spec.processes[process]?.replicas ?? 0;
}

export function isLost(instance: Resource<"Instance">, hosts: readonly HostState[]): boolean {
  const state = hosts.find(({ host }) => host.metadata.uid === instance.spec.hostUid);
  return state === undefined || (!state.live && state.silentMs > LOST_AFTER_MS);
}

function isBroken(instance: Resource<"Instance">, nowMs: number): boolean {
  const atMs = replaceableAt(instance);
  return atMs !== undefined && atMs <= nowMs;
}

/** When an instance that its host has given up may be replaced; undefined for any other. */
export function replaceableAt({ metadata, status }: Resource<"Instance">): number | undefined {
  if (status.phase !== "failed" && status.phase !== "stopped") return undefined;
  return Date.parse(status.lastExit?.at ?? status.startedAt ?? metadata.createdAt) + REPLACE_FAILED_AFTER_MS;
}
