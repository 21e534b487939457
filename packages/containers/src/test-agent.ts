import { cgroupDriver, type HostLayout } from "@plimsoll/host";
import { InstanceRuntime } from "./instance-runtime.ts";
import type { InstanceDefinition } from "./instance-state.ts";
import { LayerStore } from "./layer-store.ts";

/** An agent for tests that kill it: does what it is told on its standard input and waits to be shot. */
interface Orders {
  readonly layout: HostLayout;
  readonly run: readonly InstanceDefinition[];
  readonly create: readonly InstanceDefinition[];
}

let text = "";
for await (const chunk of process.stdin) text += String(chunk);
const { layout, run, create }: Orders = JSON.parse(text);
const runtime = await InstanceRuntime.open({ layout, cgroups: cgroupDriver(layout), layers: new LayerStore(layout.layersDir) });
for (const definition of run) await runtime.run(definition);
for (const definition of create) await runtime.create(definition);
process.stdout.write("done\n");
setInterval(() => undefined, 1_000);
