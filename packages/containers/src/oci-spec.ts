import type { ContainerUser } from "./container-user.ts";
import type { OciSeccomp } from "./seccomp.ts";

/** What goes into a bundle's config.json (OCI runtime spec 1.0.2). Only what instances and builds differ in is a parameter. */
export interface ContainerSpec {
  readonly rootPath: string;
  readonly hostname: string;
  readonly args: readonly string[];
  /** `NAME=value`. HOME and PATH are added where missing. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ContainerUser;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: OciSeccomp;
  readonly userNamespace: { readonly path: string; readonly uidBase: number };
  /** Absent: a new one with nothing but lo. */
  readonly networkNamespace?: string;
  readonly cgroupsPath: string;
  /** In this order; a later one may lie inside an earlier one. */
  readonly binds: readonly (BindMount | TmpfsMount)[];
  /** RLIMIT_NOFILE of the host's process is at least this. */
  readonly openFiles: number;
  /** RLIMIT_FSIZE: no file grows larger. Absent: none. */
  readonly fileBytes?: number;
}

export interface BindMount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** An empty file system in memory, on the account of who writes into it. */
export interface TmpfsMount {
  readonly type: "tmpfs";
  readonly destination: string;
  readonly sizeBytes?: number;
}

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Host state that a container could read or change through /proc and /sys; the lists of Docker's default profile. */
const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const RANGE_SIZE = 65_536;

/** Pure. Limits are not in it: the cgroup is made with them before the runtime joins it. */
export function ociSpec(container: ContainerSpec): object {
  const { user } = container;
  const mapping = [{ containerID: 0, hostID: container.userNamespace.uidBase, size: RANGE_SIZE }];
  // Another user than root gets no capability into its hands, as in Docker; the bounding set is what setuid programs could reach.
  const held = user.uid === 0 ? container.capabilities : [];
  return {
    ociVersion: "1.0.2",
    root: { path: container.rootPath },
    hostname: container.hostname,
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
      args: container.args,
      env: withDefaults(container.env, { PATH: DEFAULT_PATH, HOSTNAME: container.hostname, HOME: user.home }),
      cwd: container.cwd,
      noNewPrivileges: container.noNewPrivileges,
      capabilities: { bounding: container.capabilities, effective: held, permitted: held },
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: container.openFiles, hard: container.openFiles },
        // A core dump would be written wherever the host's core_pattern says.
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
        ...(container.fileBytes === undefined ? [] : [{ type: "RLIMIT_FSIZE", soft: container.fileBytes, hard: container.fileBytes }]),
      ],
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=1024k"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "ro"] },
      ...container.binds.map(ociMount),
    ],
    linux: {
      namespaces: [
        ...["pid", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
        { type: "user", path: container.userNamespace.path },
        container.networkNamespace === undefined ? { type: "network" } : { type: "network", path: container.networkNamespace },
      ],
      uidMappings: mapping,
      gidMappings: mapping,
      cgroupsPath: container.cgroupsPath,
      // No device of the host can be opened, wherever a node of it came from; the runtime adds null, zero, random, tty and their like.
      resources: { devices: [{ allow: false, access: "rwm" }] },
      // As in Docker: everybody in there may listen on any port and send pings; it is a network of its own.
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 65535" },
      seccomp: container.seccomp,
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

function ociMount(mount: BindMount | TmpfsMount): object {
  const { destination } = mount;
  if ("source" in mount) {
    return { destination, type: "bind", source: mount.source, options: ["bind", "nosuid", "nodev", mount.readOnly ? "ro" : "rw"] };
  }
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  return { destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777", ...size] };
}

function withDefaults(env: readonly string[], defaults: Readonly<Record<string, string>>): readonly string[] {
  const named = new Set(env.map((pair) => pair.slice(0, pair.indexOf("="))));
  const missing = Object.entries(defaults).filter(([name]) => !named.has(name));
  return [...missing.map(([name, value]) => `${name}=${value}`), ...env];
}

/** Environment lists laid over each other: the last value of a name counts, in the place of its first. */
export function mergeEnv(...lists: readonly (readonly string[])[]): readonly string[] {
  const merged = new Map<string, string>();
  for (const pair of lists.flat()) {
    const equals = pair.indexOf("=");
    if (equals > 0) merged.set(pair.slice(0, equals), pair);
  }
  return [...merged.values()];
}
