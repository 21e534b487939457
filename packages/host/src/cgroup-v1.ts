import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "@plimsoll/core";
import { type CgroupDriver, CPU_PERIOD_MICROS, compact, cpuMillisOf, cpuQuotaMicros } from "./cgroup.ts";
import { hasControl, killProcesses, makeCgroup, readControl, readKeyed, readNumber, writeControl } from "./cgroup-files.ts";
import { cgroupDriverOver } from "./cgroup-kernel.ts";
import { errorCode } from "./syscalls.ts";

/** Mount points of the v1 hierarchies: controller name (`name=systemd` too) → directory. */
export type V1Hierarchies = ReadonlyMap<string, string>;

/** Those that we make cgroups in ourselves; the runtime makes its own in the others, and we remove them there. */
const MANAGED = ["cpu", "cpuacct", "memory", "pids", "freezer"] as const;
type Managed = (typeof MANAGED)[number];
/** cpuset takes no process before its cpus and mems are set, and monitors need no place there. */
const NOT_FOR_MOVES = new Set(["cpuset"]);
/** The kernel's "no limit", rounded down to pages. */
const UNLIMITED = 2 ** 62;

/** cgroup v1, also in hybrid mode: one tree per controller, limits checked against parents by the kernel (EINVAL, EBUSY). */
export function cgroupV1(root: string, hierarchies: V1Hierarchies): CgroupDriver {
  const dirIn = (controller: Managed, path: string) => {
    const mountPoint = hierarchies.get(controller);
    if (mountPoint === undefined) throw new Error(`no ${controller} hierarchy`);
    return join(mountPoint, root, path);
  };
  const setCpu = (path: string, cpuMillis: number | undefined): number | undefined => {
    const dir = dirIn("cpu", path);
    writeControl(dir, "cpu.cfs_period_us", CPU_PERIOD_MICROS);
    const quota = cpuMillis === undefined ? -1 : cpuQuotaMicros(cpuMillis);
    try {
      writeControl(dir, "cpu.cfs_quota_us", quota);
      return cpuMillis;
    } catch (error) {
      if (errorCode(error) !== "EINVAL") throw error;
      for (let above = dirname(path); above !== "."; above = dirname(above)) {
        const limit = readNumber(dirIn("cpu", above), "cpu.cfs_quota_us");
        if (limit >= 0 && (quota < 0 || limit < quota)) throw tooSmall(above);
      }
      // Below what is below it. The kernel still counts children that were removed a moment ago: lowering is for a later call.
      const current = readNumber(dir, "cpu.cfs_quota_us");
      if (current >= 0 && current <= quota) throw error;
      return current < 0 ? undefined : cpuMillisOf(current, CPU_PERIOD_MICROS);
    }
  };

  const setMemory = (path: string, bytes: number | undefined): number | undefined => {
    const dir = dirIn("memory", path);
    const write = (value: number) => {
      // memory+swap may never be below memory: what grows is written first.
      const swap = hasControl(dir, "memory.memsw.limit_in_bytes") ? ["memory.memsw.limit_in_bytes"] : [];
      const growing = value < 0 || value > readNumber(dir, "memory.limit_in_bytes");
      for (const file of growing ? [...swap, "memory.limit_in_bytes"] : ["memory.limit_in_bytes", ...swap]) writeControl(dir, file, value);
    };
    if (bytes === undefined) {
      write(-1);
      return undefined;
    }
    // Below use is EBUSY; use can grow while we look.
    for (let target = bytes, attempt = 0; ; attempt++) {
      try {
        write(target);
        return target;
      } catch (error) {
        if (errorCode(error) !== "EBUSY" || attempt >= 10) throw error;
        target = Math.max(bytes, readNumber(dir, "memory.usage_in_bytes") + attempt * 1024 * 1024);
      }
    }
  };

  return cgroupDriverOver(
    {
      version: "v1",
      directoriesOf: (path) => [
        ...new Set([dirIn("memory", path), ...[...hierarchies.values()].map((mountPoint) => join(mountPoint, root, path))]),
      ],
      make(path) {
        for (const controller of MANAGED) makeCgroup(dirIn(controller, path));
      },
      setLimits(path, limits) {
        const cpuMillis = setCpu(path, limits.cpuMillis);
        const memoryBytes = setMemory(path, limits.memoryBytes);
        writeControl(dirIn("pids", path), "pids.max", limits.pids ?? "max");
        return compact({ cpuMillis, memoryBytes, pids: limits.pids });
      },
      limitsOf(path) {
        const quota = readNumber(dirIn("cpu", path), "cpu.cfs_quota_us");
        const memory = readNumber(dirIn("memory", path), "memory.limit_in_bytes");
        const pids = readControl(dirIn("pids", path), "pids.max");
        return compact({
          cpuMillis: quota < 0 ? undefined : cpuMillisOf(quota, readNumber(dirIn("cpu", path), "cpu.cfs_period_us")),
          memoryBytes: memory >= UNLIMITED ? undefined : memory,
          pids: pids === "max" ? undefined : Number(pids),
        });
      },
      limitIo(path, { device, bytesPerSecond }) {
        const mountPoint = hierarchies.get("blkio");
        if (mountPoint === undefined) return false;
        const dir = join(mountPoint, root, path);
        makeCgroup(dir);
        if (!hasControl(dir, "blkio.throttle.read_bps_device")) return false;
        for (const what of ["read", "write"]) writeControl(dir, `blkio.throttle.${what}_bps_device`, `${device} ${bytesPerSecond}`);
        return true;
      },
      move(path, pid) {
        for (const [controller, mountPoint] of hierarchies) {
          if (NOT_FOR_MOVES.has(controller)) continue;
          const dir = join(mountPoint, root, path);
          makeCgroup(dir);
          writeControl(dir, "cgroup.procs", pid);
        }
      },
      usage: (path) => ({
        cpuMicros: Math.round(readNumber(dirIn("cpuacct", path), "cpuacct.usage") / 1_000),
        memoryBytes: readNumber(dirIn("memory", path), "memory.usage_in_bytes"),
        memoryPeakBytes: readNumber(dirIn("memory", path), "memory.max_usage_in_bytes"),
        pids: readNumber(dirIn("pids", path), "pids.current"),
        startsRefused: readKeyed(dirIn("pids", path), "pids.events", "max"),
        oomKills: readKeyed(dirIn("memory", path), "memory.oom_control", "oom_kill"),
      }),
      kill(path, processes) {
        // Frozen, nothing in there can fork away from the list that is then read.
        const freezer = dirIn("freezer", path);
        const freezes = existsSync(freezer);
        if (freezes) writeControl(freezer, "freezer.state", "FROZEN");
        killProcesses(processes());
        if (freezes) writeControl(freezer, "freezer.state", "THAWED");
      },
    },
    root,
  );
}

/** mountinfo(5) lines → hierarchies. A mount of several controllers is named by each. Pure. */
export function v1Hierarchies(mountinfo: string): V1Hierarchies {
  const found = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const [mountPart, superPart] = line.split(" - ");
    const mountPoint = mountPart?.split(" ")[4];
    const [type, , options] = superPart?.split(" ") ?? [];
    if (type !== "cgroup" || mountPoint === undefined) continue;
    for (const option of options?.split(",") ?? []) {
      if (["rw", "ro", "xattr", "clone_children"].includes(option) || option.startsWith("release_agent=")) continue;
      if (!found.has(option)) found.set(option, mountPoint);
    }
  }
  return found;
}

function tooSmall(path: string): AppError {
  return new AppError("precondition_failed", `The cgroup ${path} has less than what is to be placed in it: raise it first.`);
}
