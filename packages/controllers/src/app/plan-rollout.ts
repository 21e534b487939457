import type { Resource, Status } from "@plimsoll/core";
import type { EventNote } from "@plimsoll/db";
import { explainRefusals, type HostView, type InstanceRequest, place } from "@plimsoll/scheduler";
import { type HostState, liveIngress } from "../host-states.ts";
import { appStatus } from "./app-status.ts";
import { displayName, type Failure, judge, START_TIMEOUT_MS, type Verdict } from "./verdict.ts";
import { type Census, isLost, replaceableAt, takeCensus } from "./wanted.ts";

/** Everything about an app that its rollout depends on, read at one moment. */
export interface RolloutWorld {
  readonly nowMs: number;
  /** Since when this process has heard hosts without a gap. */
  readonly observedSinceMs: number;
  readonly app: Resource<"App">;
  readonly releases: ReadonlyMap<number, Resource<"Release">>;
  /** Deployments that are not over, oldest first. */
  readonly open: readonly Resource<"Deployment">[];
  /** The newest of all. */
  readonly latest: Resource<"Deployment"> | undefined;
  readonly instances: readonly Resource<"Instance">[];
  readonly hosts: readonly HostState[];
  readonly urls: readonly string[];
  /** What ingress hosts have counted for the app so far; undefined where none says. */
  readonly traffic: Traffic | undefined;
}

export interface Traffic {
  readonly total: number;
  readonly failed: number;
}

export interface NewInstance {
  readonly process: string;
  readonly release: Resource<"Release">;
  readonly ordinal: number;
  readonly hostUid: string;
}

/** What is to be done, all of it in one transaction. Empty lists: nothing. */
export interface RolloutPlan {
  readonly deployments: readonly { readonly deployment: Resource<"Deployment">; readonly status: Status<"Deployment"> }[];
  readonly create: readonly NewInstance[];
  /** Out of every router first: they serve, or have served. */
  readonly drain: readonly Resource<"Instance">[];
  /** Draining, but the version that routers have to acknowledge was not noted yet. */
  readonly noteDrainVersion: readonly Resource<"Instance">[];
  readonly stop: readonly Resource<"Instance">[];
  /** On a host that is lost: what it says when it comes back decides nothing. */
  readonly lose: readonly Resource<"Instance">[];
  /** Nothing is left of them. */
  readonly remove: readonly Resource<"Instance">[];
  readonly removeReleases: readonly Resource<"Release">[];
  /** What ingress hosts route is another than before. */
  readonly routing: boolean;
  /** A deployment has just ended: old history can go. */
  readonly prune: boolean;
  readonly events: readonly { readonly regarding: Resource; readonly note: EventNote }[];
  readonly status: Status<"App">;
  /** When to look again if nothing happens; absent: never. */
  readonly againInMs: number | undefined;
}

/** Releases that can be rolled back to. */
export const RELEASES_KEPT = 10;
/** Wake-ups tell when a router has acknowledged; this is for the lost one. */
const DRAIN_RECHECK_MS = 1_000;
const UNPLACED_RECHECK_MS = 5_000;

/** Instances that have to be placed: without any, no host's use needs to be known. */
export function needsPlacement(world: RolloutWorld): boolean {
  const { wanted } = decide(world);
  return takeCensus(world, wanted).missing.length > 0;
}

