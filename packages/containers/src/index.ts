// Signatures first; the bodies follow file by file under these names.
import type { Digest, Image } from "@plimsoll/core";
import type { CgroupDriver, CgroupUsage, HostLayout } from "@plimsoll/host";
import type { ImageStore } from "./image-store.ts";
import type { LayerStore } from "./layer-store.ts";

export { ImageStore, imageDigest } from "./image-store.ts";
export { type ImportOptions, LayerStore, type TemporaryLayer } from "./layer-store.ts";

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

/** What an instance is, beyond its image. Everything but `secretEnv` may be shown. */
export interface InstanceDefinition {
  /** The instance's uid: at most 64 of [A-Za-z0-9_.-]. */
  readonly id: string;
  /** The namespace's uid. */
  readonly namespace: string;
  readonly image: Image;
  /** Replaces the image's CMD (its ENTRYPOINT stays), as in Docker. */
  readonly command?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Kept on the root-only tmpfs and nowhere else. */
  readonly secretEnv: Readonly<Record<string, string>>;
  readonly limits: { readonly cpuMillis: number; readonly memoryBytes: number; readonly pids: number };
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** Path of the network namespace; the runtime neither makes nor removes it. */
  readonly networkNamespace: string;
  readonly hostname: string;
  readonly hosts: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly resolver: { readonly nameservers: readonly string[]; readonly search: readonly string[]; readonly options: readonly string[] };
  /** From the stop signal to the kill. */
  readonly stopGraceMs: number;
}

export interface RunExit {
  /** As a shell sees it: 128 + signal when ended by one. */
  readonly code: number;
  readonly signal?: string;
  readonly outOfMemory: boolean;
  /** Its monitor died and with it the status; the instance was killed. */
  readonly monitorLost: boolean;
  readonly at: string;
}

/** What is, read from the kernel and the run directory. */
export interface InstanceObservation {
  readonly id: string;
  readonly namespace: string;
  /** created: prepared, its program not yet started; exited: waits for restart() or remove(). */
  readonly state: "created" | "running" | "exited";
  /** 1 for the first run; every restart is a new one, with a fresh snapshot. */
  readonly run: number;
  readonly pid?: number;
  readonly startedAt?: string;
  readonly restarts: number;
  /** Runs that ended soon after their start, since the last one that lasted. */
  readonly failuresInRow: number;
  readonly lastExit?: RunExit;
}

export interface InstanceRuntimeOptions {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  /** Default: 10 MB a file, 5 files. */
  readonly logs?: LogPolicy;
}
export interface LogPolicy {
  readonly maxBytes: number;
  /** Files kept, the current one among them. */
  readonly keep: number;
}

/** Per instance, calls run one after the other; different instances side by side. */
export declare class InstanceRuntime implements AsyncDisposable {
  /** Starts the launcher and reads what is on this host. */
  static open(options: InstanceRuntimeOptions): Promise<InstanceRuntime>;
  /** Prepares run 1: snapshot, bundle, container created, program not started. An instance that exists is returned as it is. */
  create(definition: InstanceDefinition): Promise<InstanceObservation>;
  /** Starts the program of a created run. Idempotent. */
  start(id: string): Promise<InstanceObservation>;
  /** create + start in one go: the fast path. */
  run(definition: InstanceDefinition): Promise<InstanceObservation>;
  /** After an exit: the next run, started. Does nothing while it runs. */
  restart(id: string): Promise<InstanceObservation>;
  /** The stop signal, then after the grace period (default: the definition's) the kill. Resolves when it is gone. Idempotent. */
  stop(id: string, options?: { readonly graceMs?: number }): Promise<InstanceObservation | undefined>;
  kill(id: string): Promise<InstanceObservation | undefined>;
  /** Kills, and removes container, snapshot, bundle, cgroup; logs too unless kept. Idempotent. */
  remove(id: string, options?: { readonly keepLogs?: boolean }): Promise<void>;
  list(): readonly InstanceObservation[];
  /** Fresh from disk and kernel. */
  observe(id: string): Promise<InstanceObservation | undefined>;
  observeAll(): Promise<readonly InstanceObservation[]>;
  usage(id: string): CgroupUsage | undefined;
  /** Called when an instance exits or loses its monitor. Returns the unsubscribe. */
  onExit(listener: (observation: InstanceObservation) => void): () => void;
  /** Snapshots, cgroups, bundles, logs of instances not in `keep`. */
  collect(keep: ReadonlySet<string>): Promise<void>;
  /** The last lines, oldest first. */
  tailLog(namespace: string, id: string, lines: number): Promise<readonly LogLine[]>;
  /** From the last `tail` lines on, across rotations, until the signal aborts or the instance is removed. */
  followLog(namespace: string, id: string, options: { readonly tail: number; readonly signal: AbortSignal }): AsyncIterable<LogLine>;
  /** Stops watching; instances stay. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
export interface LogLine {
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

export interface RestartPolicy {
  /** First pause; doubles with every failure in a row. Default 500. */
  readonly initialMs: number;
  /** Default 60000. */
  readonly maxMs: number;
  /** A run of at least this length starts the count anew. Default 60000. */
  readonly stableMs: number;
}
/** Pure: when an exited instance is to be started again. */
export declare function planRestart(
  observation: Pick<InstanceObservation, "failuresInRow" | "lastExit">,
  nowMs: number,
  policy?: RestartPolicy,
): { readonly kind: "restart" } | { readonly kind: "wait"; readonly untilMs: number };

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
  readonly resolver?: InstanceDefinition["resolver"];
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
