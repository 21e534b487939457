// Signatures first; the bodies follow file by file under these names.
import type { Stats } from "node:fs";

/** Every host-global name of one agent, derived from its name and data directory. */
export interface HostLayout {
  readonly name: string;
  /** Short hash of the absolute state directory; part of every host-global name. */
  readonly tag: string;
  /** `<dataDir>/hosts/<name>`: survives a reboot. A shared mount (bound on itself). */
  readonly stateDir: string;
  /** `/run/plimsoll/<tag>`: a tmpfs, gone after a reboot. */
  readonly runDir: string;
  /** Below runDir, root only, never swapped: OCI bundles with secrets in clear, and the runtime's own state. */
  readonly bundlesDir: string;
  readonly crunDir: string;
  /** conmon's exit files, below runDir. */
  readonly exitsDir: string;
  /** Pins of user namespaces, below runDir. */
  readonly usernsDir: string;
  /** /run/netns, so that both `ip -n <basename>` and `nsenter --net=<path>` work. */
  readonly netnsDir: string;
  /** `plim-<tag>-`: our names in netnsDir begin with it. */
  readonly netnsPrefix: string;
  /** `/plimsoll-<tag>`, below `cgroupParent` where one is given (a delegated subtree); as in OCI's cgroupsPath. */
  readonly cgroupRoot: string;
  readonly nftTable: string;
  readonly layersDir: string;
  readonly imagesDir: string;
  /** Upper directories of instances and builds; on the layer store's file system so that they can be renamed into it. */
  readonly snapshotsDir: string;
  readonly logsDir: string;
}
export declare function hostLayout(options: {
  readonly name: string;
  readonly dataDir: string;
  readonly cgroupParent?: string;
}): HostLayout;
/** Makes directories, tmpfs and the shared mount. Idempotent. */
export declare function ensureHostLayout(layout: HostLayout): Promise<void>;
/** Takes away everything under the layout: pins, cgroups (killing what runs in them), mounts, run and state directory. For tests and uninstall. */
export declare function removeHostLayout(layout: HostLayout): Promise<void>;

/** Paths below the root of an untrusted tree; bytes, because names in it need not be UTF-8. A leading "/" is ignored. */
export type TreePath = string | Uint8Array;
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}
/** All methods are synchronous, throw node's errors (`code: "ENOENT"` …), and never leave the root whatever links the tree holds. */
export declare class RootedTree implements Disposable {
  constructor(root: string);
  lstat(path: TreePath): Stats;
  /** Follows links inside the root. */
  stat(path: TreePath): Stats;
  exists(path: TreePath): boolean;
  readlink(path: TreePath): Buffer;
  readdir(path: TreePath): Buffer[];
  /** An open descriptor; final link is followed inside the root unless `follow: false`. Regular files only. The caller closes it. */
  openRead(path: TreePath, options?: { readonly follow?: boolean }): number;
  readFile(path: TreePath, maxBytes?: number): Buffer;
  /** Creates (O_EXCL) after removing what is there; descriptor open for writing. The caller closes it. */
  createFile(path: TreePath, mode: number, owner?: Owner): number;
  /** Like `mkdir -p`: existing directories (also behind links inside the root) stay as they are; new ones get mode and owner. */
  mkdirs(path: TreePath, mode?: number, owner?: Owner): void;
  symlink(target: TreePath, path: TreePath, owner?: Owner): void;
  link(existing: TreePath, path: TreePath): void;
  chown(path: TreePath, owner: Owner): void;
  chmod(path: TreePath, mode: number): void;
  /** Of the link itself where it is one. */
  utimes(path: TreePath, mtimeNs: bigint): void;
  xattrs(path: TreePath): ReadonlyMap<string, Buffer>;
  setXattr(path: TreePath, name: string, value: Uint8Array): void;
  removeXattr(path: TreePath, name: string): void;
  /** An overlay whiteout (character device 0/0) in the place of whatever is there. */
  whiteout(path: TreePath): void;
  /** Marks a directory as hiding what lower layers have there. */
  opaque(path: TreePath): void;
  fifo(path: TreePath, mode: number, owner?: Owner): void;
  /** Removes whatever is there, recursively, following nothing. Nothing there is no error. */
  remove(path: TreePath): void;
  [Symbol.dispose](): void;
}