/**
 * The rollout of an app, as a pure function of what is; applied again and again until it changes nothing.
 *
 *   state of the target           condition                                  becomes      what is done
 *   (newest open deployment)
 *   ────────────────────────────  ─────────────────────────────────────────  ───────────  ─────────────────────────────────────────────
 *   any, but not the newest       –                                          superseded   its instances go, unless its release serves
 *   starting                      release is gone                            failed       the release before stays
 *   starting                      an instance failed, crashed 3 times,       failed       its instances go; what served was never touched
 *                                 never started or is not ready in time
 *   starting                      no host for an instance for 120 s          failed       the same
 *   starting                      instances missing                          starting     they are created, all at once
 *   starting                      all ready                                  draining     its release serves; the others' instances drain
 *   draining                      instances of other releases left           draining     acknowledged by routers → stopped → removed
 *   draining                      none left                                  complete     old releases and history are removed
 *   none open                     –                                          –            replicas kept: up, down, failed, lost
 *
 *   instance        condition                                                       becomes
 *   ─────────────── ─────────────────────────────────────────────────────────────── ─────────────────────────────────────────────────
 *   running         not wanted; serves or has served on a port                      draining (out of every router; version noted)
 *   running         not wanted; never ready, or without a port                      stopped
 *   draining        every router with a live lease has the version                  stopped (the agent sends the stop signal now)
 *   stopped         its host says so, or is lost                                    removed
 *   running         its host is lost (60 s)                                         lost: stopped there, replaced elsewhere
 *   running         given up by its host                                            stopped and replaced, after 15 s
 */
export function planRollout(world: RolloutWorld, views: readonly HostView[]): RolloutPlan {
  const { app, nowMs } = world;
  const decision = decide(world);
  let { transition, serving, wanted } = decision;
  const { target, superseded } = decision;

  let census = takeCensus(world, wanted);
  let placement = placeMissing(world, census, views);
  const overdue = target?.status.phase === "starting" && transition === undefined && placement.unplaced.length > 0;
  const waitingSince = Math.max(world.observedSinceMs, Date.parse(target?.status.startedAt ?? target?.metadata.createdAt ?? ""));
  if (overdue && nowMs - waitingSince >= START_TIMEOUT_MS) {
    const unplaced = placement.unplaced.find(({ release }) => release === target.spec.release);
    if (unplaced !== undefined) {
      transition = failing({ instance: displayName(unplaced), reason: `no host has room for it: ${unplaced.reason}`, logTail: [] });
      wanted = serving === undefined ? [] : [serving];
      census = takeCensus(world, wanted);
      placement = placeMissing(world, census, views);
    }
  }

  const drains = planDrains(world);
  const leaving = [...census.surplus, ...census.broken];
  const drain = leaving.filter(isRouted);
  const stop = [...leaving.filter((instance) => !isRouted(instance)), ...drains.acknowledged];
  const remove = world.instances.filter(
    (instance) => instance.spec.desired === "stopped" && (instance.status.phase === "stopped" || isLost(instance, world.hosts)),
  );
  const nothingElse = (release: number) => world.instances.every((one) => one.spec.release === release || remove.includes(one));
  if (transition?.phase === "draining" && target !== undefined && nothingElse(target.spec.release)) transition = { phase: "complete" };
  const deployments = [
    ...superseded.map((deployment) => ({ deployment, status: supersededStatus(deployment, target, nowMs) })),
    ...(target === undefined ? [] : [{ deployment: target, status: targetStatus(world, target, transition, placement, drains) }]),
  ].filter(({ deployment, status }) => status !== deployment.status);
  const status = appStatus({ world, serving, target, transition, unplaced: placement.unplaced });
  const ended = deployments.some(({ status: { phase } }) => phase === "complete" || phase === "failed");
  return {
    deployments,
    create: placement.create,
    drain,
    noteDrainVersion: drains.unversioned,
    stop,
    lose: census.lost,
    remove,
    removeReleases: ended ? oldReleases(world, serving) : [],
    routing: drain.length > 0 || census.lost.some(isRouted) || serving !== app.status.release,
    prune: ended,
    events: rolloutEvents(world, serving, target, transition, census, status),
    status,
    againInMs: againIn(world, target, transition, placement, { drains, drain, lost: census.lost }),
  };
}

/** What the target becomes, before anything is placed. */
export type Transition =
  | { readonly phase: "draining" }
  | { readonly phase: "complete" }
  | { readonly phase: "failed"; readonly failure: Failure };

interface Decision {
  readonly target: Resource<"Deployment"> | undefined;
  readonly superseded: readonly Resource<"Deployment">[];
  readonly transition: Transition | undefined;
  /** The release that serves from now on. */
  readonly serving: number | undefined;
  /** Releases that instances are wanted of. */
  readonly wanted: readonly number[];
}

