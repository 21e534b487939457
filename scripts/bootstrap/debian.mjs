import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { ProgramFailed, readProgram, runLogged } from "./program.mjs";

/** What a host that only runs and builds needs, and for what. */
export const HOST_PACKAGES = Object.freeze({
  bzip2: "archives that a Dockerfile adds",
  "ca-certificates": "TLS to registries",
  conmon: "monitor of each instance",
  crun: "starts instances and build steps",
  "dnsmasq-base": "names inside namespaces",
  git: "repositories and pushes",
  "golang-github-containers-common": "the seccomp profile",
  haproxy: "ingress",
  iproute2: "network namespaces, veth, VXLAN, routes",
  mmdebstrap: "base images where no registry can be reached",
  nftables: "isolation, NAT, virtual IPs",
  "openssh-client": "SSH agents of builds; pushes the sample app",
  skopeo: "pulls images",
  tini: "init of each instance",
  "xz-utils": "archives that a Dockerfile adds",
});

/** What the machine needs that the control plane runs on too. */
export const RUNTIME_PACKAGES = Object.freeze({
  ...HOST_PACKAGES,
  "docker-registry": "keeps images for people's own tools",
  postgresql: "the truth",
  "redis-server": "wakes",
});

/** What tests need on top. */
export const TEST_PACKAGES = Object.freeze({
  "busybox-static": "one-file root of the instances and builds of tests",
  chromium: "browser of the end-to-end tests",
  curl: "requests from a host's or an instance's network",
  "dropbear-bin": "the SSH server that ADD fetches from",
  e2fsprogs: "disks of virtual machines",
  "fonts-dejavu-core": "letters in the browser",
  procps: "looks for processes that are left",
  "qemu-system-x86": "virtual machines with systemd and cgroup v2",
  zstd: "archives that ADD unpacks",
});

const POLICY_PATH = "/usr/sbin/policy-rc.d";
const POLICY_MARK = "# Temporary: Plimsoll installs packages without starting their services.";
const CLUSTER_CONFIG = "/etc/postgresql-common/createcluster.conf";
const CLUSTER_DEFAULTS = "/usr/share/postgresql-common/createcluster.conf";
const CLUSTER_MARK = "# Temporary: Plimsoll installs PostgreSQL without a cluster of Debian's.";
/** Services that the packages would start at the next boot; ours run as private instances. */
const UNWANTED_SERVICES = Object.freeze({
  postgresql: "postgresql",
  "redis-server": "redis-server",
  haproxy: "haproxy",
  "docker-registry": "docker-registry",
});

/**
 * Which of the packages are not installed.
 * @param {readonly string[]} packages
 */
export async function missingPackages(packages) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
  const listed = await readProgram(["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", ...packages]);
  const installed = new Set(
    listed
      .split("\n")
      .filter((line) => line.startsWith("ii "))
      .map((line) => line.slice(2).trim()),
  );
  return packages.filter((name) => !installed.has(name));
}

/**
 * Installs packages so that none of their services starts, now or at the next boot, and PostgreSQL makes no cluster of its own.
 * Services and clusters that were there before stay as they are. What it changes meanwhile it puts back, also after a failure;
 * what a kill left behind, the next run puts back.
 * @param {readonly string[]} packages
 * @param {{ logPath: string }} options
 */
export async function installPackages(packages, { logPath }) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const restorePolicy = keepServicesOff();
  const restoreClusters = keepClustersOff();
  try {
    await runLogged(["apt-get", "update"], { logPath, env }).catch((error) => {
      throw explained(
        error,
        "Debian's package lists could not be fetched: see whether /etc/apt/sources.list names a mirror that this machine reaches.",
      );
    });
    const options = ["-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=120"];
    await runLogged(["apt-get", "install", ...options, ...packages], { logPath, env }).catch((error) => {
      throw explained(error, "Debian's packages could not be installed.");
    });
    for (const [name, service] of Object.entries(UNWANTED_SERVICES)) {
      if (packages.includes(name)) await runLogged(["update-rc.d", service, "disable"], { logPath, env });
    }
  } finally {
    restoreClusters();
    restorePolicy();
  }
}

/** @param {unknown} error @param {string} sentence */
function explained(error, sentence) {
  return error instanceof ProgramFailed ? new ProgramFailed(`${sentence}\n${error.message}`) : error;
}

/** invoke-rc.d asks this program before it starts a service; 101 means no. An operator's own stays. */
function keepServicesOff() {
  if (existsSync(POLICY_PATH) && !readFileSync(POLICY_PATH, "utf8").includes(POLICY_MARK)) return () => undefined;
  writeFileSync(POLICY_PATH, `#!/bin/sh\n${POLICY_MARK}\nexit 101\n`, { mode: 0o755 });
  return () => rmSync(POLICY_PATH, { force: true });
}

function keepClustersOff() {
  if (existsSync(CLUSTER_CONFIG) && !readFileSync(CLUSTER_CONFIG, "utf8").includes(CLUSTER_MARK)) return () => undefined;
  const folder = CLUSTER_CONFIG.slice(0, CLUSTER_CONFIG.lastIndexOf("/"));
  mkdirSync(folder, { recursive: true });
  writeFileSync(CLUSTER_CONFIG, `${CLUSTER_MARK}\ncreate_main_cluster = false\n`);
  return () => {
    if (existsSync(CLUSTER_DEFAULTS)) writeFileSync(CLUSTER_CONFIG, readFileSync(CLUSTER_DEFAULTS));
    else rmSync(CLUSTER_CONFIG, { force: true });
  };
}
