/** @typedef {import("./machine.mjs").Machine} Machine */

const GIB = 1024 ** 3;
const MIN_FREE_BYTES = 4 * GIB;
/** Id-mapped mounts of overlay layers came with it. */
const MIN_KERNEL = /** @type {const} */ ([5, 19]);
const NEEDED_V2 = ["cpu", "memory", "pids"];
/** What version 2 does without a controller of its own. */
const NEEDED_V1 = [...NEEDED_V2, "cpuacct", "freezer"];

/**
 * What keeps Plimsoll from running on this machine: one sentence each, saying what to do. Empty when nothing does. Pure.
 * @param {Machine} machine
 * @returns {string[]}
 */
export function findProblems(machine) {
  // Without root most of the other facts cannot even be read.
  if (!machine.isRoot) return ["Plimsoll makes namespaces, cgroups and network devices and so has to run as root: try sudo npm start."];
  return [
    architectureProblem(machine),
    systemProblem(machine),
    kernelProblem(machine),
    ...featureProblems(machine),
    cgroupProblem(machine),
    ...machine.ports.map(portProblem),
    diskProblem(machine),
  ].filter((problem) => problem !== undefined);
}

/** @param {Machine} machine */
function architectureProblem({ arch }) {
  if (arch === "x64" || arch === "arm64") return undefined;
  return `Plimsoll runs on x64 and arm64, and this machine is ${arch}: use another machine.`;
}

/** @param {Machine} machine */
function systemProblem({ hasApt, system }) {
  if (hasApt) return undefined;
  return `Plimsoll installs what it needs with apt-get, and ${system.name} has none: use Debian 12 or a system made from it.`;
}

/** @param {Machine} machine */
function kernelProblem({ kernelRelease }) {
  const [major = 0, minor = 0] = kernelRelease.split(".").map(Number);
  const [wantMajor, wantMinor] = MIN_KERNEL;
  if (major > wantMajor || (major === wantMajor && minor >= wantMinor)) return undefined;
  return `Plimsoll needs Linux ${MIN_KERNEL.join(".")} or newer for id-mapped layers, and this is ${kernelRelease}: install a newer kernel (Debian 12 has 6.1).`;
}

/** @param {Machine} machine */
function featureProblems({ kernel }) {
  return Object.entries(kernel)
    .filter(([, presence]) => presence === "absent")
    .map(([feature]) =>
      feature === "user namespaces"
        ? "This kernel allows no user namespaces: set them with sysctl -w user.max_user_namespaces=65536, or boot a kernel with CONFIG_USER_NS."
        : `This kernel has no ${feature}: boot Debian's own kernel (linux-image-amd64), or one that has it.`,
    );
}

/** @param {Machine} machine */
function cgroupProblem({ cgroups }) {
  if (cgroups.version === "none") return "No cgroup file system is mounted at /sys/fs/cgroup: mount it (systemd does), then start again.";
  const missing = (cgroups.version === "v2" ? NEEDED_V2 : NEEDED_V1).filter((controller) => !cgroups.controllers.includes(controller));
  if (missing.length > 0) {
    return `The cgroup controllers ${missing.join(", ")} are off, and without them limits would not hold: add cgroup_enable=${missing.join(",")} to the kernel's command line.`;
  }
  if (!cgroups.writable)
    return "The cgroup file system is mounted read-only, as in a container: start on the machine itself, or mount it writable.";
  return undefined;
}

/** @param {Machine["ports"][number]} port */
function portProblem({ port, setting, owner }) {
  if (owner === undefined || owner.ours) return undefined;
  const who = owner.pid === 0 ? owner.program : `${owner.program} (process ${owner.pid})`;
  return `Port ${port} is taken by ${who}: stop it, or choose another one with ${setting}=${port + 1} npm start.`;
}

/** @param {Machine} machine */
function diskProblem({ freeBytes }) {
  if (freeBytes >= MIN_FREE_BYTES) return undefined;
  return `Only ${gigabytes(freeBytes)} are free where Plimsoll keeps its data, and images need ${gigabytes(MIN_FREE_BYTES)}: make room, or name another place with PLIMSOLL_DATA_DIR.`;
}

/** @param {number} bytes */
export function gigabytes(bytes) {
  return `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)} GB`;
}
