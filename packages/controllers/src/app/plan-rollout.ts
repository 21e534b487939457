import { isDeepStrictEqual } from "node:util";
import type { Resource, Status } from "@plimsoll/core";
import type { HostView } from "@plimsoll/scheduler";
import { liveIngress } from "../host-states.ts";
import { appStatus } from "./app-status.ts";
import { supersededStatus, targetStatus } from "./deployment-status.ts";
import { type Drains, isRouted, planDrains } from "./drains.ts";
import { type PlacedMissing, placeMissing } from "./place-missing.ts";
import { COMMAND_NAME, type CommandPlan, planCommand } from "./plan-command.ts";
import { rolloutEvents } from "./rollout-events.ts";
import type { RolloutPlan, RolloutWorld, Transition } from "./rollout-world.ts";
import { displayName, type Failure, judge, START_TIMEOUT_MS, type Verdict } from "./verdict.ts";
import { type Census, isLost, replaceableAt, takeCensus } from "./wanted.ts";

/** Releases that can be rolled back to. */
export const RELEASES_KEPT = 10;
/** Wake-ups tell when a router has acknowledged; this is for the lost one. */
const DRAIN_RECHECK_MS = 1_000;
const UNPLACED_RECHECK_MS = 5_000;
const MORE_ROOM = "`plim scale` something down, or have an operator add a host: `plim hosts add`";

/** Whether the instance of a release command has to be placed: the quota is asked first. */
export function needsCommandRoom(world: RolloutWorld): boolean {
  return decide(world).command.missing !== undefined;
}

/** Instances that have to be placed: without any, no host's use needs to be known. */
export function needsPlacement(world: RolloutWorld): boolean {
  const { wanted, command } = decide(world);
  return command.missing !== undefined || takeCensus(world, wanted).missing.length > 0;
}

/**
 * The rollout of an app, as a pure function of what is; applied again and again until it changes nothing.
 *
 *   state of the target           condition                                  becomes      what is done
 *   (newest open deployment)
 *   ────────────────────────────  ─────────────────────────────────────────  ───────────  ─────────────────────────────────────────────
 *   any, but not the newest       –                                          superseded   its instances go, unless its release serves
 *   starting                      release is gone                            failed       the release before stays
 *   starting                      its command has not ended well yet         starting     plan-command.ts: nothing of it starts before
 *   starting                      its command failed                         failed       the release before stays
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
 *   running         its host is closed, another is not ready in its place           running; another is created elsewhere
 *   running         its host is closed, another is ready in its place               as not wanted
 *   running         its host is lost (60 s)                                         lost: stopped there, replaced elsewhere
 *   running         given up by its host                                            stopped and replaced, after 15 s
 */
export function planRollout(world: RolloutWorld, views: readonly HostView[]): RolloutPlan {
  const { app, nowMs } = world;
  const decision = decide(world);
  let { transition, serving, wanted } = decision;
  const { target, superseded, command } = decision;

  let census = withCommand(takeCensus(world, wanted), command);
  let placement = placeMissing(world, census, views);
  // What runs on a closed host runs: that there is no other host for it is no failure of the release.
  const runs = census.moving.filter(({ spec }) => spec.release === target?.spec.release).length;
  const unplaced = placement.unplaced.filter(({ release }) => release === target?.spec.release)[runs];
  const overdue = target?.status.phase === "starting" && transition === undefined && unplaced !== undefined;
  const waitingSince = Math.max(
    world.observedSinceMs,
    Date.parse(target?.status.command?.finishedAt ?? target?.status.startedAt ?? target?.metadata.createdAt ?? ""),
  );
  if (overdue && nowMs - waitingSince >= START_TIMEOUT_MS) {
    const instance = command.missing === undefined ? displayName(unplaced) : COMMAND_NAME;
    transition = failing(
      unplaced.waitsFor === "a host"
        ? { instance, reason: `found no host with room: ${unplaced.reason}`, logTail: [], hint: MORE_ROOM }
        : { instance, reason: `was not started: ${unplaced.reason}`, logTail: [] },
    );
    wanted = serving === undefined ? [] : [serving];
    census = takeCensus(world, wanted);
    placement = placeMissing(world, census, views);
  }

  const drains = planDrains(world);
  const leaving = [...census.surplus, ...census.broken];
  const drain = leaving.filter(isRouted);
  const stop = [...leaving.filter((instance) => !isRouted(instance)), ...drains.acknowledged, ...command.stop];
  const remove = world.instances.filter(
    (instance) => instance.spec.desired === "stopped" && (instance.status.phase === "stopped" || isLost(instance, world.hosts)),
  );
  const nothingElse = (release: number) => world.instances.every((one) => one.spec.release === release || remove.includes(one));
  if (transition?.phase === "draining" && target !== undefined && nothingElse(target.spec.release)) transition = { phase: "complete" };
  const deployments = [
    ...superseded.map((deployment) => ({ deployment, status: supersededStatus(deployment, target, nowMs) })),
    ...(target === undefined
      ? []
      : [
          {
            deployment: target,
            status: withCommandStatus(targetStatus(world, target, transition, placement, drains), command, placement.create),
          },
        ]),
  ].filter(({ deployment, status }) => status !== deployment.status);
  const status = appStatus({ world, serving, target, transition, unplaced: placement.unplaced });
  const ended = deployments.some(({ status: { phase } }) => phase === "complete" || phase === "failed");
  return {
    deployments,
    create: placement.create,
    drain,
    noteDrainVersion: drains.unversioned,
    stop,
    lose: [...census.lost, ...command.lose],
    remove,
    commandRan: command.ran ? [...world.releases.values()].filter(({ spec }) => spec.number === target?.spec.release) : [],
    settleCommands: deployments
      .filter(({ deployment, status }) => isCharged(deployment.status) && !isCharged(status))
      .map(({ deployment }) => deployment),
    removeReleases: ended ? oldReleases(world, serving) : [],
    routing: drain.length > 0 || census.lost.some(isRouted) || serving !== app.status.release,
    prune: ended,
    events: rolloutEvents(world, serving, target, transition, census, status),
    status,
    againInMs: againIn(world, target, transition, placement, { drains, drain, lost: [...census.lost, ...command.lose], command }),
  };
}

