export {
  type AddressPlan,
  addressPlan,
  DEFAULT_NETWORK,
  DEFAULT_SOURCE_NETWORK,
  freeAddress,
  hostCapacity,
  sourceAddress,
  tunnelAddress,
} from "./address-plan.ts";
export { attachBuild, type BuildLink, detachBuild } from "./build-link.ts";
export {
  ensureHostNetwork,
  type HostNetwork,
  type NetworkHost,
  removeHostNetwork,
  type WantedHostNetwork,
} from "./host-network.ts";
export {
  type AddressInUse,
  addressesInUse,
  attachInstance,
  detachInstance,
  INSTANCE_GATEWAY,
  type InstanceLink,
  listInstanceLinks,
} from "./instance-link.ts";
export { instanceLink } from "./names.ts";
export { ensureNamespaceNetwork, listNamespaceNetworks, type NamespaceNetwork, removeNamespaceNetwork } from "./namespace-network.ts";
export type { Outcome } from "./outcome.ts";
export type { Peer } from "./peers.ts";
export { resolvConf, upstreamResolvers } from "./resolvers.ts";
