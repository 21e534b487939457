import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

/**
 * @typedef {"present" | "absent" | "unknown"} Presence
 * @typedef {{ pid: number, program: string, ours: boolean }} PortOwner
 * @typedef {{
 *   isRoot: boolean,
 *   arch: string,
 *   system: { id: string, name: string },
 *   hasApt: boolean,
 *   cores: number,
 *   memoryBytes: number,
 *   kernelRelease: string,
 *   kernel: Readonly<Record<string, Presence>>,
 *   cgroups: { version: "v1" | "v1 (hybrid)" | "v2" | "none", controllers: readonly string[], writable: boolean },
 *   ports: readonly { port: number, setting: string, owner: PortOwner | undefined }[],
 *   freeBytes: number,
 * }} Machine
 */

/** The kernel features that instances, networks and builds stand on: how each shows in the kernel's own lists. */
const KERNEL_FEATURES = Object.freeze({
  overlayfs: { option: "CONFIG_OVERLAY_FS", module: "overlay", fileSystem: "overlay" },
  "user namespaces": { option: "CONFIG_USER_NS", file: "/proc/self/ns/user" },
  "network namespaces": { option: "CONFIG_NET_NS", file: "/proc/self/ns/net" },
  vxlan: { option: "CONFIG_VXLAN", module: "vxlan" },
  veth: { option: "CONFIG_VETH", module: "veth" },
  nftables: { option: "CONFIG_NF_TABLES", module: "nf_tables" },
});

/**
 * Reads what the checks decide on. Changes nothing, needs no program but itself.
 * @param {{ dataDir: string, ports: readonly { port: number, setting: string }[] }} want
 * @returns {Machine}
 */
export function readMachine({ dataDir, ports }) {
  return {
    isRoot: process.getuid?.() === 0,
    arch: arch(),
    system: readSystem(),
    hasApt: existsSync("/usr/bin/apt-get"),
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernelRelease: release(),
    kernel: readKernelFeatures(),
    cgroups: readCgroups(),
    ports: ports.map(({ port, setting }) => ({ port, setting, owner: portOwner(port, dataDir) })),
    freeBytes: freeBytesAt(dataDir),
  };
}

function readSystem() {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const field = (/** @type {string} */ name) => text.match(new RegExp(`^${name}="?([^"\n]*)"?$`, "m"))?.[1] ?? "";
  const name = `${field("NAME").replace(" GNU/Linux", "")} ${field("VERSION_ID")}`.trim();
  return { id: field("ID"), name: name === "" ? "an unknown system" : name };
}

/** @returns {Record<string, Presence>} */
function readKernelFeatures() {
  const config = readKernelConfig();
  const modules = readModuleNames();
  const fileSystems = existsSync("/proc/filesystems") ? readFileSync("/proc/filesystems", "utf8") : "";
  /** @type {Record<string, Presence>} */
  const found = {};
  for (const [name, sign] of Object.entries(KERNEL_FEATURES)) {
    const { option, module, file, fileSystem } = /** @type {{option: string, module?: string, file?: string, fileSystem?: string}} */ (
      sign
    );
    const shows =
      (fileSystem !== undefined && fileSystems.split(/\s/).includes(fileSystem)) ||
      (file !== undefined && existsSync(file)) ||
      (module !== undefined && (existsSync(`/sys/module/${module}`) || modules?.has(module)));
    // A kernel that tells its configuration and not this option lacks it; one that tells nothing is tried later, with real devices.
    const says = config === undefined ? undefined : new RegExp(`^${option}=[ym]$`, "m").test(config);
    if (shows || (says === true && modules === undefined) || new RegExp(`^${option}=y$`, "m").test(config ?? "")) found[name] = "present";
    else found[name] = says === false || (modules !== undefined && module !== undefined) ? "absent" : "unknown";
  }
  if (readNumber("/proc/sys/user/max_user_namespaces") === 0) found["user namespaces"] = "absent";
  return found;
}

/** @returns {string | undefined} */
function readKernelConfig() {
  const onDisk = `/boot/config-${release()}`;
  if (existsSync(onDisk)) return readFileSync(onDisk, "utf8");
  return existsSync("/proc/config.gz") ? gunzipSync(readFileSync("/proc/config.gz")).toString() : undefined;
}