interface Decision {
  readonly target: Resource<"Deployment"> | undefined;
  readonly superseded: readonly Resource<"Deployment">[];
  readonly transition: Transition | undefined;
  /** The release that serves from now on. */
  readonly serving: number | undefined;
  /** Releases that instances are wanted of. */
  readonly wanted: readonly number[];
  readonly command: CommandPlan;
}

function decide(world: RolloutWorld): Decision {
  const target = world.open.at(-1);
  const superseded = world.open.slice(0, -1);
  const before = world.app.status.release;
  const command = planCommand(world, target);
  const transition = target === undefined ? undefined : transitionOf(world, target, command);
  const serves = transition?.phase === "draining" || transition?.phase === "complete";
  const serving = target !== undefined && serves ? target.spec.release : before;
  const wanted = [serving, target !== undefined && transition === undefined && command.done ? target.spec.release : undefined];
  return { target, superseded, transition, serving, wanted: wanted.filter((number) => number !== undefined), command };
}

function transitionOf(world: RolloutWorld, target: Resource<"Deployment">, command: CommandPlan): Transition | undefined {
  const release = world.releases.get(target.spec.release);
  if (release === undefined) return failing({ instance: "", reason: `release v${target.spec.release} is gone; deploy again`, logTail: [] });
  if (target.status.phase === "draining") return { phase: "draining" };
  if (command.failure !== undefined) return failing(command.failure);
  if (!command.done) return undefined;
  const { kept, moving, missing, broken } = takeCensus(world, [target.spec.release]);
  const verdicts = [...kept, ...moving, ...broken.filter(({ spec }) => spec.release === target.spec.release)].map((one) =>
    verdictOf(world, one),
  );
  const failed = verdicts.find((verdict) => verdict.kind === "failed");
  // What serves already is healed, not judged: going back to it must always succeed.
  if (failed !== undefined && target.spec.release !== world.app.status.release) return failing(failed.failure);
  if (missing.length <= moving.length && verdicts.every(({ kind }) => kind === "ready")) return { phase: "draining" };
  return undefined;
}

function withCommand(census: Census, { missing }: CommandPlan): Census {
  return missing === undefined ? census : { ...census, missing: [missing, ...census.missing] };
}

/** The status with what is to be said of the command: the same object when nothing changes. */
function withCommandStatus(status: Status<"Deployment">, command: CommandPlan, create: PlacedMissing["create"]): Status<"Deployment"> {
  const placed = create.find(({ task }) => task === true);
  const next = placed === undefined ? command.status : { state: "waiting" as const, attempt: placed.ordinal, output: [] };
  return next === undefined || isDeepStrictEqual(next, status.command) ? status : { ...status, command: next };
}

/** The command has, or is about to have, an instance that the quota is charged for. */
function isCharged({ phase, command }: Status<"Deployment">): boolean {
  return phase === "starting" && (command?.state === "waiting" || command?.state === "running");
}

function verdictOf(world: RolloutWorld, instance: Resource<"Instance">): Verdict {
  return judge(instance, world.releases.get(instance.spec.release)?.spec.processes[instance.spec.process], world);
}

function failing(failure: Failure): Transition {
  return { phase: "failed", failure };
}

function oldReleases({ releases, open }: RolloutWorld, serving: number | undefined): readonly Resource<"Release">[] {
  const needed = new Set([serving, ...open.map(({ spec }) => spec.release)]);
  return [...releases.values()]
    .sort((a, b) => b.spec.number - a.spec.number)
    .slice(RELEASES_KEPT)
    .filter(({ spec }) => !needed.has(spec.number));
}

function againIn(
  world: RolloutWorld,
  target: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  { create, unplaced }: PlacedMissing,
  { drains, drain, lost, command }: { drains: Drains; drain: readonly unknown[]; lost: readonly unknown[]; command: CommandPlan },
): number | undefined {
  const times: number[] = [];
  if (unplaced.length > 0) times.push(UNPLACED_RECHECK_MS);
  if (drains.waiting.length > 0) times.push(DRAIN_RECHECK_MS);
  // Without routers there is nobody whose word would wake us.
  if (drain.length + drains.unversioned.length > 0) times.push(liveIngress(world.hosts).length === 0 ? 0 : DRAIN_RECHECK_MS);
  if (lost.length > 0) times.push(0);
  if (command.untilMs !== undefined) times.push(command.untilMs - world.nowMs + 20);
  for (const instance of world.instances) {
    if (instance.spec.task === true) continue;
    const untilMs = instance.spec.desired === "running" ? replaceableAt(instance) : undefined;
    if (untilMs !== undefined && untilMs > world.nowMs) times.push(untilMs - world.nowMs + 20);
  }
  if (target?.status.phase === "starting" && transition === undefined) {
    if (create.length > 0) times.push(1_000);
    for (const instance of world.instances) {
      if (instance.spec.release !== target.spec.release || instance.spec.desired !== "running" || instance.spec.task === true) continue;
      const verdict = verdictOf(world, instance);
      // A little past the moment, so that the clock has passed it when we look.
      if (verdict.kind === "waiting") times.push(verdict.untilMs - world.nowMs + 20);
    }
  }
  return times.length === 0 ? undefined : Math.max(10, Math.min(...times));
}
