/** Hard limits; an absent one is no limit. */
export interface CgroupLimits {
  readonly cpuMillis?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
}

/** What may be read from a disk, and written to it, each second. */
export interface IoLimit {
  /** As blockDeviceOf names it. */
  readonly device: string;
  readonly bytesPerSecond: number;
}

export interface CgroupUsage {
  readonly cpuMicros: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
  readonly pids: number;
  /** Starts of processes and threads that the kernel has refused at the limit. */
  readonly startsRefused: number;
  /** Processes in it, and on v2 below it, that the kernel has killed for memory. */
  readonly oomKills: number;
}

/**
 * Control groups of one host layout. Paths are relative to its cgroupRoot:
 *
 *     tenants/<namespace>/run/<instance>      limits of the instance
 *     tenants/<namespace>/build/<build>       limits of the build
 *     tenants/<namespace>                     the sum of what is placed there
 *     monitors                                conmon and the launcher, outside the agent's own unit
 *
 * Limits and usage are read and written synchronously (a few small files); killing and removing wait. Every method may be called
 * again; two writers of one path at the same time are the caller's mistake.
 */
export interface CgroupDriver {
  readonly version: "v1" | "v2";
  /** `<cgroupRoot>/<path>` as OCI's linux.cgroupsPath wants it. */
  ociPath(path: string): string;
  /** Makes it and its parents and sets the limits. Memory below what is in use is set to the use. Returns what was set. */
  ensure(path: string, limits?: CgroupLimits): CgroupLimits;
  /**
   * `tenants/<namespace>`: raised at once, lowered never below what its children hold or use; call again to lower further. So: raise
   * it before a child is made, lower it after a child is gone. Returns what was set.
   */
  ensureTenant(namespace: string, totals: CgroupLimits): CgroupLimits;
  /**
   * Limits a cgroup that exists, on version 2 with all below it. Version 1 knows it for direct and synchronous access only, because its
   * kernel writes buffered data back on nobody's account, and for each cgroup by itself. False where the kernel limits no such thing.
   */
  limitIo(path: string, limit: IoLimit): boolean;
  exists(path: string): boolean;
  /** Names, sorted. */
  children(path: string): readonly string[];
  /** Pids in it and below it. */
  processes(path: string): readonly number[];
  /** The cgroup must exist. */
  move(path: string, pid: number): void;
  /** Throws ENOENT where there is no such cgroup. */
  usage(path: string): CgroupUsage;
  /** SIGKILL to all in it and below, until none is left. Throws AppError `timeout` (default 10 s). */
  killAll(path: string, timeoutMs?: number): Promise<void>;
  /** killAll, then removes it and what is below. Nothing there is no error. */
  remove(path: string): Promise<void>;
}

/** One period of the CPU bandwidth controller (kernel default), in which a cgroup gets `cpuMillis / 1000` of it. */
export const CPU_PERIOD_MICROS = 100_000;

/** The kernel takes no quota under 1 ms. */
export function cpuQuotaMicros(cpuMillis: number): number {
  return Math.max(1_000, Math.round((cpuMillis * CPU_PERIOD_MICROS) / 1_000));
}

export function cpuMillisOf(quotaMicros: number, periodMicros: number): number {
  return Math.round((quotaMicros * 1_000) / periodMicros);
}

/** The larger of two limits, dimension by dimension; no limit is larger than any. */
export function atLeast(limits: CgroupLimits, floor: CgroupLimits): CgroupLimits {
  const larger = (limit: number | undefined, least: number | undefined) =>
    limit === undefined || least === undefined ? limit : Math.max(limit, least);
  return compact({
    cpuMillis: larger(limits.cpuMillis, floor.cpuMillis),
    memoryBytes: larger(limits.memoryBytes, floor.memoryBytes),
    pids: larger(limits.pids, floor.pids),
  });
}

/** Sum of limits; dimensions in which any has none are left out, so they say nothing. */
export function sumOfLimits(all: readonly CgroupLimits[]): CgroupLimits {
  const sum = (values: readonly (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0);
  };
  return compact({
    cpuMillis: sum(all.map((limits) => limits.cpuMillis)),
    memoryBytes: sum(all.map((limits) => limits.memoryBytes)),
    pids: sum(all.map((limits) => limits.pids)),
  });
}

/** Without the dimensions that are undefined. */
export function compact(limits: {
  cpuMillis: number | undefined;
  memoryBytes: number | undefined;
  pids: number | undefined;
}): CgroupLimits {
  return {
    ...(limits.cpuMillis === undefined ? {} : { cpuMillis: limits.cpuMillis }),
    ...(limits.memoryBytes === undefined ? {} : { memoryBytes: limits.memoryBytes }),
    ...(limits.pids === undefined ? {} : { pids: limits.pids }),
  };
}
