import { existsSync } from "node:fs";
import { join } from "node:path";
import { atLeast, type CgroupDriver, type CgroupLimits, type CgroupUsage, type IoLimit, sumOfLimits } from "./cgroup.ts";
import { childCgroups, processesBelow, removeCgroupTree, until } from "./cgroup-files.ts";

/** What the versions of cgroups do each in its own way; paths as CgroupDriver's. */
export interface CgroupKernel {
  readonly version: "v1" | "v2";
  /** Directories of a cgroup, one for each hierarchy; the first is where it is looked for. */
  directoriesOf(path: string): readonly string[];
  /** It and its parents, without limits. */
  make(path: string): void;
  /** Returns what was set. */
  setLimits(path: string, limits: CgroupLimits): CgroupLimits;
  /** Of a cgroup that may not be ready to have any: then none. */
  limitsOf(path: string): CgroupLimits;
  /** False where there is no controller for it. */
  limitIo(path: string, limit: IoLimit): boolean;
  move(path: string, pid: number): void;
  usage(path: string): CgroupUsage;
  /** SIGKILL to all in it and below, so that none can fork away meanwhile. `processes` reads who is there. */
  kill(path: string, processes: () => readonly number[]): void;
}

/** The driver of both versions over what differs between them. */
export function cgroupDriverOver(kernel: CgroupKernel, root: string): CgroupDriver {
  const { directoriesOf } = kernel;
  const lookedFor = (path: string) => directoriesOf(path)[0] ?? "";
  const driver: CgroupDriver = {
    version: kernel.version,
    ociPath: (path) => join(root, path),
    ensure(path, limits = {}) {
      kernel.make(path);
      return kernel.setLimits(path, limits);
    },
    ensureTenant(namespace, totals) {
      const path = join("tenants", namespace);
      kernel.make(path);
      const held = ["run", "build"].flatMap((kind) =>
        driver.children(join(path, kind)).map((name) => kernel.limitsOf(join(path, kind, name))),
      );
      return driver.ensure(path, atLeast(totals, sumOfLimits(held)));
    },
    limitIo: (path, limit) => kernel.limitIo(path, limit),
    exists: (path) => existsSync(lookedFor(path)),
    children: (path) => childCgroups(lookedFor(path)),
    processes: (path) => [...new Set(directoriesOf(path).flatMap(processesBelow))],
    move: (path, pid) => kernel.move(path, pid),
    usage: (path) => kernel.usage(path),
    async killAll(path, timeoutMs = 10_000) {
      await until(`the end of all processes in cgroup ${join(root, path)}`, timeoutMs, () => {
        if (driver.processes(path).length === 0) return true;
        kernel.kill(path, () => driver.processes(path));
        return false;
      });
    },
    async remove(path) {
      await driver.killAll(path);
      for (const dir of directoriesOf(path)) await removeCgroupTree(dir);
    },
  };
  return driver;
}
