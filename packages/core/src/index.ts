export type { BuildEvent, BuildFailure, BuildLimits, BuildStep } from "./build.ts";
export { AppError, type AppErrorOptions, type ErrorCode, errorText, type Retry, toAppError } from "./errors.ts";
export { type Digest, type Image, type ImageConfig, isDigest, type LayerRef } from "./image.ts";
