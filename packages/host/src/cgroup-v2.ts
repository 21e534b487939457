import { existsSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import {
  atLeast,
  type CgroupDriver,
  type CgroupLimits,
  type CgroupUsage,
  CPU_PERIOD_MICROS,
  compact,
  cpuMillisOf,
  cpuQuotaMicros,
  sumOfLimits,
} from "./cgroup.ts";
import {
  childCgroups,
  hasControl,
  makeCgroup,
  processesBelow,
  readControl,
  readKeyed,
  readNumber,
  removeCgroupTree,
  until,
  writeControl,
} from "./cgroup-files.ts";
import { errorCode } from "./syscalls.ts";

const CONTROLLERS = ["cpu", "memory", "pids"] as const;

/**
 * cgroup v2 (kernel documentation, admin-guide/cgroup-v2.rst). A cgroup that gives controllers to its children may hold no processes
 * itself, so processes are in leaves only. Where the root lies in a delegated subtree, its parent must have the controllers.
 */
export function cgroupV2(root: string, mountPoint = "/sys/fs/cgroup"): CgroupDriver {
  const dirOf = (path: string) => join(mountPoint, root, path);

  /** Controllers reach a cgroup only when every one above it hands them down. */
  const handDown = (dir: string) => {
    const available = readControl(dir, "cgroup.controllers").split(" ");
    const missing = CONTROLLERS.filter((controller) => !available.includes(controller));
    if (missing.length > 0) {
      throw new AppError(
        "precondition_failed",
        `The kernel's ${missing.join(", ")} controller is not available in ${dir}. On a systemd host the unit needs Delegate=yes.`,
      );
    }
    const given = readControl(dir, "cgroup.subtree_control").split(" ");
    const wanted = CONTROLLERS.filter((controller) => !given.includes(controller));
    if (wanted.length > 0) writeControl(dir, "cgroup.subtree_control", wanted.map((controller) => `+${controller}`).join(" "));
  };

  const make = (path: string) => {
    const target = dirOf(path);
    if (existsSync(join(target, "memory.max"))) return;
    let dir = mountPoint;
    for (const component of join(root, path).split("/")) {
      if (component === "") continue;
      handDown(dir);
      dir = join(dir, component);
      makeCgroup(dir);
    }
  };

  const limitsOf = (path: string): CgroupLimits => {
    const dir = dirOf(path);
    const [quota, period] = readControl(dir, "cpu.max").split(" ");
    const memory = readControl(dir, "memory.max");
    const pids = readControl(dir, "pids.max");
    return compact({
      cpuMillis: quota === "max" ? undefined : cpuMillisOf(Number(quota), Number(period)),
      memoryBytes: memory === "max" ? undefined : Number(memory),
      pids: pids === "max" ? undefined : Number(pids),
    });
  };

  const driver: CgroupDriver = {
    version: "v2",
    ociPath: (path) => join(root, path),
    ensure(path, limits = {}) {
      make(path);
      const dir = dirOf(path);
      writeControl(dir, "cpu.max", `${limits.cpuMillis === undefined ? "max" : cpuQuotaMicros(limits.cpuMillis)} ${CPU_PERIOD_MICROS}`);
      // Below use the kernel would reclaim and then kill: that is for the instance's own limit to do, never for a change of plans.
      const memoryBytes = limits.memoryBytes === undefined ? undefined : Math.max(limits.memoryBytes, readNumber(dir, "memory.current"));
      writeControl(dir, "memory.max", memoryBytes ?? "max");
      if (hasControl(dir, "memory.swap.max")) writeControl(dir, "memory.swap.max", memoryBytes === undefined ? "max" : 0);
      writeControl(dir, "pids.max", limits.pids ?? "max");
      return compact({ cpuMillis: limits.cpuMillis, memoryBytes, pids: limits.pids });
    },
    ensureTenant(namespace, totals) {
      const path = join("tenants", namespace);
      make(path);
      const held = ["run", "build"].flatMap((kind) =>
        driver
          .children(join(path, kind))
          .map((name) => join(path, kind, name))
          .filter((child) => hasControl(dirOf(child), "memory.max"))
          .map(limitsOf),
      );
      return driver.ensure(path, atLeast(totals, sumOfLimits(held)));
    },
    exists: (path) => existsSync(dirOf(path)),
    children: (path) => childCgroups(dirOf(path)),
    processes: (path) => processesBelow(dirOf(path)),
    move(path, pid) {
      writeControl(dirOf(path), "cgroup.procs", pid);
    },
    usage(path): CgroupUsage {
      const dir = dirOf(path);
      const memoryBytes = readNumber(dir, "memory.current");
      return {
        cpuMicros: readKeyed(dir, "cpu.stat", "usage_usec"),
        memoryBytes,
        // memory.peak came with Linux 5.19.
        memoryPeakBytes: hasControl(dir, "memory.peak") ? readNumber(dir, "memory.peak") : memoryBytes,
        pids: readNumber(dir, "pids.current"),
        oomKills: readKeyed(dir, "memory.events", "oom_kill"),
      };
    },
    async killAll(path, timeoutMs = 10_000) {
      const dir = dirOf(path);
      await until(`the end of all processes in cgroup ${join(root, path)}`, timeoutMs, () => {
        if (driver.processes(path).length === 0) return true;
        killOnce(dir, driver.processes(path));
        return false;
      });
    },
    async remove(path) {
      await driver.killAll(path);
      await removeCgroupTree(dirOf(path));
    },
  };
  return driver;
}

/** cgroup.kill came with Linux 5.14 and takes all at once; a frozen cgroup (5.2) cannot fork away from a list of pids. */
function killOnce(dir: string, pids: readonly number[]): void {
  if (hasControl(dir, "cgroup.kill")) {
    writeControl(dir, "cgroup.kill", 1);
    return;
  }
  const freezes = hasControl(dir, "cgroup.freeze");
  if (freezes) writeControl(dir, "cgroup.freeze", 1);
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
    }
  }
  if (freezes) writeControl(dir, "cgroup.freeze", 0);
}