function decide(world: RolloutWorld): Decision {
  const target = world.open.at(-1);
  const superseded = world.open.slice(0, -1);
  const before = world.app.status.release;
  const transition = target === undefined ? undefined : transitionOf(world, target);
  const serves = transition?.phase === "draining" || transition?.phase === "complete";
  const serving = target !== undefined && serves ? target.spec.release : before;
  const wanted = [serving, target !== undefined && transition === undefined ? target.spec.release : undefined];
  return { target, superseded, transition, serving, wanted: wanted.filter((number) => number !== undefined) };
}

function transitionOf(world: RolloutWorld, target: Resource<"Deployment">): Transition | undefined {
  const release = world.releases.get(target.spec.release);
  if (release === undefined) return failing({ instance: "", reason: `release v${target.spec.release} is gone; deploy again`, logTail: [] });
  if (target.status.phase === "draining") return { phase: "draining" };
  const { kept, missing, broken } = takeCensus(world, [target.spec.release]);
  const verdicts = [...kept, ...broken.filter(({ spec }) => spec.release === target.spec.release)].map((one) => verdictOf(world, one));
  const failed = verdicts.find((verdict) => verdict.kind === "failed");
  // What serves already is healed, not judged: going back to it must always succeed.
  if (failed !== undefined && target.spec.release !== world.app.status.release) return failing(failed.failure);
  if (missing.length === 0 && verdicts.every(({ kind }) => kind === "ready")) return { phase: "draining" };
  return undefined;
}

function verdictOf(world: RolloutWorld, instance: Resource<"Instance">): Verdict {
  return judge(instance, world.releases.get(instance.spec.release)?.spec.processes[instance.spec.process], world);
}

function failing(failure: Failure): Transition {
  return { phase: "failed", failure };
}

export interface Unplaced {
  readonly process: string;
  readonly ordinal: number;
  readonly release: number;
  readonly reason: string;
}
interface PlacedMissing {
  readonly create: readonly NewInstance[];
  readonly unplaced: readonly Unplaced[];
}

function placeMissing(world: RolloutWorld, { missing }: Census, views: readonly HostView[]): PlacedMissing {
  const requests = missing.flatMap((one, index): (InstanceRequest & typeof one & { of: Resource<"Release"> })[] => {
    const of = world.releases.get(one.release);
    const process = of?.spec.processes[one.process];
    if (of === undefined || process === undefined) return [];
    return [
      {
        ...one,
        of,
        id: String(index),
        cpuMillis: process.cpuMillis,
        memoryBytes: process.memoryBytes,
        spreadGroup: spreadGroup(one),
        ...(of.spec.builtOn === undefined ? {} : { imageHostUid: of.spec.builtOn }),
      },
    ];
  });
  const plan = place(views, requests, world.app.metadata.uid);
  const byId = new Map(requests.map((request) => [request.id, request]));
  return {
    create: plan.placed.flatMap(({ id, hostUid }) => {
      const request = byId.get(id);
      return request === undefined ? [] : [{ process: request.process, ordinal: request.ordinal, release: request.of, hostUid }];
    }),
    unplaced: plan.unplaced.flatMap(({ id, refusals }) => {
      const request = byId.get(id);
      if (request === undefined) return [];
      const { process, ordinal, release } = request;
      return [{ process, ordinal, release, reason: explainRefusals(refusals) }];
    }),
  };
}

/** Instances that go to different hosts as far as there are any. */
export function spreadGroup(instance: { readonly process: string; readonly release: number }): string {
  return `${instance.process}/v${instance.release}`;
}

interface Drains {
  readonly acknowledged: readonly Resource<"Instance">[];
  readonly unversioned: readonly Resource<"Instance">[];
  readonly waiting: readonly Resource<"Instance">[];
  /** Names of live routers that have not acknowledged. */
  readonly slow: readonly string[];
  /** Names of routers that are silent and not waited for. */
  readonly absent: readonly string[];
}

