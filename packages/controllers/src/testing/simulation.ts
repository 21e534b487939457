import type { Resource, Spec, Status } from "@plimsoll/core";
import { needsPlacement, planRollout } from "../app/plan-rollout.ts";
import type { RolloutPlan, RolloutWorld } from "../app/rollout-world.ts";
import { type HostState, hostViews } from "../host-states.ts";
import { aDeployment, aHost, anApp, anInstance, aRelease, processes, START } from "./objects.ts";

/**
 * An app, its hosts and their agents as plain data, in which plans are applied as applyRollout applies them: whole rollouts run in
 * microseconds, in any order of events.
 */
export class Simulation {
  nowMs = START;
  app: Resource<"App"> = anApp();
  hosts: HostState[] = [aHost("host-a"), aHost("host-b")];
  instances: Resource<"Instance">[] = [];
  deployments: Resource<"Deployment">[] = [];
  releases: Resource<"Release">[] = [];
  routingVersion = 1;
  /** Deployments whose release command is in the books. */
  readonly charged = new Set<string>();
  #next = 0;

  world(): RolloutWorld {
    const open = this.deployments.filter(({ status }) => status.phase === "starting" || status.phase === "draining");
    return {
      nowMs: this.nowMs,
      observedSinceMs: START,
      app: this.app,
      releases: new Map(this.releases.map((release) => [release.spec.number, release])),
      open,
      latest: this.deployments.at(-1),
      instances: this.instances,
      hosts: this.hosts,
      urls: [],
      traffic: undefined,
    };
  }

  /** One reconcile. */
  step(): RolloutPlan {
    const world = this.world();
    const use = new Map(
      this.hosts.map(({ host }) => {
        const bound = this.instances.filter(({ spec }) => spec.hostUid === host.metadata.uid);
        const sum = (of: (one: Resource<"Instance">) => number) => bound.reduce((total, one) => total + of(one), 0);
        return [
          host.metadata.uid,
          { cpuMillis: sum(({ spec }) => spec.cpuMillis), memoryBytes: sum(({ spec }) => spec.memoryBytes), builds: 0 },
        ];
      }),
    );
    const plan = planRollout(world, needsPlacement(world) ? hostViews(this.hosts, use) : []);
    this.#apply(plan, world);
    return plan;
  }

  deploy(command?: Spec<"Release">["releaseCommand"]): void {
    const number = this.releases.length + 1;
    const release = aRelease(number);
    this.releases.push(command === undefined ? release : { ...release, spec: { ...release.spec, releaseCommand: command } });
    this.redeploy(number);
  }

  redeploy(release: number): void {
    const startedAt = new Date(this.nowMs).toISOString();
    this.deployments.push(aDeployment(this.deployments.length + 1, release, { startedAt }));
  }

  scale(replicas: number): void {
    this.app = { ...this.app, spec: { ...this.app.spec, processes: { web: { ...processes.web, replicas } } } };
  }

  /** What an agent reports of an instance. */
  report(instance: Resource<"Instance">, status: Partial<Status<"Instance">>): void {
    this.#replace(instance, { ...instance, status: { ...instance.status, ...status } });
  }

