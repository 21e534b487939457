import type { BuildPhase, DeploymentPhase, InstancePhase, Resource, Status } from "@plimsoll/core";
import type { StepState } from "#log/build-progress.ts";

export type Shape = "disc" | "triangle" | "ring" | "cross" | "diamond" | "dash";
type Tone = "ok" | "busy" | "warn" | "bad" | "idle";
export interface Look {
  readonly shape: Shape;
  readonly tone: Tone;
}

const OK: Look = { shape: "disc", tone: "ok" };
const BUSY: Look = { shape: "triangle", tone: "busy" };
const WAITING: Look = { shape: "ring", tone: "idle" };
const WARN: Look = { shape: "diamond", tone: "warn" };
const BAD: Look = { shape: "cross", tone: "bad" };
export const PAST: Look = { shape: "dash", tone: "idle" };

export type AppState = Status<"App">["phase"] | "deleting";
export type HostState = "ready" | "closed" | "unreachable";
export type RolloutState = "waiting" | "running" | "done" | "failed";

/** How each state looks: a shape and a colour, next to its word. */
export const LOOKS = {
  // `deleting` is no phase of its own: it is told by the object's deletion time.
  app: { deleting: PAST, empty: WAITING, deploying: BUSY, live: OK, degraded: WARN, sleeping: WAITING, failing: BAD } satisfies Record<
    AppState,
    Look
  >,
  build: {
    pending: WAITING,
    placed: WAITING,
    running: BUSY,
    succeeded: OK,
    failed: BAD,
    cancelled: PAST,
    superseded: PAST,
  } satisfies Record<BuildPhase, Look>,
  deployment: { starting: BUSY, draining: BUSY, complete: OK, failed: BAD, superseded: PAST } satisfies Record<DeploymentPhase, Look>,
  instance: {
    scheduled: WAITING,
    preparing: BUSY,
    starting: BUSY,
    ready: OK,
    unready: WARN,
    backoff: BAD,
    stopping: PAST,
    stopped: PAST,
    failed: BAD,
    lost: WARN,
    finished: PAST,
  } satisfies Record<InstancePhase, Look>,
  // `closed` is no phase: the operator said so. A host that is not heard of is that before all.
  host: { ready: OK, closed: WAITING, unreachable: BAD } satisfies Record<HostState, Look>,
  step: { waiting: WAITING, running: BUSY, cached: PAST, done: OK, failed: BAD } satisfies Record<StepState, Look>,
  rollout: { waiting: WAITING, running: BUSY, done: OK, failed: BAD } satisfies Record<RolloutState, Look>,
} as const;

export type StateOf<K extends keyof typeof LOOKS> = Extract<keyof (typeof LOOKS)[K], string>;

/** The state of a host as operators see it. */
export function hostState(host: Resource<"Host">): HostState {
  return host.status.phase === "ready" && !host.spec.schedulable ? "closed" : host.status.phase;
}

/** The state of an app as people see it. */
export function appState(app: Resource<"App">): AppState {
  return app.metadata.deletedAt === undefined ? app.status.phase : "deleting";
}
