import { type BuildEvent, isDeploymentOver, type Resource } from "@plimsoll/core";
import type { PushRecord } from "@plimsoll/db";
import type { PushOutcome, PushProgress } from "@plimsoll/git";

const NOTICE_AFTER_MS = 3_000;
/** The push of a release that serves is ended by its controller, which waits for routers; should that not be, it is over all the same. */
const ENDED_WITHIN_MS = 10_000;

/** An entry of a build's log, in order of `seq`. */
export interface BuildLogEntry {
  readonly seq: number;
  readonly event: BuildEvent;
}

/** Everything that Postgres says about one push at one moment. */
export interface PushSnapshot {
  readonly push: PushRecord;
  readonly app: Resource<"App"> | undefined;
  readonly build: Resource<"Build"> | undefined;
  readonly buildEvents: readonly BuildLogEntry[];
  readonly release: Resource<"Release"> | undefined;
  readonly deployment: Resource<"Deployment"> | undefined;
  /** Of this release. */
  readonly instances: readonly Resource<"Instance">[];
  /** A newer push of the app, when there is one. */
  readonly newer: PushRecord | undefined;
}

/**
 * Turns snapshots into the story that the person who pushed is told: each fact once, in order, ending with one outcome. Pure but for
 * what it remembers having told; a snapshot may skip any number of states.
 */
export class PushStory {
  #last: { readonly seq: number; readonly text: string } | undefined;
  #waiting: string | undefined;
  #releaseTold = false;
  #command: "running" | "over" | undefined;
  #drainedTold = false;
  #notice: string | undefined;
  readonly #instances = new Map<string, string>();
  /** Names of instances that were seen running. */
  readonly #started = new Set<string>();
  #over = false;

  /** The seq of the last build event that was told; -1 before the first. */
  get seq(): number {
    return this.#last?.seq ?? -1;
  }

