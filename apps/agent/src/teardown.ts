import { createLogger } from "@plimsoll/config";
import { InstanceRuntime, LayerStore } from "@plimsoll/containers";
import { cgroupDriver, ensureHostLayout, releaseHostLayout } from "@plimsoll/host";
import { addressPlan, removeHostNetwork } from "@plimsoll/network";
import { layoutOf } from "./agent.ts";
import { HostIngress } from "./host-ingress.ts";
import type { Settings } from "./settings.ts";

/**
 * Takes away everything that runs or is mounted on this host: ingress, instances, networks, cgroups, pins. What is kept for the next start
 * (identity, layers, images, logs) stays. Idempotent. The agent must not run.
 */
export async function tearDown(settings: Settings): Promise<void> {
  const log = createLogger("agent");
  const layout = layoutOf(settings);
  await ensureHostLayout(layout);
  await new HostIngress(settings, layout, log).stop();
  const runtime = await InstanceRuntime.open({ layout, cgroups: cgroupDriver(layout), layers: new LayerStore(layout.layersDir) });
  await Promise.all(runtime.list().map(({ id }) => runtime.stop(id).then(() => runtime.remove(id, { keepLogs: true }))));
  await runtime.collect(new Set());
  await runtime.close();
  await removeHostNetwork({ layout, index: 0, plan: addressPlan() });
  await releaseHostLayout(layout);
}