/** Every router with a live lease has to acknowledge; an absent one delays by at most its lease. */
function planDrains({ instances, hosts }: RolloutWorld): Drains {
  const draining = instances.filter(({ spec }) => spec.desired === "draining");
  const routers = liveIngress(hosts);
  const behind = (version: number) => routers.filter(({ routingVersion }) => routingVersion < version);
  const isAcknowledged = ({ status, spec }: Resource<"Instance">) =>
    status.phase === "stopped" ||
    spec.port === undefined ||
    (status.drainVersion !== undefined && behind(status.drainVersion).length === 0);
  const waiting = draining.filter((instance) => !isAcknowledged(instance) && instance.status.drainVersion !== undefined);
  return {
    acknowledged: draining.filter(isAcknowledged),
    unversioned: draining.filter((instance) => !isAcknowledged(instance) && instance.status.drainVersion === undefined),
    waiting,
    slow: [...new Set(waiting.flatMap(({ status }) => behind(status.drainVersion ?? 0).map(({ host }) => host.metadata.name)))],
    absent: hosts.filter(({ host, live }) => !live && host.spec.roles.includes("ingress")).map(({ host }) => host.metadata.name),
  };
}

/** Routers may send it requests, now or a moment ago. */
function isRouted({ spec, status }: Resource<"Instance">): boolean {
  return spec.port !== undefined && (status.phase === "ready" || status.phase === "unready" || status.readyAt !== undefined);
}

function supersededStatus(
  { status, spec }: Resource<"Deployment">,
  by: Resource<"Deployment"> | undefined,
  nowMs: number,
): Status<"Deployment"> {
  const message = by === undefined ? `v${spec.release} was superseded.` : `v${spec.release} was superseded by v${by.spec.release}.`;
  return { ...status, phase: "superseded", message, finishedAt: iso(nowMs) };
}

function targetStatus(
  world: RolloutWorld,
  target: Resource<"Deployment">,
  transition: Transition | undefined,
  { unplaced }: PlacedMissing,
  drains: Drains,
): Status<"Deployment"> {
  const { status } = target;
  const { message: _, ...rest } = status;
  switch (transition?.phase) {
    case undefined: {
      const first = unplaced[0];
      const message = first === undefined ? undefined : `${displayName(first)} waits for a host: ${first.reason}`;
      return message === status.message ? status : { ...rest, ...(message === undefined ? {} : { message }) };
    }
    case "failed": {
      const { failure } = transition;
      const kept = world.app.status.release === undefined ? "nothing serves yet" : `v${world.app.status.release} never stopped serving`;
      const message = `v${target.spec.release} was not released: ${failure.instance} ${failure.reason}. ${sentence(kept)}.`;
      return { ...rest, phase: "failed", message, failure, finishedAt: iso(world.nowMs) };
    }
    case "draining": {
      const message = drainMessage(drains);
      if (status.phase === "draining")
        return message === status.message ? status : { ...rest, ...(message === undefined ? {} : { message }) };
      return { ...rest, phase: "draining", readyAt: iso(world.nowMs), ...(message === undefined ? {} : { message }) };
    }
    case "complete": {
      const message = drainMessage(drains);
      return {
        ...rest,
        phase: "complete",
        readyAt: status.readyAt ?? iso(world.nowMs),
        finishedAt: iso(world.nowMs),
        ...(message === undefined ? {} : { message }),
        ...requestsSince(target, world.traffic),
      };
    }
  }
}

