import { readFileSync, statfsSync } from "node:fs";
import { AppError } from "@plimsoll/core";
import type { CgroupDriver } from "./cgroup.ts";
import { cgroupV1, v1Hierarchies } from "./cgroup-v1.ts";
import { cgroupV2 } from "./cgroup-v2.ts";
import type { HostLayout } from "./layout.ts";
import { CGROUP2_MAGIC } from "./mounts.ts";

/**
 * The driver for what this host has: v2 where /sys/fs/cgroup is cgroup2, else v1 (hybrid hosts keep their controllers there). Throws
 * AppError `precondition_failed` where a controller that limits need is missing.
 */
export function cgroupDriver(layout: Pick<HostLayout, "cgroupRoot">): CgroupDriver {
  if (statfsSync("/sys/fs/cgroup").type === CGROUP2_MAGIC) return cgroupV2(layout.cgroupRoot);
  const hierarchies = v1Hierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
  const missing = ["cpu", "cpuacct", "memory", "pids", "freezer"].filter((controller) => !hierarchies.has(controller));
  if (missing.length > 0) {
    throw new AppError("precondition_failed", `This host has no cgroup controller for ${missing.join(", ")}: instances cannot be limited.`);
  }
  return cgroupV1(layout.cgroupRoot, hierarchies);
}