  /** An agent does the next thing with an instance; `how` once it has started. */
  act(instance: Resource<"Instance">, how: AgentAct): void {
    const host = this.hosts.find((state) => state.host.metadata.uid === instance.spec.hostUid);
    const change = host?.live ? nextReport(instance, how, new Date(this.nowMs).toISOString()) : undefined;
    if (change !== undefined) this.report(instance, change);
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  acknowledge(index: number): void {
    this.hosts = this.hosts.map((state, i) => (i === index && state.live ? { ...state, routingVersion: this.routingVersion } : state));
  }

  setHost(index: number, over: Partial<HostState>): void {
    this.hosts = this.hosts.map((state, i) => (i === index ? { ...state, ...over } : state));
  }

  /** An operator closes a host, or opens it again. */
  close(index: number, closed: boolean): void {
    this.hosts = this.hosts.map((state, i) =>
      i === index ? { ...state, host: { ...state.host, spec: { ...state.host.spec, schedulable: !closed } } } : state,
    );
  }

  #apply(plan: RolloutPlan, world: RolloutWorld): void {
    if (plan.routing) this.routingVersion++;
    for (const one of plan.create) {
      const uid = `i${this.#next++}`;
      this.instances.push(
        anInstance(
          uid,
          {
            release: one.release.spec.number,
            process: one.process,
            ordinal: one.ordinal,
            host: one.hostUid,
            hostUid: one.hostUid,
            ...(one.task === undefined ? {} : { task: one.task }),
          },
          {},
          { createdAt: new Date(this.nowMs).toISOString() },
        ),
      );
    }
    for (const one of plan.stop) this.#replace(one, { ...one, spec: { ...one.spec, desired: "stopped" } });
    for (const one of plan.lose)
      this.#replace(one, { ...one, spec: { ...one.spec, desired: "stopped" }, status: { ...one.status, phase: "lost" } });
    for (const one of [...plan.drain, ...plan.noteDrainVersion])
      this.#replace(one, {
        ...one,
        spec: { ...one.spec, desired: "draining" },
        status: { ...one.status, drainVersion: this.routingVersion },
      });
    this.instances = this.instances.filter((one) => !plan.remove.some(({ metadata }) => metadata.uid === one.metadata.uid));
    this.deployments = this.deployments.map((one) => {
      const change = plan.deployments.find(({ deployment }) => deployment.metadata.uid === one.metadata.uid);
      return change === undefined ? one : { ...one, status: change.status };
    });
    const ran = new Set(plan.commandRan.map(({ metadata }) => metadata.uid));
    const commandRanAt = new Date(this.nowMs).toISOString();
    this.releases = this.releases
      .filter((one) => !plan.removeReleases.includes(one))
      .map((one) => (ran.has(one.metadata.uid) ? { ...one, status: { ...one.status, commandRanAt } } : one));
    for (const { metadata } of plan.settleCommands) this.charged.delete(metadata.uid);
    const target = world.open.at(-1);
    if (target !== undefined && plan.create.some(({ task }) => task === true)) this.charged.add(target.metadata.uid);
    this.app = { ...this.app, status: plan.status };
  }

  #replace(before: Resource<"Instance">, after: Resource<"Instance">): void {
    this.instances = this.instances.map((one) => (one.metadata.uid === before.metadata.uid ? after : one));
  }
}

export type AgentAct = "ready" | "unready" | "crash" | "give-up" | "finish";

function nextReport({ spec, status }: Resource<"Instance">, how: AgentAct, at: string): Partial<Status<"Instance">> | undefined {
  if (spec.desired === "stopped") return { phase: "stopped" };
  if (status.phase === "scheduled" || status.phase === "lost") return { phase: "starting", startedAt: at };
  if (status.phase === "failed" || status.phase === "stopped" || status.phase === "finished") return undefined;
  if (spec.task === true) {
    if (how === "give-up") return { phase: "failed", message: "its host was restarted while it ran" };
    const ends = how === "finish" || how === "crash";
    return ends ? { phase: "finished", lastExit: { code: how === "crash" ? 1 : 0, outOfMemory: false, at } } : undefined;
  }
  switch (how) {
    case "finish":
      return undefined;
    case "ready":
      return { phase: "ready", readyAt: status.readyAt ?? at };
    case "unready":
      return { phase: status.phase === "ready" ? "unready" : status.phase };
    case "crash":
      return { phase: "backoff", restarts: status.restarts + 1, lastExit: { code: 1, outOfMemory: false, at } };
    case "give-up":
      return { phase: "failed", message: "broken", lastExit: { code: 1, outOfMemory: false, at } };
  }
}