function drainMessage({ slow, absent, waiting }: Drains): string | undefined {
  const parts = [
    ...(waiting.length > 0 && slow.length > 0 ? [`Waits for the ingress of ${slow.join(", ")} to let go of the release before.`] : []),
    ...(absent.length > 0 ? [`The ingress of ${absent.join(", ")} is silent and was not waited for.`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(" ");
}

/** Where the counters stood when the deployment began, as a label: it must survive every process. */
export const TRAFFIC_LABEL = "plimsoll/requests-at-start";

export function trafficLabel({ total, failed }: Traffic): string {
  return `${total}.${failed}`;
}

function requestsSince({ metadata }: Resource<"Deployment">, now: Traffic | undefined): Pick<Status<"Deployment">, "requests"> {
  const [total, failed] = (metadata.labels[TRAFFIC_LABEL] ?? "").split(".").map(Number);
  if (now === undefined || total === undefined || failed === undefined) return {};
  // An ingress that was restarted counts from nought.
  if (now.total < total || now.failed < failed) return { requests: { ...now } };
  return { requests: { total: now.total - total, failed: now.failed - failed } };
}

function oldReleases({ releases, open }: RolloutWorld, serving: number | undefined): readonly Resource<"Release">[] {
  const needed = new Set([serving, ...open.map(({ spec }) => spec.release)]);
  return [...releases.values()]
    .sort((a, b) => b.spec.number - a.spec.number)
    .slice(RELEASES_KEPT)
    .filter(({ spec }) => !needed.has(spec.number));
}

function rolloutEvents(
  { app }: RolloutWorld,
  serving: number | undefined,
  target: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  census: Census,
  status: Status<"App">,
): RolloutPlan["events"] {
  const events: { regarding: Resource; note: EventNote }[] = [];
  if (serving !== undefined && serving !== app.status.release)
    events.push({ regarding: app, note: { type: "normal", reason: "Released", message: `v${serving} is live.` } });
  if (target !== undefined && transition?.phase === "failed") {
    const { instance, reason } = transition.failure;
    const message = `v${target.spec.release} was not released: ${instance} ${reason}.`;
    events.push({ regarding: app, note: { type: "warning", reason: "DeploymentFailed", message } });
  }
  for (const { spec } of census.lost) {
    const message = `${displayName(spec)} was lost with host ${spec.host}, which is silent; it is replaced on another.`;
    events.push({ regarding: app, note: { type: "warning", reason: "InstanceLost", message } });
  }
  for (const { spec, status: last } of census.broken) {
    const message = `${displayName(spec)} was given up by host ${spec.host}: ${last.message ?? "it did not say why"}; it is replaced.`;
    events.push({ regarding: app, note: { type: "warning", reason: "InstanceReplaced", message } });
  }
  if (status.message !== undefined && status.message !== app.status.message && status.message.includes("waits for a host"))
    events.push({ regarding: app, note: { type: "warning", reason: "Unplaced", message: status.message } });
  return events;
}

function againIn(
  world: RolloutWorld,
  target: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  { create, unplaced }: PlacedMissing,
  { drains, drain, lost }: { drains: Drains; drain: readonly unknown[]; lost: readonly unknown[] },
): number | undefined {
  const times: number[] = [];
  if (unplaced.length > 0) times.push(UNPLACED_RECHECK_MS);
  if (drains.waiting.length > 0) times.push(DRAIN_RECHECK_MS);
  // Without routers there is nobody whose word would wake us.
  if (drain.length + drains.unversioned.length > 0) times.push(liveIngress(world.hosts).length === 0 ? 0 : DRAIN_RECHECK_MS);
  if (lost.length > 0) times.push(0);
  for (const instance of world.instances) {
    const untilMs = instance.spec.desired === "running" ? replaceableAt(instance) : undefined;
    if (untilMs !== undefined && untilMs > world.nowMs) times.push(untilMs - world.nowMs + 20);
  }
  if (target?.status.phase === "starting" && transition === undefined) {
    if (create.length > 0) times.push(1_000);
    for (const instance of world.instances) {
      if (instance.spec.release !== target.spec.release || instance.spec.desired !== "running") continue;
      const verdict = verdictOf(world, instance);
      // A little past the moment, so that the clock has passed it when we look.
      if (verdict.kind === "waiting") times.push(verdict.untilMs - world.nowMs + 20);
    }
  }
  return times.length === 0 ? undefined : Math.max(10, Math.min(...times));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
