import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import { type CgroupDriver, CPU_PERIOD_MICROS, compact, cpuMillisOf, cpuQuotaMicros } from "./cgroup.ts";
import { hasControl, killProcesses, makeCgroup, readControl, readKeyed, readNumber, writeControl } from "./cgroup-files.ts";
import { cgroupDriverOver } from "./cgroup-kernel.ts";

const CONTROLLERS = ["cpu", "memory", "pids"] as const;
/** Handed down where it is there: what it limits is worth less than a host that does without. */
const WISHED = ["io"] as const;

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
    const wished = WISHED.filter((controller) => available.includes(controller));
    const wanted = [...CONTROLLERS, ...wished].filter((controller) => !given.includes(controller));
    if (wanted.length > 0) writeControl(dir, "cgroup.subtree_control", wanted.map((controller) => `+${controller}`).join(" "));
  };

  return cgroupDriverOver(
    {
      version: "v2",
      directoriesOf: (path) => [dirOf(path)],
      make(path) {
        if (hasControl(dirOf(path), "memory.max")) return;
        let dir = mountPoint;
        for (const component of join(root, path).split("/")) {
          if (component === "") continue;
          handDown(dir);
          dir = join(dir, component);
          makeCgroup(dir);
        }
      },
      setLimits(path, { cpuMillis, memoryBytes: wanted, pids }) {
        const dir = dirOf(path);
        writeControl(dir, "cpu.max", `${cpuMillis === undefined ? "max" : cpuQuotaMicros(cpuMillis)} ${CPU_PERIOD_MICROS}`);
        // Below use the kernel would reclaim and then kill: that is for the instance's own limit to do, never for a change of plans.
        const memoryBytes = wanted === undefined ? undefined : Math.max(wanted, readNumber(dir, "memory.current"));
        writeControl(dir, "memory.max", memoryBytes ?? "max");
        if (hasControl(dir, "memory.swap.max")) writeControl(dir, "memory.swap.max", memoryBytes === undefined ? "max" : 0);
        writeControl(dir, "pids.max", pids ?? "max");
        return compact({ cpuMillis, memoryBytes, pids });
      },
      limitsOf(path) {
        const dir = dirOf(path);
        if (!hasControl(dir, "memory.max")) return {};
        const [quota, period] = readControl(dir, "cpu.max").split(" ");
        const memory = readControl(dir, "memory.max");
        const pids = readControl(dir, "pids.max");
        return compact({
          cpuMillis: quota === "max" ? undefined : cpuMillisOf(Number(quota), Number(period)),
          memoryBytes: memory === "max" ? undefined : Number(memory),
          pids: pids === "max" ? undefined : Number(pids),
        });
      },
      limitIo(path, { device, bytesPerSecond }) {
        const dir = dirOf(path);
        if (!hasControl(dir, "io.max")) return false;
        writeControl(dir, "io.max", `${device} rbps=${bytesPerSecond} wbps=${bytesPerSecond}`);
        return true;
      },
      move: (path, pid) => writeControl(dirOf(path), "cgroup.procs", pid),
      usage(path) {
        const dir = dirOf(path);
        const memoryBytes = readNumber(dir, "memory.current");
        return {
          cpuMicros: readKeyed(dir, "cpu.stat", "usage_usec"),
          memoryBytes,
          // memory.peak came with Linux 5.19.
          memoryPeakBytes: hasControl(dir, "memory.peak") ? readNumber(dir, "memory.peak") : memoryBytes,
          pids: readNumber(dir, "pids.current"),
          startsRefused: readKeyed(dir, "pids.events", "max"),
          oomKills: readKeyed(dir, "memory.events", "oom_kill"),
        };
      },
      // cgroup.kill came with Linux 5.14 and takes all at once; a frozen cgroup (5.2) cannot fork away from a list of pids.
      kill(path, processes) {
        const dir = dirOf(path);
        if (hasControl(dir, "cgroup.kill")) {
          writeControl(dir, "cgroup.kill", 1);
          return;
        }
        const freezes = hasControl(dir, "cgroup.freeze");
        if (freezes) writeControl(dir, "cgroup.freeze", 1);
        killProcesses(processes());
        if (freezes) writeControl(dir, "cgroup.freeze", 0);
      },
    },
    root,
  );
}
