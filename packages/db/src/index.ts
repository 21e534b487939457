export { CONNECTION_CREDENTIAL, CONNECTION_HOOK, type ConnectionRecord } from "./connections.ts";
export { asUnavailable, type ChangeRow, type Database, openDatabase } from "./database.ts";
export type { DiskHolder, DiskUseRecord, HostDiskRecord } from "./disks.ts";
export { type EventNote, recordEvent } from "./events.ts";
export type { HostAdmissions, HostRole } from "./host-admissions.ts";
export { type DeployKeyRecord, hashToken, type Identities, type TokenKind, type TokenRecord, type UserRecord } from "./identities.ts";
export type { ImagePackagesRecord } from "./image-packages.ts";
export { applyInstanceReport, reportedStatus } from "./instance-reports.ts";
export type { Lease, LeaseStore } from "./leases.ts";
export type { ListOptions, NamespaceRef, NewObject, ObjectReader, ObjectRepository } from "./objects.ts";
export type { AuditRecord, HostLeaseRecord, HostUse, Platform } from "./platform.ts";
export type { Retention } from "./prune.ts";
export type { PushRecord, PushState } from "./pushes.ts";
export type { Quotas } from "./quotas.ts";
export type { RegistryRecord } from "./registries.ts";
export {
  type BuildRequest,
  createBuild,
  createDeployment,
  createRelease,
  type DeploymentRequest,
  type ReleaseRequest,
  releaseChanges,
} from "./releases.ts";
export { backendId, changeRouting } from "./routing.ts";
export { assertTeamVisible, PLATFORM, type TenantScope } from "./scope.ts";
export type { AuditEntry, Fence, Tx } from "./transaction.ts";
export { chargeQuota, givenByTeam, releaseQuota } from "./usage.ts";
