import { createHash } from "node:crypto";
import { join, resolve } from "node:path";

/** Every host-global name of one agent, derived from its name and data directory, so that two agents can live on one machine. */
export interface HostLayout {
  readonly name: string;
  /** Short hash of the absolute state directory; part of every host-global name. */
  readonly tag: string;
  /** `<dataDir>/hosts/<name>`: survives a reboot. A shared mount (bound on itself). */
  readonly stateDir: string;
  /** `/run/plimsoll/<tag>`: a tmpfs, gone after a reboot. */
  readonly runDir: string;
  /** Below runDir, root only, never swapped: OCI bundles with secrets in clear. */
  readonly bundlesDir: string;
  /** State of the OCI runtime; it keeps a copy of the bundle's config, so it lies where the bundles do. */
  readonly crunDir: string;
  /** conmon's exit files, below runDir. */
  readonly exitsDir: string;
  /** Where a private mount namespace assembles its mounts; the same path for all, below runDir. */
  readonly mountsDir: string;
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

export interface HostLayoutOptions {
  /** The host's name: one path component. */
  readonly name: string;
  readonly dataDir: string;
  /** On systemd hosts: the cgroup delegated to us, as `/plimsoll.slice/…`. Default: the root. */
  readonly cgroupParent?: string;
}

/** Pure: the same names for the same absolute data directory and host name, on every call. */
export function hostLayout(options: HostLayoutOptions): HostLayout {
  const stateDir = join(resolve(options.dataDir), "hosts", options.name);
  const tag = createHash("sha256").update(stateDir).digest("hex").slice(0, 8);
  const runDir = `/run/plimsoll/${tag}`;
  const bundlesDir = join(runDir, "bundles");
  return {
    name: options.name,
    tag,
    stateDir,
    runDir,
    bundlesDir,
    crunDir: join(bundlesDir, ".crun"),
    exitsDir: join(runDir, "exits"),
    mountsDir: join(runDir, "mnt"),
    usernsDir: join(runDir, "userns"),
    netnsDir: "/run/netns",
    netnsPrefix: `plim-${tag}-`,
    cgroupRoot: join("/", options.cgroupParent ?? "/", `plimsoll-${tag}`),
    nftTable: `plimsoll_${tag}`,
    layersDir: join(stateDir, "layers"),
    imagesDir: join(stateDir, "images"),
    snapshotsDir: join(stateDir, "snapshots"),
    logsDir: join(stateDir, "logs"),
  };
}
