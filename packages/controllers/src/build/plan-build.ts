import { type BuildFailure, isBuildOver, type Resource } from "@plimsoll/core";
import type { HostState } from "../host-states.ts";

/** Everything about a build that what to do next depends on. */
export interface BuildWorld {
  readonly nowMs: number;
  /** Since when this process has heard hosts without a gap. */
  readonly observedSinceMs: number;
  readonly build: Resource<"Build">;
  /** Its app, undefined when it is gone or being deleted. */
  readonly app: Resource<"App"> | undefined;
  /** Builds of the app that were asked for later. */
  readonly newer: readonly Resource<"Build">[];
  /** Of its agent's lease: how long it has been over; 0 while held, undefined when never taken. */
  readonly leaseSilentMs: number | undefined;
  readonly hosts: readonly HostState[];
  /** It still takes of the build quota. */
  readonly charged: boolean;
}

export type BuildPlan =
  /** Nothing until something changes; look again after `againInMs`. */
  | { readonly kind: "wait"; readonly againInMs?: number }
  /** Find a slot and a host. */
  | { readonly kind: "place" }
  /** Back to pending: its host is lost. */
  | { readonly kind: "replace"; readonly message: string }
  | {
      readonly kind: "end";
      readonly phase: "failed" | "cancelled" | "superseded";
      readonly message: string;
      readonly failure?: BuildFailure;
    }
  /** Make its image a release and roll it out. */
  | { readonly kind: "release" }
  /** It is over: give back what it took. */
  | { readonly kind: "settle" };

export const MAX_ATTEMPTS = 3;
/** An agent whose lease is over for so long is not coming back to this build. */
export const LEASE_GRACE_MS = 20_000;
/** From its placement until its host takes it. */
export const CLAIM_TIMEOUT_MS = 60_000;
/** The agent holds the limit; this ends a build whose agent does not. */
const TIMEOUT_SLACK_MS = 60_000;
const RECHECK_MS = 5_000;

/**
 *   phase               condition                                      plan
 *   ──────────────────  ─────────────────────────────────────────────  ──────────────────────────────────────────────────────────────
 *   succeeded           to be deployed, no release yet, app there      release: with its deployment and its charge, in one transaction
 *   over                still charged                                  settle
 *   pending…running     cancelled, or its app is going                 end cancelled
 *   pending…running     a newer build of the app, not cancelled,       end superseded
 *                       and both are to be deployed
 *   pending             –                                              place: when quota and a host have room
 *   placed              host silent, or not taken for 60 s             replace, at most 3 attempts, then end failed (interrupted)
 *   running             lease over for 20 s                            the same
 *   running             past its limit and 60 s more                   end failed (timeout)
 */
export function planBuild(world: BuildWorld): BuildPlan {
  const { build, app, newer, charged } = world;
  const { phase } = build.status;
  if (phase === "succeeded" && build.status.release === undefined && app !== undefined && isDeployed(build)) return { kind: "release" };
  if (isBuildOver(phase)) return charged ? { kind: "settle" } : { kind: "wait" };
  if (app === undefined) return { kind: "end", phase: "cancelled", message: "Its app is being deleted." };
  if (build.spec.cancelled) return { kind: "end", phase: "cancelled", message: "It was cancelled." };
  const by = isDeployed(build)
    ? newer.find((one) => isDeployed(one) && !one.spec.cancelled && one.status.phase !== "cancelled")
    : undefined;
  if (by !== undefined) return { kind: "end", phase: "superseded", message: `Build ${by.spec.number} of a newer push took its place.` };
  switch (phase) {
    case "pending":
      return { kind: "place" };
    case "placed":
      return planPlaced(world);
    case "running":
      return planRunning(world);
    default:
      return { kind: "wait" };
  }
}

/** What builds are for, but for those that were asked for an image alone. */
export function isDeployed({ spec }: Resource<"Build">): boolean {
  return spec.deploy !== false;
}

function planPlaced(world: BuildWorld): BuildPlan {
  const { build, hosts, nowMs } = world;
  const host = hosts.find((state) => state.host.metadata.uid === build.status.hostUid);
  const name = build.status.host ?? "its host";
  if (host === undefined || (!host.live && host.silentMs > LEASE_GRACE_MS)) return interrupted(build, `Host ${name} was not heard of.`);
  const untilMs = since(world) + CLAIM_TIMEOUT_MS;
  if (nowMs >= untilMs) return interrupted(build, `Host ${name} did not begin with it in ${CLAIM_TIMEOUT_MS / 1_000} s.`);
  return { kind: "wait", againInMs: Math.min(RECHECK_MS, untilMs - nowMs + 20) };
}

function planRunning(world: BuildWorld): BuildPlan {
  const { build, leaseSilentMs, nowMs, observedSinceMs } = world;
  const silentMs = Math.min(leaseSilentMs ?? Number.POSITIVE_INFINITY, nowMs - observedSinceMs);
  if (silentMs > LEASE_GRACE_MS) return interrupted(build, `Host ${build.status.host ?? "?"} stopped answering while it built.`);
  const { timeoutMs } = build.spec.limits;
  if (nowMs > since(world) + timeoutMs + TIMEOUT_SLACK_MS) {
    const message = `It took longer than the ${Math.round(timeoutMs / 60_000)} min that a build may take; make it smaller, or ask for a higher limit.`;
    return { kind: "end", phase: "failed", message, failure: { reason: "timeout", message } };
  }
  // A held lease is looked at again when it could be over; its end itself wakes nobody.
  return { kind: "wait", againInMs: silentMs > 0 ? LEASE_GRACE_MS - silentMs + 20 : RECHECK_MS };
}

function since({ build, observedSinceMs }: BuildWorld): number {
  return Math.max(observedSinceMs, Date.parse(build.status.startedAt ?? build.metadata.createdAt));
}

function interrupted({ status }: Resource<"Build">, what: string): BuildPlan {
  if (status.attempt < MAX_ATTEMPTS) return { kind: "replace", message: `${what} It is built again (attempt ${status.attempt + 1}).` };
  const message = `It was interrupted ${status.attempt} times: ${what} Push again, or ask the operator to look at that host.`;
  return { kind: "end", phase: "failed", message, failure: { reason: "interrupted", message } };
}
