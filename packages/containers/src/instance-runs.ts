import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type CgroupDriver, type HostLayout, identifyProcess, isAlive, type ProcessIdentity, signalProcess } from "@plimsoll/host";
import { crunArgv, type MonitorFiles, monitorFiles } from "./conmon.ts";
import { type Handle, type InstanceHandles, type InstanceObservation, viewOf } from "./instance-handles.ts";
import { cgroupOf, launchCommand, snapshotDir } from "./instance-launch.ts";
import { checkName, containerIdOf, type InstanceRecords, type RunExit } from "./instance-state.ts";
import type { Launcher } from "./launcher.ts";
import type { LayerStore } from "./layer-store.ts";
import type { LogPolicy } from "./log-files.ts";
import { endMonitors, monitorOf, processIn } from "./monitor-process.ts";
import { failuresAfter } from "./restart.ts";
import { readExit, usageOf } from "./run-exit.ts";
import type { OciSeccomp } from "./seccomp.ts";

/** What runs are made with and of. */
export interface RunParts {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  readonly logs: LogPolicy;
  readonly seccomp: OciSeccomp;
  readonly records: InstanceRecords;
  readonly launcher: Launcher;
  readonly handles: InstanceHandles;
  /** Called when a run has ended, whoever caused it. */
  readonly onExit: (observation: InstanceObservation) => void;
}

const RUN_TIMEOUT_MS = 30_000;
/** From the last process's end to conmon's exit file. */
export const EXIT_FILE_MS = 5_000;
/** Exit code of a run that could not be begun, as a shell's "cannot execute". */
const NOT_STARTED = 126;
const LOST = 255;

/**
 * The current run of an instance: launched, compared with the kernel, ended, its end recorded, what it held given back. Every method is
 * called in the instance's queue.
 */
export class InstanceRuns {
  readonly #parts: RunParts;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** Makes the container of the run that the state names, and with `start` starts its program. Throws as InstanceRuntime.create. */
  async launch(handle: Handle, start: boolean): Promise<void> {
    const { layout, cgroups, layers, logs, seccomp, records, launcher, handles } = this.#parts;
    const { definition } = handle;
    const { run } = handle.state;
    const bundleDir = records.bundleDir(definition.id, run);
    const logDir = logDirOf(layout, definition.namespace, definition.id);
    handle.launching = true;
    try {
      const layerDirs = definition.image.layers.map(({ digest }) => layers.dirOf(digest));
      const command = launchCommand(definition, { layout, cgroups, seccomp, logs, layers: layerDirs, run, bundleDir, logDir }, start);
      const snapshot = snapshotDir(layout, definition.id, run);
      mkdirSync(join(snapshot, "fs"), { recursive: true, mode: 0o755 });
      mkdirSync(join(snapshot, "work"), { recursive: true, mode: 0o700 });
      mkdirSync(logDir, { recursive: true, mode: 0o700 });
      cgroups.ensure(cgroupOf(definition), definition.limits);
      const { pid } = await launcher.perform(command);
      handle.container = pid === undefined ? undefined : identifyProcess(pid);
      handle.monitor = monitorOf(bundleDir, containerIdOf(definition.id, run));
      if (start) handles.update(handle, { startedAt: new Date().toISOString() });
    } finally {
      handle.launching = false;
    }
    // A program that ends within its own start has already told; the file system's notice may have come too early.
    void handles.inQueue(definition.id, (each) => this.refresh(each)).catch(() => undefined);
  }

  /** Starts the program of a run that was launched without. */
  async start(handle: Handle): Promise<void> {
    await this.#crun("start", containerIdOf(handle.definition.id, handle.state.run));
    this.#parts.handles.update(handle, { startedAt: new Date().toISOString() });
  }

  /** Compares with the kernel; records an exit that has happened. */
  async refresh(handle: Handle): Promise<void> {
    if (handle.state.exited || handle.launching) return;
    const exit = this.#readExit(handle);
    if (exit !== undefined) {
      this.#finish(handle, exit);
      return;
    }
    if (this.isMonitored(handle)) return;
    // It may have written the status as its last act.
    const last = this.#readExit(handle);
    if (last === undefined) await this.#parts.cgroups.killAll(cgroupOf(handle.definition));
    this.#finish(handle, last ?? { code: LOST, outOfMemory: false, monitorLost: true, at: new Date().toISOString() });
  }

