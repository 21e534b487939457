import type { Resource } from "@plimsoll/core";
import { explainRefusals, type HostView, type InstanceRequest, place } from "@plimsoll/scheduler";
import { commandSize } from "./plan-command.ts";
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
    const size = of === undefined || one.task !== true ? of?.spec.processes[one.process] : commandSize(of.spec);
    if (of === undefined || size === undefined || (one.task === true && world.noRoomForCommand !== undefined)) return [];
    return [
      {
        ...one,
        of,
        id: String(index),
        cpuMillis: size.cpuMillis,
        memoryBytes: size.memoryBytes,
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
      if (request === undefined) return [];
      const { process, ordinal, of: release, task } = request;
      return [{ process, ordinal, release, hostUid, ...(task === undefined ? {} : { task }) }];
    }),
    unplaced: [
      ...(world.noRoomForCommand === undefined
        ? []
        : missing
            .filter(({ task }) => task === true)
            .map(({ process, ordinal, release }) => ({
              process,
              ordinal,
              release,
              waitsFor: "room in the quota" as const,
              reason: world.noRoomForCommand ?? "",
            }))),
      ...plan.unplaced.flatMap(({ id, refusals }) => {
        const request = byId.get(id);
        if (request === undefined) return [];
        const { process, ordinal, release } = request;
        return [{ process, ordinal, release, waitsFor: "a host" as const, reason: explainRefusals(refusals) }];
      }),
    ],
  };
}

/** Instances that go to different hosts as far as there are any. */
export function spreadGroup(instance: { readonly process: string; readonly release: number }): string {
  return `${instance.process}/v${instance.release}`;
}
