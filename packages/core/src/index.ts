export { applyCommitConfig } from "./app-file/apply.ts";
export type { CommitConfig } from "./app-file/commit-config.ts";
export {
  type BuildAdvice,
  type BuildEvent,
  type BuildFailure,
  type BuildLimits,
  type BuildStep,
  type BuildWarning,
  DEFAULT_BUILD_DISK,
  type ExcerptLine,
  type WrittenRecipe,
} from "./build.ts";
export { assertBuildLimits, limitsOfBuild, memoryToRetry, typedBytes } from "./build-limits.ts";
export { appCharges, type ProcessCharge, totalCharge } from "./charge.ts";
export { AppError, type AppErrorOptions, type ErrorCode, errorText, ifThere, type Retry, toAppError } from "./errors.ts";
export { NAME_PATTERN, newSecret, newUid, type Uid } from "./ids.ts";
export { type Digest, type Healthcheck, type HistoryEntry, type Image, type ImageConfig, isDigest, type LayerRef } from "./image.ts";
export {
  ImagePackage,
  MOST_PACKAGE_NOTES,
  MOST_PACKAGE_PATHS,
  MOST_PACKAGES,
  PACKAGE_SOURCES,
  PACKAGE_TYPES,
  PackageList,
  type PackageType,
} from "./packages.ts";
export { PERMISSIONS, type Permission, ROLE_PERMISSIONS, ROLES, type Role, roleAllows } from "./permissions.ts";
export {
  BUILD_PHASES,
  type BuildPhase,
  DEPLOYMENT_PHASES,
  type DeploymentPhase,
  INSTANCE_PHASES,
  type InstancePhase,
  isBuildOver,
  isDeploymentOver,
  isInstanceGone,
} from "./phases.ts";
export {
  addQuota,
  formatBytes,
  formatQuantity,
  QUOTA_DIMENSIONS,
  type QuotaDimension,
  type QuotaExcess,
  QuotaVector,
  quotaExcess,
  ZERO_QUOTA,
} from "./quota.ts";
export { accessFor, RegistryAccess, RegistryCredential, RegistryMirrors, readMirror, readRegistryHost } from "./registries.ts";
export * from "./resources.ts";
