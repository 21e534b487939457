export {
  type Builder,
  type BuilderOptions,
  type BuildOptions,
  type BuildOutcome,
  type BuildRequest,
  createBuilder,
} from "./builder.ts";
export type { Collected, CollectOptions } from "./cache/cache-collector.ts";
export { measuredCacheMount } from "./cache/cache-mounts.ts";
export type { BuildNetwork, BuildNetworkPath } from "./solve/network.ts";