export interface UserRange {
  readonly uidBase: number;
  /** Default 65536. */
  readonly size?: number;
}
/** Idempotent; the namespace is pinned by a bind mount and outlives us. */
export declare function ensureUserNamespace(layout: HostLayout, key: string, range: UserRange): Promise<string>;
export declare function removeUserNamespace(layout: HostLayout, key: string): Promise<void>;
/** Child of the user namespace where one is given; `lo` is up. Returns its path; `basename(path)` is what `ip -n` wants. */
export declare function ensureNetworkNamespace(layout: HostLayout, key: string, usernsPath?: string): Promise<string>;
export declare function removeNetworkNamespace(layout: HostLayout, key: string): Promise<void>;
export declare function listNetworkNamespaces(layout: HostLayout): readonly string[];
/** Runs `body` with the calling thread in that network namespace; `body` must be synchronous. */
export declare function inNetworkNamespace<T>(path: string, body: () => T): T;

/** A detached copy of `source`, id-mapped by the user namespace, attached at `target`. */
export declare function mountIdMapped(source: string, target: string, usernsPath: string): void;
export interface OverlayMount {
  /** Directories of the layers, bottom first. */
  readonly layers: readonly string[];
  /** Both must be empty or of this same overlay, on one file system. Absent: the overlay is read-only. */
  readonly upper?: { readonly upperDir: string; readonly workDir: string };
  readonly usernsPath: string;
  readonly uidBase: number;
  /** A directory (on a tmpfs of the caller's private mount namespace) for the mounts it is made of; the root appears at `<scratch>/root`. */
  readonly scratch: string;
}
/** Mounts a snapshot for a user-id range so that container-side ids are stored on disk. Returns its root. Main thread only. */
export declare function mountOverlay(mount: OverlayMount): string;
/** The calling thread gets a mount namespace of its own, a slave of the host's. Main thread only. */
export declare function enterPrivateMountNamespace(): void;
/** crun refuses hybrid cgroups: takes cgroup2 out of sight. Only in a private mount namespace. No-op elsewhere than on hybrid hosts. */
export declare function hideHybridCgroup(): void;

export interface CgroupLimits {
  readonly cpuMillis?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}
export interface CgroupUsage {
  readonly cpuMicros: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
  readonly pids: number;
  /** Processes that the kernel has killed in it for memory. */
  readonly oomKills: number;
}
/** Paths are relative to the layout's cgroupRoot: `tenants/<namespace>/run/<instance>`. */
export interface CgroupDriver {
  readonly version: "v1" | "v2";
  /** `<cgroupRoot>/<path>` as OCI's linux.cgroupsPath wants it. */
  ociPath(path: string): string;
  /** Makes it and its parents, sets the limits. A limit below use is set to the use. Returns what was set. Idempotent. */
  ensure(path: string, limits?: CgroupLimits): CgroupLimits;
  /** `tenants/<namespace>`: raised at once, lowered never below what its children hold or use; call again to lower further. */
  ensureTenant(namespace: string, totals: CgroupLimits): CgroupLimits;
  exists(path: string): boolean;
  children(path: string): readonly string[];
  /** Pids in it and below it. */
  processes(path: string): readonly number[];
  move(path: string, pid: number): void;
  usage(path: string): CgroupUsage;
  /** SIGKILL to all in it and below, until none is left. */
  killAll(path: string, timeoutMs?: number): Promise<void>;
  /** killAll, then removes it and what is below. Nothing there is no error. */
  remove(path: string): Promise<void>;
}
export declare function cgroupDriver(layout: HostLayout): CgroupDriver;

/** A process that cannot be mistaken for another one that got its pid later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, clock ticks since boot. */
  readonly startTicks: number;
}
export declare function identifyProcess(pid: number): ProcessIdentity | undefined;
/** Zombies count as gone. */
export declare function isAlive(identity: ProcessIdentity): boolean;
/** False when it is gone. */
export declare function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean;
/** True when it is gone within the time. */
export declare function waitGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean>;