/** @returns {Set<string> | undefined} modules that are built in or can be loaded; undefined where the lists are missing */
function readModuleNames() {
  const folder = `/lib/modules/${release()}`;
  const lists = [join(folder, "modules.builtin"), join(folder, "modules.dep")].filter((path) => existsSync(path));
  if (lists.length < 2) return undefined;
  const names = lists.flatMap((path) => [...readFileSync(path, "utf8").matchAll(/([\w-]+)\.ko[.\w]*(?=:|$)/gm)]);
  return new Set(names.map((match) => (match[1] ?? "").replaceAll("-", "_")));
}

/** @returns {Machine["cgroups"]} */
function readCgroups() {
  const mounts = readMounts().filter(({ type }) => type === "cgroup" || type === "cgroup2");
  const writable = (/** @type {{ options: string }[]} */ some) => some.every(({ options }) => !options.split(",").includes("ro"));
  const unified = mounts.find(({ type, target }) => type === "cgroup2" && target === "/sys/fs/cgroup");
  if (unified !== undefined) {
    const controllers = readFileSync(join(unified.target, "cgroup.controllers"), "utf8").trim().split(" ");
    return { version: "v2", controllers, writable: writable([unified]) };
  }
  const legacy = mounts.filter(({ type }) => type === "cgroup");
  if (legacy.length === 0) return { version: "none", controllers: [], writable: false };
  const hybrid = mounts.some(({ type }) => type === "cgroup2");
  const controllers = legacy.flatMap(({ superOptions }) => superOptions.split(","));
  return { version: hybrid ? "v1 (hybrid)" : "v1", controllers, writable: writable(legacy) };
}

function readMounts() {
  // See proc(5): id parent major:minor root target options … - type source superOptions
  return readFileSync("/proc/self/mountinfo", "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , , , target = "", options = ""] = before.split(" ");
      const [type = "", , superOptions = ""] = after.split(" ");
      return { target, options, type, superOptions };
    });
}

/**
 * Who listens on a TCP port, on any address. "Ours" is a process that was started for this data directory: the start that finds it
 * adopts it.
 * @param {number} port
 * @param {string} dataDir
 * @returns {PortOwner | undefined}
 */
function portOwner(port, dataDir) {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => listeningInodes(path, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (!holdsSocket(pid, inodes)) continue;
    const about = `${readText(`/proc/${pid}/cmdline`)}\0${readText(`/proc/${pid}/environ`)}`;
    const ours = about
      .split("\0")
      .some((part) => part === `PLIMSOLL_DATA_DIR=${dataDir}` || ourDirectories(dataDir).some((directory) => part.includes(directory)));
    return { pid: Number(pid), program: readText(`/proc/${pid}/comm`).trim(), ours };
  }
  return { pid: 0, program: "a program of another process namespace", ours: false };
}

/**
 * The data directory, and where the agents of its hosts keep what runs: the rule is that of packages/host, which cannot be loaded yet.
 * @param {string} dataDir
 */
function ourDirectories(dataDir) {
  const hosts = join(dataDir, "hosts");
  const names = existsSync(hosts) ? readdirSync(hosts) : [];
  const tags = names.map((name) => createHash("sha256").update(join(hosts, name)).digest("hex").slice(0, 8));
  return [`${dataDir}/`, ...tags.map((tag) => `/run/plimsoll/${tag}/`)];
}

/** @param {string} path @param {number} port */
function listeningInodes(path, port) {
  const LISTEN = "0A";
  return readText(path)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && Number.parseInt(local?.split(":")[1] ?? "", 16) === port)
    .map((fields) => fields[9] ?? "");
}

/** @param {string} pid @param {Set<string>} inodes */
function holdsSocket(pid, inodes) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        const inode = readlinkSync(`/proc/${pid}/fd/${fd}`).match(/^socket:\[(\d+)\]$/)?.[1];
        return inode !== undefined && inodes.has(inode);
      } catch {
        return false; // closed since it was listed
      }
    });
  } catch {
    return false; // ended since it was listed, or not ours to look at
  }
}

/** @param {string} path */
function freeBytesAt(path) {
  let place = path;
  while (!existsSync(place)) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize;
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** @param {string} path */
function readNumber(path) {
  const text = readText(path).trim();
  return text === "" ? undefined : Number(text);
}
