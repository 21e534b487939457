import { createInterface } from "node:readline";
import { cgroupDriver, type HostLayout } from "@plimsoll/host";
import { InstanceRuntime } from "./instance-runtime.ts";
import type { InstanceDefinition } from "./instance-state.ts";
import { LayerStore } from "./layer-store.ts";

/** An agent for tests that kill it: does what it is told on its standard input, a line at a time, and waits to be shot. */
interface Orders {
  readonly layout: HostLayout;
  readonly run?: readonly InstanceDefinition[];
  readonly create?: readonly InstanceDefinition[];
}

let runtime: InstanceRuntime | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const { layout, run = [], create = [] }: Orders = JSON.parse(line);
  runtime ??= await InstanceRuntime.open({ layout, cgroups: cgroupDriver(layout), layers: new LayerStore(layout.layersDir) });
  for (const definition of run) await runtime.run(definition);
  for (const definition of create) await runtime.create(definition);
  process.stdout.write("done\n");
}
