// Signatures first; the bodies follow file by file under these names.
import type { Digest, Image } from "@plimsoll/core";
import type { HostLayout } from "@plimsoll/host";
import type { ImageStore } from "./image-store.ts";
import type { LayerStore } from "./layer-store.ts";

export type { HostEntry, ResolverConfig } from "./etc-files.ts";
export { ImageStore, imageDigest } from "./image-store.ts";
export { type InstanceObservation, InstanceRuntime, type InstanceRuntimeOptions } from "./instance-runtime.ts";
export type { InstanceDefinition, RunExit } from "./instance-state.ts";
export { type ImportOptions, LayerStore, type TemporaryLayer } from "./layer-store.ts";
export { DEFAULT_LOG_POLICY, type LogLine, type LogPolicy } from "./log-files.ts";
export type { BindMount } from "./oci-spec.ts";
export { DEFAULT_RESTART_POLICY, planRestart, type RestartPlan, type RestartPolicy } from "./restart.ts";
export { runSandbox, type SandboxRequest, type SandboxResult } from "./sandbox.ts";

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
