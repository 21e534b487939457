export {
  type Builder,
  type BuilderOptions,
  type BuildOptions,
  type BuildOutcome,
  type BuildRequest,
  type Collected,
  type CollectOptions,
  createBuilder,
} from "./builder.ts";
export { measuredCacheMount } from "./cache/cache-mounts.ts";
export type { BuildNetwork, BuildNetworkPath } from "./solve/network.ts";