  /** Kills all of it and records the exit. */
  async end(handle: Handle): Promise<void> {
    if (handle.state.exited) return;
    const { cgroups, handles } = this.#parts;
    handles.update(handle, { stopping: true });
    await cgroups.killAll(cgroupOf(handle.definition));
    const deadline = performance.now() + EXIT_FILE_MS;
    while (this.#readExit(handle) === undefined && this.isMonitored(handle) && performance.now() < deadline) await pause(2);
    await this.refresh(handle);
    if (handle.state.exited) return;
    if (handle.monitor !== undefined) signalProcess(handle.monitor, "SIGKILL");
    this.#finish(handle, { code: 137, signal: "SIGKILL", outOfMemory: false, monitorLost: true, at: new Date().toISOString() });
  }

  /** Records that the run could not be begun. */
  notStarted(handle: Handle): void {
    this.#finish(handle, { code: NOT_STARTED, outOfMemory: false, monitorLost: false, at: new Date().toISOString() });
  }

  /** Frees what a run that ended holds. Idempotent; also for runs that were never quite begun. */
  async release(handle: Handle): Promise<void> {
    const { layout, cgroups, records } = this.#parts;
    const { definition, state } = handle;
    const containerId = containerIdOf(definition.id, state.run);
    await cgroups.killAll(cgroupOf(definition));
    await endMonitors(cgroups, containerId, existsSync(join(layout.exitsDir, containerId)) ? 1_000 : 0);
    // A launch that was under way may have put its first process there meanwhile; now nobody is left to do so.
    await cgroups.killAll(cgroupOf(definition));
    if (existsSync(join(layout.crunDir, containerId))) await this.#crun("delete", "--force", containerId);
    await cgroups.remove(cgroupOf(definition));
    await this.removeTree(snapshotDir(layout, definition.id, state.run));
    rmSync(records.bundleDir(definition.id, state.run), { recursive: true, force: true });
    rmSync(join(layout.exitsDir, containerId), { force: true });
  }

  /** Whether its monitor lives. */
  isMonitored(handle: Handle): boolean {
    const { id } = handle.definition;
    handle.monitor ??= monitorOf(this.#parts.records.bundleDir(id, handle.state.run), containerIdOf(id, handle.state.run));
    return handle.monitor !== undefined && isAlive(handle.monitor);
  }

  /** Its first process, while it lives. */
  containerOf(handle: Handle): ProcessIdentity | undefined {
    if (handle.container !== undefined) return handle.container;
    const identity = processIn(this.filesOf(handle).containerPidFile);
    // Whoever has that pid now is ours only if it is in our cgroup.
    if (identity === undefined || !this.#parts.cgroups.processes(cgroupOf(handle.definition)).includes(identity.pid)) return undefined;
    handle.container = identity;
    return identity;
  }

  /** What the runtime says of its container: `created`, `running`, `stopped`. */
  async statusOf(handle: Handle): Promise<string | undefined> {
    const { status }: { status?: string } = JSON.parse(await this.#crun("state", containerIdOf(handle.definition.id, handle.state.run)));
    return status;
  }

  filesOf({ definition, state }: Handle): MonitorFiles {
    return monitorFiles(this.#parts.records.bundleDir(definition.id, state.run));
  }

  async removeTree(dir: string): Promise<void> {
    if (!existsSync(dir)) return;
    // rm walks by descriptors and follows nothing; in the launcher, because deleting a tree takes its time.
    await this.#parts.launcher.perform({ kind: "run", argv: ["rm", "-rf", "--one-file-system", "--", dir], timeoutMs: 600_000 });
  }

  #readExit({ definition, state }: Handle): RunExit | undefined {
    const { layout, cgroups } = this.#parts;
    const usage = () => usageOf(cgroups, cgroupOf(definition));
    return readExit(layout.exitsDir, containerIdOf(definition.id, state.run), usage);
  }

  #finish(handle: Handle, lastExit: RunExit): void {
    const { startedAt, stopping, failuresInRow } = handle.state;
    const ranMs = startedAt === undefined ? 0 : Date.parse(lastExit.at) - Date.parse(startedAt);
    // What we ended ourselves, or cut off in the middle of its launch by dying, is no failure of the program.
    const blameless = stopping || (lastExit.monitorLost && startedAt === undefined);
    this.#parts.handles.update(handle, {
      exited: true,
      lastExit,
      failuresInRow: blameless ? failuresInRow : failuresAfter(failuresInRow, ranMs),
    });
    handle.monitor = undefined;
    handle.container = undefined;
    this.#parts.onExit(viewOf(handle));
  }

  async #crun(...args: readonly string[]): Promise<string> {
    const { layout, launcher } = this.#parts;
    const { stdout } = await launcher.perform({ kind: "run", argv: crunArgv(layout.crunDir, ...args), timeoutMs: RUN_TIMEOUT_MS });
    return stdout ?? "";
  }
}

/** Where an instance's log lies, across its runs. Throws AppError `invalid` for what is no id of ours. */
export function logDirOf(layout: HostLayout, namespace: string, id: string): string {
  checkName(namespace);
  checkName(id);
  return join(layout.logsDir, namespace, id);
}
