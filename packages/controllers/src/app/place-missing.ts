import type { Resource } from "@plimsoll/core";
import { explainRefusals, type HostView, type InstanceRequest, place } from "@plimsoll/scheduler";
import type { NewInstance, RolloutWorld, Unplaced } from "./rollout-world.ts";
import type { Census } from "./wanted.ts";

export interface PlacedMissing {
  readonly create: readonly NewInstance[];
  readonly unplaced: readonly Unplaced[];
}

/** Finds hosts for what the census misses; says why where there is none. */
export function placeMissing(world: RolloutWorld, { missing }: Census, views: readonly HostView[]): PlacedMissing {
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
