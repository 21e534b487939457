import type { Resource, Status } from "@plimsoll/core";
import type { RolloutWorld, Transition, Unplaced } from "./rollout-world.ts";
import { displayName } from "./verdict.ts";
import { replicasOf } from "./wanted.ts";

export interface StatusInput {
  readonly world: RolloutWorld;
  readonly serving: number | undefined;
  readonly target: Resource<"Deployment"> | undefined;
  readonly transition: Transition | undefined;
  readonly unplaced: readonly Unplaced[];
}

/** The app's status, told anew from what is. While something serves, it is that release's processes that count. */
export function appStatus({ world, serving, target, transition, unplaced }: StatusInput): Status<"App"> {
  const { app } = world;
  const starting = target !== undefined && transition === undefined ? target : undefined;
  const shown = serving ?? starting?.spec.release;
  const processes = processesOf(world, shown);
  const phase = phaseOf(world, serving, starting, transition, processes);
  const message = messageOf(world, target, transition, unplaced);
  return {
    observedGeneration: app.metadata.generation,
    phase,
    ...(serving === undefined ? {} : { release: serving }),
    urls: listens(world, shown) ? [...world.urls] : [],
    processes,
    ...(message === undefined ? {} : { message }),
  };
}

/** Something of it can be asked: a URL that nothing will ever answer is none. */
function listens({ app, releases }: RolloutWorld, release: number | undefined): boolean {
  const processes = (release === undefined ? undefined : releases.get(release)?.spec.processes) ?? app.spec.processes;
  return Object.values(processes).some(({ port }) => port !== undefined);
}

type Processes = Status<"App">["processes"];

function processesOf({ app, releases, instances }: RolloutWorld, release: number | undefined): Processes {
  const names = Object.keys(release === undefined ? app.spec.processes : (releases.get(release)?.spec.processes ?? app.spec.processes));
  return Object.fromEntries(
    names.map((name) => {
      const ready = instances.filter(
        ({ spec, status }) => spec.process === name && spec.release === release && spec.desired === "running" && status.phase === "ready",
      );
      return [name, { desired: replicasOf(app.spec, name), ready: ready.length }];
    }),
  );
}

function phaseOf(
  { latest }: RolloutWorld,
  serving: number | undefined,
  starting: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  processes: Processes,
): Status<"App">["phase"] {
  if (starting !== undefined) return "deploying";
  if (serving === undefined) return transition?.phase === "failed" || latest?.status.phase === "failed" ? "failing" : "empty";
  const all = Object.values(processes);
  if (all.every(({ desired }) => desired === 0)) return "sleeping";
  if (all.every(({ desired, ready }) => ready >= desired)) return "live";
  return all.some(({ ready }) => ready > 0) ? "degraded" : "failing";
}

function messageOf(
  { latest }: RolloutWorld,
  target: Resource<"Deployment"> | undefined,
  transition: Transition | undefined,
  unplaced: readonly Unplaced[],
): string | undefined {
  const first = unplaced[0];
  if (first !== undefined) return `${displayName(first)} (v${first.release}) waits for ${first.waitsFor}: ${first.reason}`;
  if (target !== undefined) return transition?.phase === "failed" ? notReleased(target, transition.failure) : undefined;
  return latest?.status.phase === "failed" && latest.status.failure !== undefined ? notReleased(latest, latest.status.failure) : undefined;
}

function notReleased({ spec }: Resource<"Deployment">, { instance, reason }: { instance: string; reason: string }): string {
  return `v${spec.release} was not released: ${instance} ${reason}`;
}
