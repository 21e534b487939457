import { existsSync, type FSWatcher, mkdirSync, readdirSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { AppError, errorText } from "@plimsoll/core";
import {
  type CgroupDriver,
  type CgroupUsage,
  errorCode,
  type HostLayout,
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  removeUserNamespace,
  signalProcess,
  waitGone,
} from "@plimsoll/host";
import { INSTANCE_CAPABILITIES } from "./capabilities.ts";
import { crunArgv, monitorFiles } from "./conmon.ts";
import { cgroupOf, launchCommand, snapshotDir, stopSignal } from "./instance-launch.ts";
import {
  checkName,
  containerIdOf,
  type InstanceDefinition,
  InstanceRecords,
  type InstanceState,
  parseContainerId,
  type RunExit,
} from "./instance-state.ts";
import { Launcher, MONITORS_CGROUP } from "./launcher.ts";
import type { LayerStore } from "./layer-store.ts";
import { DEFAULT_LOG_POLICY, type FollowOptions, followLog, type LogLine, type LogPolicy, rotateLog, tailLog } from "./log-files.ts";
import { endFormerLaunchers, endMonitors, monitorOf, processIn } from "./monitor-process.ts";
import { failuresAfter } from "./restart.ts";
import { readExit, usageOf } from "./run-exit.ts";
import { hostSeccomp, type OciSeccomp } from "./seccomp.ts";

/** What is, read from the kernel and the run directory. */
export interface InstanceObservation {
  readonly id: string;
  readonly namespace: string;
  /** created: prepared, its program not yet started; exited: waits for restart() or remove(). */
  readonly state: "created" | "running" | "exited";
  /** 1 for the first run; every restart is a new one, with a fresh snapshot. */
  readonly run: number;
  /** Of its first process, in the host's numbering. */
  readonly pid?: number;
  readonly startedAt?: string;
  readonly restarts: number;
  /** Runs that ended soon after their start, since the last one that lasted. */
  readonly failuresInRow: number;
  readonly lastExit?: RunExit;
}

export interface InstanceRuntimeOptions {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  /** Default: 10 MiB a file, 5 files. */
  readonly logs?: LogPolicy;
  readonly seccompProfile?: string;
}

interface Handle {
  readonly definition: InstanceDefinition;
  state: InstanceState;
  /** Between the launch's begin and its answer: nothing is there to be observed yet. */
  launching: boolean;
  monitor?: ProcessIdentity;
  container?: ProcessIdentity;
  /** Calls for one instance run one after the other. */
  queue: Promise<unknown>;
}

const TICK_MS = 250;
const RUN_TIMEOUT_MS = 30_000;
/** From the last process's end to conmon's exit file. */
const EXIT_FILE_MS = 5_000;
/** Exit code of a run that could not be begun, as a shell's "cannot execute". */
const NOT_STARTED = 126;
const LOST = 255;

/**
 * Creates, starts, watches and ends the instances of one host.
 *
 *     create ─▶ created ─ start ─▶ running ─▶ exited ─ restart ─▶ running (next run)
 *                  └──────────────────┴───────────┴─ remove ─▶ gone
 *
 * What it knows is on the run directory's tmpfs and in the kernel, so that a new object (after kill -9 of the agent) finds every instance
 * again with open(), and none is started twice; after a reboot there are none. It decides no restart: planRestart says when, the caller
 * calls restart. One object per host layout at a time.
 */
export class InstanceRuntime implements AsyncDisposable {
  readonly #layout: HostLayout;
  readonly #cgroups: CgroupDriver;
  readonly #layers: LayerStore;
  readonly #logs: LogPolicy;
  readonly #seccomp: OciSeccomp;
  readonly #records: InstanceRecords;
  readonly #launcher: Launcher;
  readonly #handles = new Map<string, Handle>();
  readonly #listeners = new Set<(observation: InstanceObservation) => void>();
  #exits: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: InstanceRuntimeOptions) {
    this.#layout = options.layout;
    this.#cgroups = options.cgroups;
    this.#layers = options.layers;
    this.#logs = options.logs ?? DEFAULT_LOG_POLICY;
    this.#records = new InstanceRecords(options.layout.bundlesDir);
    this.#launcher = new Launcher(options.cgroups);
    this.#seccomp = hostSeccomp(INSTANCE_CAPABILITIES, options.seccompProfile);
  }

  /** Finds what runs on this host and starts watching it. The layout exists (ensureHostLayout). */
  static async open(options: InstanceRuntimeOptions): Promise<InstanceRuntime> {
    const runtime = new InstanceRuntime(options);
    await runtime.#adopt();
    return runtime;
  }

  /**
   * Prepares the first run: snapshot, bundle, container; its program is not started. An instance that exists is returned as it is. The
   * namespace's cgroup must have room (CgroupDriver.ensureTenant) and the layers must be here. Throws AppError `invalid` (image or
   * definition is to blame), `not_found` (layer), `internal`; then nothing of it is left.
   */
  create(definition: InstanceDefinition): Promise<InstanceObservation> {
    return this.#createAnd(definition, false);
  }

  /** create and start in one go. */
  run(definition: InstanceDefinition): Promise<InstanceObservation> {
    return this.#createAnd(definition, true);
  }

  /** Starts the program of a created run. Idempotent. Throws AppError `not_found`, `internal`. */
  start(id: string): Promise<InstanceObservation> {
    return this.#inQueue(id, async (handle) => {
      await this.#refresh(handle);
      if (handle.state.exited || handle.state.startedAt !== undefined) return this.#view(handle);
      await this.#crun("start", containerIdOf(id, handle.state.run));
      this.#update(handle, { startedAt: new Date().toISOString() });
      return this.#view(handle);
    });
  }

  /** After an exit: the next run, started, on a fresh snapshot. Does nothing while it is created or runs. Throws as create. */
  restart(id: string): Promise<InstanceObservation> {
    return this.#inQueue(id, async (handle) => {
      await this.#refresh(handle);
      if (!handle.state.exited) return this.#view(handle);
      await this.#releaseRun(handle);
      this.#update(handle, { run: handle.state.run + 1, exited: false, stopping: false, startedAt: undefined });
      try {
        await this.#launch(handle, true);
      } catch (error) {
        this.#finish(handle, { code: NOT_STARTED, outOfMemory: false, monitorLost: false, at: new Date().toISOString() });
        throw error;
      }
      return this.#view(handle);
    });
  }

  /**
   * The image's stop signal, after the grace period (default: the definition's) the kill. Resolves when nothing of it runs; undefined when
   * there is no such instance. Idempotent. kill() cuts the grace short.
   */
  async stop(id: string, options: { readonly graceMs?: number } = {}): Promise<InstanceObservation | undefined> {
    if (!this.#handles.has(id)) return undefined;
    return this.#inQueue(id, async (handle) => {
      await this.#refresh(handle);
      if (handle.state.exited) return this.#view(handle);
      this.#update(handle, { stopping: true });
      const container = this.#containerOf(handle);
      if (handle.state.startedAt !== undefined && container !== undefined) {
        signalProcess(container, stopSignal(handle.definition));
        await waitGone(container, options.graceMs ?? handle.definition.stopGraceMs);
      }
      await this.#end(handle);
      return this.#view(handle);
    });
  }

  /** SIGKILL to all of it, at once. Undefined when there is no such instance. Idempotent. */
  async kill(id: string): Promise<InstanceObservation | undefined> {
    const current = this.#handles.get(id);
    if (current === undefined) return undefined;
    // Not in the queue: it must not wait for a grace period.
    if (!current.launching && !current.state.exited) {
      this.#update(current, { stopping: true });
      await this.#cgroups.killAll(cgroupOf(current.definition));
    }
    return this.#inQueue(id, async (handle) => {
      await this.#end(handle);
      return this.#view(handle);
    });
  }

  /** Kills it and removes container, snapshot, bundle and cgroup; its logs too unless kept. Idempotent. */
  async remove(id: string, options: { readonly keepLogs?: boolean } = {}): Promise<void> {
    const current = this.#handles.get(id);
    if (current === undefined) return;
    await this.kill(id);
    await this.#inQueue(id, async (handle) => {
      await this.#releaseRun(handle);
      await this.#removeTree(join(this.#layout.snapshotsDir, id));
      if (options.keepLogs !== true) rmSync(this.#logDir(handle.definition.namespace, id), { recursive: true, force: true });
      this.#records.remove(id);
      this.#handles.delete(id);
    });
  }

  /** As last seen; at most 250 ms old. */
  list(): readonly InstanceObservation[] {
    return [...this.#handles.values()].map((handle) => this.#view(handle));
  }

  /** Fresh from kernel and disk; waits for calls that are under way. */
  async observe(id: string): Promise<InstanceObservation | undefined> {
    if (!this.#handles.has(id)) return undefined;
    return this.#inQueue(id, async (handle) => {
      await this.#refresh(handle);
      return this.#view(handle);
    });
  }

  async observeAll(): Promise<readonly InstanceObservation[]> {
    const all = await Promise.all([...this.#handles.keys()].map((id) => this.observe(id)));
    return all.filter((observation) => observation !== undefined);
  }

  /** Undefined when nothing of it runs. */
  usage(id: string): CgroupUsage | undefined {
    const handle = this.#handles.get(id);
    if (handle === undefined || handle.state.exited || handle.launching) return undefined;
    return usageOf(this.#cgroups, cgroupOf(handle.definition));
  }

  /** Called when an instance has exited or lost its monitor, whoever caused it. Must not throw. Returns the unsubscribe. */
  onExit(listener: (observation: InstanceObservation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Removes instances not in `keep`, and snapshots, cgroups and logs that belong to none: what crashes and reboots leave behind. With
   * `keepNamespaces`, also the cgroups and user namespaces of other namespaces (none of their builds may be under way).
   */
  async collect(keep: ReadonlySet<string>, keepNamespaces?: ReadonlySet<string>): Promise<void> {
    for (const id of [...this.#handles.keys()]) if (!keep.has(id)) await this.remove(id);
    this.#records.removeTorn();
    for (const id of namesIn(this.#layout.snapshotsDir)) {
      if (!this.#handles.has(id) && !keep.has(id)) await this.#removeTree(join(this.#layout.snapshotsDir, id));
    }
    for (const namespace of this.#cgroups.children("tenants")) {
      for (const id of this.#cgroups.children(`tenants/${namespace}/run`)) {
        if (!this.#handles.has(id)) await this.#cgroups.remove(`tenants/${namespace}/run/${id}`);
      }
      if (keepNamespaces === undefined || keepNamespaces.has(namespace)) continue;
      await this.#cgroups.remove(`tenants/${namespace}`);
      await removeUserNamespace(this.#layout, namespace);
    }
    for (const namespace of namesIn(this.#layout.logsDir)) {
      for (const id of namesIn(join(this.#layout.logsDir, namespace))) {
        if (!this.#handles.has(id) && !keep.has(id)) rmSync(this.#logDir(namespace, id), { recursive: true, force: true });
      }
    }
  }

  /** The last lines, oldest first; of a removed instance too where its logs were kept. */
  tailLog(namespace: string, id: string, lines: number): readonly LogLine[] {
    return tailLog(this.#logDir(namespace, id), lines);
  }

  /**
   * The last `tail` lines (or those after a line's cursor) and all that follow, across restarts and rotations, until the signal aborts or
   * the logs are removed.
   */
  followLog(namespace: string, id: string, options: FollowOptions): AsyncIterable<LogLine> {
    return followLog(this.#logDir(namespace, id), options);
  }

  /** Waits for calls under way and stops watching; instances stay. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#exits?.close();
    await Promise.allSettled([...this.#handles.values()].map((handle) => handle.queue));
    await this.#launcher.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #createAnd(definition: InstanceDefinition, start: boolean): Promise<InstanceObservation> {
    checkName(definition.id);
    checkName(definition.namespace);
    const existing = this.#handles.get(definition.id);
    if (existing !== undefined)
      return start ? this.start(definition.id) : this.#inQueue(definition.id, async (handle) => this.#view(handle));
    const handle: Handle = {
      definition,
      state: { run: 1, stopping: false, exited: false, failuresInRow: 0 },
      launching: false,
      queue: Promise.resolve(),
    };
    this.#handles.set(definition.id, handle);
    return this.#inQueue(definition.id, async () => {
      this.#records.create(definition, handle.state);
      try {
        await this.#launch(handle, start);
      } catch (error) {
        await this.#releaseRun(handle);
        this.#records.remove(definition.id);
        this.#handles.delete(definition.id);
        throw error;
      }
      return this.#view(handle);
    });
  }

  async #launch(handle: Handle, start: boolean): Promise<void> {
    const { definition } = handle;
    const { run } = handle.state;
    const bundleDir = this.#records.bundleDir(definition.id, run);
    const logDir = this.#logDir(definition.namespace, definition.id);
    handle.launching = true;
    try {
      const layers = definition.image.layers.map(({ digest }) => this.#layers.dirOf(digest));
      const place = {
        layout: this.#layout,
        cgroups: this.#cgroups,
        seccomp: this.#seccomp,
        logs: this.#logs,
        layers,
        run,
        bundleDir,
        logDir,
      };
      const command = launchCommand(definition, place, start);
      const snapshot = snapshotDir(this.#layout, definition.id, run);
      mkdirSync(join(snapshot, "fs"), { recursive: true, mode: 0o755 });
      mkdirSync(join(snapshot, "work"), { recursive: true, mode: 0o700 });
      mkdirSync(logDir, { recursive: true, mode: 0o700 });
      this.#cgroups.ensure(cgroupOf(definition), definition.limits);
      const { pid } = await this.#launcher.perform(command);
      handle.container = pid === undefined ? undefined : identifyProcess(pid);
      handle.monitor = monitorOf(bundleDir, containerIdOf(definition.id, run));
      if (start) this.#update(handle, { startedAt: new Date().toISOString() });
    } finally {
      handle.launching = false;
    }
    // A program that ends within its own start has already told; the file system's notice may have come too early.
    void this.#inQueue(definition.id, (each) => this.#refresh(each)).catch(() => undefined);
  }

  /** Compares with the kernel; records an exit that has happened. */
  async #refresh(handle: Handle): Promise<void> {
    if (handle.state.exited || handle.launching) return;
    const exit = this.#readExit(handle);
    if (exit !== undefined) {
      this.#finish(handle, exit);
      return;
    }
    if (this.#monitorAlive(handle)) return;
    // It may have written the status as its last act.
    const last = this.#readExit(handle);
    if (last === undefined) await this.#cgroups.killAll(cgroupOf(handle.definition));
    this.#finish(handle, last ?? { code: LOST, outOfMemory: false, monitorLost: true, at: new Date().toISOString() });
  }

  /** Kills all of it and records the exit. */
  async #end(handle: Handle): Promise<void> {
    if (handle.state.exited) return;
    this.#update(handle, { stopping: true });
    await this.#cgroups.killAll(cgroupOf(handle.definition));
    const deadline = performance.now() + EXIT_FILE_MS;
    while (this.#readExit(handle) === undefined && this.#monitorAlive(handle) && performance.now() < deadline) await pause(2);
    await this.#refresh(handle);
    if (handle.state.exited) return;
    if (handle.monitor !== undefined) signalProcess(handle.monitor, "SIGKILL");
    this.#finish(handle, { code: 137, signal: "SIGKILL", outOfMemory: false, monitorLost: true, at: new Date().toISOString() });
  }

  #readExit(handle: Handle): RunExit | undefined {
    return readExit(this.#layout.exitsDir, containerIdOf(handle.definition.id, handle.state.run), () => this.#oomKills(handle));
  }

  #oomKills(handle: Handle): number {
    return usageOf(this.#cgroups, cgroupOf(handle.definition))?.oomKills ?? 0;
  }

  #finish(handle: Handle, lastExit: RunExit): void {
    const { startedAt, stopping, failuresInRow } = handle.state;
    const ranMs = startedAt === undefined ? 0 : Date.parse(lastExit.at) - Date.parse(startedAt);
    // What we ended ourselves, or cut off in the middle of its launch by dying, is no failure of the program.
    const blameless = stopping || (lastExit.monitorLost && startedAt === undefined);
    this.#update(handle, { exited: true, lastExit, failuresInRow: blameless ? failuresInRow : failuresAfter(failuresInRow, ranMs) });
    handle.monitor = undefined;
    handle.container = undefined;
    const observation = this.#view(handle);
    for (const listener of this.#listeners) listener(observation);
  }

  /** Frees what a run that ended holds. Idempotent; also for runs that were never quite begun. */
  async #releaseRun(handle: Handle): Promise<void> {
    const { definition, state } = handle;
    const containerId = containerIdOf(definition.id, state.run);
    const bundleDir = this.#records.bundleDir(definition.id, state.run);
    await this.#cgroups.killAll(cgroupOf(definition));
    await endMonitors(this.#cgroups, containerId, existsSync(join(this.#layout.exitsDir, containerId)) ? 1_000 : 0);
    // A launch that was under way may have put its first process there meanwhile; now nobody is left to do so.
    await this.#cgroups.killAll(cgroupOf(definition));
    if (existsSync(join(this.#layout.crunDir, containerId))) await this.#crun("delete", "--force", containerId);
    await this.#cgroups.remove(cgroupOf(definition));
    await this.#removeTree(snapshotDir(this.#layout, definition.id, state.run));
    rmSync(bundleDir, { recursive: true, force: true });
    rmSync(join(this.#layout.exitsDir, containerId), { force: true });
  }

  #monitorAlive(handle: Handle): boolean {
    const { id } = handle.definition;
    handle.monitor ??= monitorOf(this.#records.bundleDir(id, handle.state.run), containerIdOf(id, handle.state.run));
    return handle.monitor !== undefined && isAlive(handle.monitor);
  }

  #containerOf(handle: Handle): ProcessIdentity | undefined {
    if (handle.container !== undefined) return handle.container;
    const { containerPidFile } = monitorFiles(this.#records.bundleDir(handle.definition.id, handle.state.run));
    const identity = processIn(containerPidFile);
    // Whoever has that pid now is ours only if it is in our cgroup.
    if (identity === undefined || !this.#cgroups.processes(cgroupOf(handle.definition)).includes(identity.pid)) return undefined;
    handle.container = identity;
    return identity;
  }

  #view(handle: Handle): InstanceObservation {
    const { definition, state } = handle;
    return {
      id: definition.id,
      namespace: definition.namespace,
      state: state.exited ? "exited" : state.startedAt === undefined ? "created" : "running",
      run: state.run,
      ...(handle.container === undefined ? {} : { pid: handle.container.pid }),
      ...(state.startedAt === undefined ? {} : { startedAt: state.startedAt }),
      restarts: state.run - 1,
      failuresInRow: state.failuresInRow,
      ...(state.lastExit === undefined ? {} : { lastExit: state.lastExit }),
    };
  }

  #update(handle: Handle, change: { readonly [K in keyof InstanceState]?: InstanceState[K] | undefined }): void {
    handle.state = { ...handle.state, ...change } as InstanceState;
    this.#records.update(handle.definition.id, handle.state);
  }

  #inQueue<T>(id: string, body: (handle: Handle) => Promise<T>): Promise<T> {
    const handle = this.#handles.get(id);
    if (handle === undefined) return Promise.reject(new AppError("not_found", `This host has no instance ${id}.`));
    const result = handle.queue.then(() => {
      if (this.#handles.get(id) !== handle) throw new AppError("not_found", `This host has no instance ${id}.`);
      return body(handle);
    });
    handle.queue = result.catch(() => undefined);
    return result;
  }

  async #crun(...args: readonly string[]): Promise<string> {
    const { stdout } = await this.#launcher.perform({
      kind: "run",
      argv: crunArgv(this.#layout.crunDir, ...args),
      timeoutMs: RUN_TIMEOUT_MS,
    });
    return stdout ?? "";
  }

  async #removeTree(dir: string): Promise<void> {
    if (!existsSync(dir)) return;
    // rm walks by descriptors and follows nothing; in the launcher, because deleting a tree takes its time.
    await this.#launcher.perform({ kind: "run", argv: ["rm", "-rf", "--one-file-system", "--", dir], timeoutMs: 600_000 });
  }

  #logDir(namespace: string, id: string): string {
    checkName(namespace);
    checkName(id);
    return join(this.#layout.logsDir, namespace, id);
  }

  /** After a start of the agent: reads the records and asks the runtime about each run that has not ended. */
  async #adopt(): Promise<void> {
    this.#cgroups.ensure(MONITORS_CGROUP);
    await endFormerLaunchers(this.#cgroups);
    this.#records.removeTorn();
    for (const id of this.#records.ids()) {
      const record = this.#records.read(id);
      if (record !== undefined) this.#handles.set(id, { ...record, launching: false, queue: Promise.resolve() });
    }
    await this.#launcher.ready();
    this.#exits = watch(this.#layout.exitsDir, (_, name) => this.#exitTold(name));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
    await Promise.all([...this.#handles.keys()].map((id) => this.#inQueue(id, (handle) => this.#adoptRun(handle))));
  }

  async #adoptRun(handle: Handle): Promise<void> {
    const { id } = handle.definition;
    const containerId = containerIdOf(id, handle.state.run);
    const { containerPidFile } = monitorFiles(this.#records.bundleDir(id, handle.state.run));
    // Cut off in the middle of a launch, the monitor finishes it by itself.
    const deadline = performance.now() + EXIT_FILE_MS;
    while (!handle.state.exited && this.#monitorAlive(handle) && !existsSync(containerPidFile) && performance.now() < deadline)
      await pause(5);
    await this.#refresh(handle);
    if (handle.state.exited) return;
    this.#containerOf(handle);
    if (handle.state.startedAt !== undefined) return;
    const { status }: { status?: string } = JSON.parse(await this.#crun("state", containerId));
    if (status === "running") this.#update(handle, { startedAt: new Date().toISOString() });
  }

  #exitTold(name: string | null): void {
    const told = name === null ? undefined : parseContainerId(name);
    if (told === undefined || this.#handles.get(told.id)?.state.run !== told.run) return;
    this.#look(told.id);
  }

  #look(id: string): void {
    this.#inQueue(id, (handle) => this.#refresh(handle)).catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== "not_found") process.emitWarning(`instance ${id}: ${errorText(error)}`);
    });
  }

  #tick(): void {
    for (const [id, handle] of this.#handles) {
      if (handle.state.exited || handle.launching) continue;
      if (handle.monitor === undefined || !isAlive(handle.monitor)) this.#look(id);
      const { controlFifo } = monitorFiles(this.#records.bundleDir(id, handle.state.run));
      rotateLog(this.#logDir(handle.definition.namespace, id), controlFifo, this.#logs);
    }
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
