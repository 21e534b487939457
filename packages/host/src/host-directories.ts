import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { cgroupDriver } from "./cgroup-driver.ts";
import type { HostLayout } from "./layout.ts";
import { ensureSharedMount, isMountPoint, unmountAll } from "./mounts.ts";
import { removeAllPins } from "./namespaces.ts";
import { errorCode, MS, mount } from "./syscalls.ts";

/**
 * Makes the layout's directories and mounts; after a reboot too. Idempotent, not safe to run in two processes at once. Only the run
 * directory and the place of mounts can be searched by others (a container's root must reach its own root file system); all else is 0700.
 */
export async function ensureHostLayout(layout: HostLayout): Promise<void> {
  for (const dir of [layout.stateDir, layout.layersDir, layout.imagesDir, layout.snapshotsDir, layout.logsDir]) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
  }
  ensureSharedMount(layout.stateDir);

  mkdirSync(layout.runDir, { recursive: true });
  chmodSync(dirname(layout.runDir), 0o711);
  if (!isMountPoint(layout.runDir)) mount("tmpfs", layout.runDir, "tmpfs", MS.noSuid | MS.noDev, "mode=0711,size=256m");
  // Shared, so that taking a pin away takes it out of the instances' mount namespaces as well.
  mount("none", layout.runDir, "none", MS.shared);
  mkdirSync(layout.mountsDir, { recursive: true, mode: 0o711 });
  mkdirSync(layout.bundlesDir, { recursive: true, mode: 0o700 });
  if (!isMountPoint(layout.bundlesDir)) mountUnswapped(layout.bundlesDir);
  for (const dir of [layout.crunDir, layout.exitsDir, layout.usernsDir]) mkdirSync(dir, { recursive: true, mode: 0o700 });
}

/**
 * Takes away what of the layout lives in the kernel: what runs in its cgroups, pins, mounts, the run directory. What is on disk stays for
 * the next ensureHostLayout. Idempotent.
 */
export async function releaseHostLayout(layout: HostLayout): Promise<void> {
  await cgroupDriver(layout).remove("");
  removeAllPins(layout);
  for (const dir of [layout.runDir, layout.stateDir]) unmountAll(dir);
  if (existsSync(layout.runDir)) await rm(layout.runDir, { recursive: true, force: true });
}

/** As releaseHostLayout, and the state directory too. For tests and uninstall. */
export async function removeHostLayout(layout: HostLayout): Promise<void> {
  await releaseHostLayout(layout);
  if (existsSync(layout.stateDir)) await rm(layout.stateDir, { recursive: true, force: true });
}

/** Secrets lie here in clear: what cannot be swapped out cannot be found on a disk. tmpfs learnt `noswap` in Linux 6.4; ramfs never swaps. */
function mountUnswapped(dir: string): void {
  const flags = MS.noSuid | MS.noDev | MS.noExec;
  try {
    mount("tmpfs", dir, "tmpfs", flags, "mode=0700,size=128m,noswap");
  } catch (error) {
    if (errorCode(error) !== "EINVAL") throw error;
    mount("ramfs", dir, "ramfs", flags, "mode=0700");
  }
}