  /**
   * Whether a log read from `seq` on, that one included, goes on where we are. A build whose host was lost begins again and numbers its
   * events anew: then what was told is forgotten, and the log is to be read from its first event.
   */
  continues(entries: readonly BuildLogEntry[]): boolean {
    const [first] = entries;
    if (this.#last === undefined || (first?.seq === this.#last.seq && JSON.stringify(first.event) === this.#last.text)) return true;
    this.#last = undefined;
    return false;
  }

  get over(): boolean {
    return this.#over;
  }

  /** What is new in this snapshot. */
  tell(snapshot: PushSnapshot, nowMs: number): readonly PushProgress[] {
    const told: PushProgress[] = [];
    for (const { seq, event } of snapshot.buildEvents) {
      if (seq <= this.seq) continue;
      this.#last = { seq, text: JSON.stringify(event) };
      told.push({ type: "build", event });
    }
    told.push(...this.#tellWaiting(snapshot), ...this.#tellRelease(snapshot), ...this.#tellCommand(snapshot));
    for (const instance of snapshot.instances) if (instance.spec.task !== true) told.push(...this.#tellInstance(instance, snapshot));
    told.push(...this.#tellDeployment(snapshot, nowMs));
    const outcome = outcomeOf(snapshot, nowMs);
    if (outcome !== undefined && !this.#over) {
      this.#over = true;
      told.push({ type: "outcome", outcome });
    }
    return told;
  }

  #tellWaiting({ build }: PushSnapshot): readonly PushProgress[] {
    if (build?.status.phase !== "pending" || build.status.message === undefined || build.status.message === this.#waiting) return [];
    this.#waiting = build.status.message;
    return [{ type: "waiting", reason: build.status.message }];
  }

  #tellRelease({ release, app }: PushSnapshot): readonly PushProgress[] {
    if (release === undefined || this.#releaseTold) return [];
    this.#releaseTold = true;
    const processes = Object.keys(release.spec.processes).map((name) => ({ name, replicas: app?.spec.processes[name]?.replicas ?? 0 }));
    return [{ type: "release", number: release.spec.number, processes, changed: release.spec.changed }];
  }

  #tellCommand({ deployment, release }: PushSnapshot): readonly PushProgress[] {
    const command = deployment?.status.command;
    const told: PushProgress[] = [];
    if (command === undefined || release === undefined || this.#command === "over") return told;
    if (this.#command === undefined && command.startedAt !== undefined) {
      this.#command = "running";
      told.push({ type: "command", state: "running" });
    }
    // How it failed is told as the failure of the deployment.
    if (command.state === "succeeded" || command.state === "failed") this.#command = "over";
    if (command.state === "succeeded") {
      const tookMs = Date.parse(command.finishedAt ?? "") - Date.parse(command.startedAt ?? "");
      told.push({ type: "command", state: "succeeded", tookMs: Number.isNaN(tookMs) ? 0 : Math.max(0, tookMs), output: command.output });
    }
    return told;
  }

  #tellInstance(instance: Resource<"Instance">, { release, deployment }: PushSnapshot): readonly PushProgress[] {
    const { uid } = instance.metadata;
    const { status, spec } = instance;
    const name = `${spec.process}-${spec.ordinal}`;
    if (status.startedAt !== undefined) this.#started.add(name);
    if (status.phase === "ready" && status.readyAt !== undefined) {
      if (this.#instances.get(uid) === "ready") return [];
      this.#instances.set(uid, "ready");
      const since = Date.parse(release?.metadata.createdAt ?? instance.metadata.createdAt);
      return [
        {
          type: "instance",
          state: "ready",
          name,
          host: spec.host,
          startedMs: Math.max(0, Date.parse(status.startedAt ?? status.readyAt) - since),
          readyMs: Math.max(0, Date.parse(status.readyAt) - since),
        },
      ];
    }
    const failed = deployment?.status.phase === "failed" && deployment.status.failure?.instance === name;
    const state = failed ? "failed" : status.phase === "backoff" ? `restarted ${status.restarts}` : undefined;
    if (state === undefined || this.#instances.get(uid) === state || this.#instances.get(uid) === "failed") return [];
    this.#instances.set(uid, state);
    const failure = failed ? deployment?.status.failure : undefined;
    return [
      {
        type: "instance",
        state: failed ? "failed" : "restarted",
        name,
        reason: failure?.reason ?? status.message ?? "it ended",
        started: status.startedAt !== undefined,
        logTail: failure?.logTail ?? status.logTail ?? [],
        ...(failure?.hint === undefined ? {} : { hint: failure.hint }),
      },
    ];
  }

  #tellDeployment({ deployment }: PushSnapshot, nowMs: number): readonly PushProgress[] {
    const told: PushProgress[] = [];
    const status = deployment?.status;
    const waitingMs = deployment === undefined ? 0 : nowMs - phaseSinceMs(deployment, nowMs);
    // Every drain waits a moment for its routers, and every start for its host; what lasts is worth a line.
    if (waitingMs > NOTICE_AFTER_MS && status?.message !== undefined && status.message !== this.#notice) {
      this.#notice = status.message;
      told.push({ type: "notice", text: status.message });
    }
    const failure = status?.phase === "failed" ? status.failure : undefined;
    // Its instance may be gone by the time that this is read.
    if (failure !== undefined && ![...this.#instances.values()].includes("failed")) {
      this.#instances.set(failure.instance, "failed");
      told.push({
        type: "instance",
        state: "failed",
        name: failure.instance,
        reason: failure.reason,
        started: this.#started.has(failure.instance),
        logTail: failure.logTail,
        ...(failure.hint === undefined ? {} : { hint: failure.hint }),
      });
    }
    if (status?.phase === "complete" && status.previousRelease !== undefined && !this.#drainedTold) {
      this.#drainedTold = true;
      told.push({
        type: "drained",
        release: status.previousRelease,
        ...(status.requests === undefined ? {} : { requests: status.requests }),
      });
    }
    return told;
  }
}

/** Since when it starts or drains; now for what is over. */
function phaseSinceMs({ metadata, status: { phase, readyAt } }: Resource<"Deployment">, nowMs: number): number {
  if (phase === "starting") return Date.parse(metadata.createdAt);
  return phase === "draining" && readyAt !== undefined ? Date.parse(readyAt) : nowMs;
}

/** How the push ended, once it did. Pure. */
export function outcomeOf(snapshot: PushSnapshot, nowMs: number): PushOutcome | undefined {
  const { push, app, build, deployment, newer } = snapshot;
  const live = app?.status.release;
  const liveRelease = live === undefined ? {} : { liveRelease: live };
  const superseded = {
    ok: false,
    kind: "superseded",
    ...(newer === undefined ? {} : { by: { commit: newer.commit, pusher: newer.pusher } }),
  } as const;
  if (deployment !== undefined) {
    if (!isDeploymentOver(deployment.status.phase)) return undefined;
    switch (deployment.status.phase) {
      case "complete": {
        // Who reads "Live" opens the URL: not before routers have taken what makes it true.
        const { finishedAt } = deployment.status;
        if (push.state === "open" && finishedAt !== undefined && nowMs < Date.parse(finishedAt) + ENDED_WITHIN_MS) return undefined;
        const url = app?.status.urls[0];
        return { ok: true, sincePushMs: nowMs - push.createdAt.getTime(), ...(url === undefined ? {} : { url }) };
      }
      case "superseded":
        return superseded;
      default:
        if (deployment.status.command?.state === "failed")
          return {
            ok: false,
            kind: "command_failed",
            release: deployment.spec.release,
            deployment: deployment.spec.number,
            ...liveRelease,
          };
        return deployment.status.failure === undefined
          ? { ok: false, kind: "failed", message: deployment.status.message ?? "the rollout failed", ...liveRelease }
          : { ok: false, kind: "never_ready", release: deployment.spec.release, deployment: deployment.spec.number, ...liveRelease };
    }
  }
  switch (build?.status.phase) {
    case "failed":
      if (build.status.failure?.reason === "quota_exceeded")
        return { ok: false, kind: "quota_exceeded", message: build.status.failure.message, ...liveRelease };
      return { ok: false, kind: "build_failed", build: build.spec.number, ...liveRelease };
    case "cancelled":
      return { ok: false, kind: "cancelled", ...liveRelease };
    case "superseded":
      return superseded;
    default:
      break;
  }
  if (push.state === "refused") return { ok: false, kind: "failed", message: push.reason ?? "it was refused", ...liveRelease };
  if (app === undefined) return { ok: false, kind: "failed", message: "the app was deleted meanwhile" };
  return undefined;
}
