export { blockDeviceOf } from "./block-device.ts";
export type { CgroupDriver, CgroupLimits, CgroupUsage, IoLimit } from "./cgroup.ts";
export { cgroupDriver } from "./cgroup-driver.ts";
export { type DiskRoom, diskRoom } from "./disk-room.ts";
export { ensureHostLayout, releaseHostLayout, removeHostLayout } from "./host-directories.ts";
export { type HostLayout, type HostLayoutOptions, hostLayout } from "./layout.ts";
export {
  ensureSharedMount,
  enterPrivateMountNamespace,
  hideHybridCgroup,
  inPrivateMountNamespace,
  isMountPoint,
  mountIdMapped,
  mountOverlay,
  type OverlayMount,
  privateMountNamespaceArgv,
  unmountAll,
} from "./mounts.ts";
export {
  ensureNetworkNamespace,
  ensureUserNamespace,
  inNetworkNamespace,
  listNetworkNamespaces,
  removeNetworkNamespace,
  removeUserNamespace,
  type UserRange,
} from "./namespaces.ts";
export { type Pressure, readPressure } from "./pressure.ts";
export { identifyProcess, isAlive, type ProcessIdentity, signalProcess, waitGone } from "./process-identity.ts";
export { type Owner, RootedTree, type TreeEntry, type TreePath } from "./rooted-tree.ts";
export {
  errorCode,
  getXattr,
  listXattrs,
  MS,
  mount,
  pipe,
  removeXattr,
  SyscallError,
  syncFileSystem,
  umount,
} from "./syscalls.ts";
