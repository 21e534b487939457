// Signatures first; the bodies follow file by file under these names.
import type { Digest, Image } from "@plimsoll/core";
import type { CgroupDriver, CgroupUsage, HostLayout } from "@plimsoll/host";
import type { ResolverConfig } from "./etc-files.ts";
import type { ImageStore } from "./image-store.ts";
import type { LayerStore } from "./layer-store.ts";

export type { HostEntry, ResolverConfig } from "./etc-files.ts";
export { ImageStore, imageDigest } from "./image-store.ts";
export { type InstanceObservation, InstanceRuntime, type InstanceRuntimeOptions } from "./instance-runtime.ts";
export type { InstanceDefinition, RunExit } from "./instance-state.ts";
export { type ImportOptions, LayerStore, type TemporaryLayer } from "./layer-store.ts";
export { DEFAULT_LOG_POLICY, type LogLine, type LogPolicy } from "./log-files.ts";
export { DEFAULT_RESTART_POLICY, planRestart, type RestartPlan, type RestartPolicy } from "./restart.ts";

export interface ResolvedBase {
  readonly image: Image;
  readonly substituted?: true;
  /** `substituted node:22 with an image made here` */
  readonly note?: string;
}
export interface BaseImagesOptions {
  readonly layout: HostLayout;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  /** What stands in for what where the registry cannot be reached. Default: defaultSubstitutes. */
  readonly substitutes?: readonly SubstituteRule[];
  readonly pullTimeoutMs?: number;
}
/** `match` is a reference with `*` wildcards, without `docker.io/library/`. The first rule that matches counts. */
export interface SubstituteRule {
  readonly match: string;
  readonly make: { readonly kind: "debian"; readonly suite: string } | { readonly kind: "node"; readonly suite: string };
}
export declare const defaultSubstitutes: readonly SubstituteRule[];
export declare class BaseImages {
  constructor(options: BaseImagesOptions);
  /** AppError `not_found`, `forbidden`, `unavailable`, `timeout` with a sentence for people. Concurrent calls for one reference run once. */
  resolve(reference: string, options?: { readonly signal?: AbortSignal }): Promise<ResolvedBase>;
  /** Digests that references on this host name; never collected. */
  kept(): ReadonlySet<Digest>;
}

/** One command of a build. For a process that is in a private mount namespace already (enterPrivateMountNamespace, hideHybridCgroup). */
export interface SandboxRequest {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  /** Unique on this host. */
  readonly id: string;
  /** Directories of the lower chain, bottom first. */
  readonly layers: readonly string[];
  /** Of LayerStore.temporary(); after the run it holds exactly what the command changed and can be sealed. */
  readonly upperDir: string;
  readonly workDir: string;
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** Absent: no network but lo. */
  readonly networkNamespace?: string;
  /** Parent cgroup relative to cgroupRoot, which exists and has the build's limits: `tenants/<ns>/build/<build>`. */
  readonly cgroupPath: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** As in an image config; names are looked up in the tree's /etc/passwd and /etc/group. */
  readonly user: string;
  readonly cwd: string;
  readonly hostname?: string;
  readonly resolver?: ResolverConfig;
  readonly mounts?: readonly SandboxMount[];
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly onOutput: (stream: "stdout" | "stderr", chunk: Buffer) => void;
}
export interface SandboxMount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}
export interface SandboxResult {
  readonly exitCode: number;
  readonly signal?: string;
  readonly outOfMemory: boolean;
  readonly timedOut: boolean;
  readonly usage: CgroupUsage;
}
export declare function runSandbox(request: SandboxRequest): Promise<SandboxResult>;
