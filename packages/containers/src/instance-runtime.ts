import { rmSync } from "node:fs";
import { join } from "node:path";
import { type CgroupDriver, type CgroupUsage, type HostLayout, signalProcess, waitGone } from "@plimsoll/host";
import { INSTANCE_CAPABILITIES } from "./capabilities.ts";
import { collectRemains } from "./instance-collection.ts";
import { InstanceHandles, type InstanceObservation, viewOf } from "./instance-handles.ts";
import { cgroupOf } from "./instance-launch.ts";
import { InstanceRuns, logDirOf, type RunParts } from "./instance-runs.ts";
import { checkName, type InstanceDefinition, InstanceRecords } from "./instance-state.ts";
import { adoptInstances, type InstanceWatch } from "./instance-watch.ts";
import { Launcher } from "./launcher.ts";
import type { LayerStore } from "./layer-store.ts";
import { DEFAULT_LOG_POLICY, type FollowOptions, followLog, type LogLine, type LogPolicy, tailLog } from "./log-files.ts";
import { usageOf } from "./run-exit.ts";
import { hostSeccomp } from "./seccomp.ts";
import { signalNumber } from "./stop-signal.ts";

export type { InstanceObservation } from "./instance-handles.ts";

export interface InstanceRuntimeOptions {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  /** Layers of the instances here are held in it: those that a collection through the same object leaves alone. */
  readonly layers: LayerStore;
  /** Default: 10 MiB a file, 5 files. */
  readonly logs?: LogPolicy;
  readonly seccompProfile?: string;
}

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
  readonly #parts: RunParts;
  readonly #handles: InstanceHandles;
  readonly #runs: InstanceRuns;
  readonly #listeners = new Set<(observation: InstanceObservation) => void>();
  readonly #letGo: () => void;
  #watch: InstanceWatch | undefined;

  private constructor(options: InstanceRuntimeOptions) {
    const { layout, cgroups, layers } = options;
    const records = new InstanceRecords(layout.bundlesDir);
    this.#handles = new InstanceHandles(records);
    this.#parts = {
      layout,
      cgroups,
      layers,
      logs: options.logs ?? DEFAULT_LOG_POLICY,
      seccomp: hostSeccomp(INSTANCE_CAPABILITIES, options.seccompProfile),
      records,
      launcher: new Launcher(cgroups),
      handles: this.#handles,
      onExit: (observation) => {
        for (const listener of this.#listeners) listener(observation);
      },
    };
    this.#runs = new InstanceRuns(this.#parts);
    this.#letGo = layers.hold(() => this.#handles.all().flatMap(({ definition }) => definition.image.layers.map(({ digest }) => digest)));
  }

  /** Finds what runs on this host and starts watching it. The layout exists (ensureHostLayout). */
  static async open(options: InstanceRuntimeOptions): Promise<InstanceRuntime> {
    const runtime = new InstanceRuntime(options);
    runtime.#watch = await adoptInstances(runtime.#parts, runtime.#runs);
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
    return this.#handles.inQueue(id, async (handle) => {
      await this.#runs.refresh(handle);
      if (!handle.state.exited && handle.state.startedAt === undefined) await this.#runs.start(handle);
      return viewOf(handle);
    });
  }

  /** After an exit: the next run, started, on a fresh snapshot. Does nothing while it is created or runs. Throws as create. */
  restart(id: string): Promise<InstanceObservation> {
    return this.#handles.inQueue(id, async (handle) => {
      await this.#runs.refresh(handle);
      if (!handle.state.exited) return viewOf(handle);
      await this.#runs.release(handle);
      this.#handles.update(handle, { run: handle.state.run + 1, exited: false, stopping: false, startedAt: undefined });
      try {
        await this.#runs.launch(handle, true);
      } catch (error) {
        this.#runs.notStarted(handle);
        throw error;
      }
      return viewOf(handle);
    });
  }

  /**
   * The image's stop signal, after the grace period (default: the definition's) the kill. Resolves when nothing of it runs; undefined when
   * there is no such instance. Idempotent. kill() cuts the grace short.
   */
  async stop(id: string, options: { readonly graceMs?: number } = {}): Promise<InstanceObservation | undefined> {
    if (this.#handles.get(id) === undefined) return undefined;
    return this.#handles.inQueue(id, async (handle) => {
      await this.#runs.refresh(handle);
      if (handle.state.exited) return viewOf(handle);
      this.#handles.update(handle, { stopping: true });
      const container = this.#runs.containerOf(handle);
      if (handle.state.startedAt !== undefined && container !== undefined) {
        signalProcess(container, signalNumber(handle.definition.image.config.stopSignal));
        await waitGone(container, options.graceMs ?? handle.definition.stopGraceMs);
      }
      await this.#runs.end(handle);
      return viewOf(handle);
    });
  }

  /** SIGKILL to all of it, at once. Undefined when there is no such instance. Idempotent. */
  async kill(id: string): Promise<InstanceObservation | undefined> {
    const current = this.#handles.get(id);
    if (current === undefined) return undefined;
    // Not in the queue: it must not wait for a grace period.
    if (!current.launching && !current.state.exited) {
      this.#handles.update(current, { stopping: true });
      await this.#parts.cgroups.killAll(cgroupOf(current.definition));
    }
    return this.#handles.inQueue(id, async (handle) => {
      await this.#runs.end(handle);
      return viewOf(handle);
    });
  }

  /** Kills it and removes container, snapshot, bundle and cgroup; its logs too unless kept. Idempotent. */
  async remove(id: string, options: { readonly keepLogs?: boolean } = {}): Promise<void> {
    const current = this.#handles.get(id);
    if (current === undefined) return;
    await this.kill(id);
    await this.#handles.inQueue(id, async (handle) => {
      await this.#runs.release(handle);
      await this.#runs.removeTree(join(this.#parts.layout.snapshotsDir, id));
      if (options.keepLogs !== true)
        rmSync(logDirOf(this.#parts.layout, handle.definition.namespace, id), { recursive: true, force: true });
      this.#handles.remove(id);
    });
  }

  /** As last seen; at most 250 ms old. */
  list(): readonly InstanceObservation[] {
    return this.#handles.all().map(viewOf);
  }

  /** Fresh from kernel and disk; waits for calls that are under way. */
  async observe(id: string): Promise<InstanceObservation | undefined> {
    if (this.#handles.get(id) === undefined) return undefined;
    return this.#handles.inQueue(id, async (handle) => {
      await this.#runs.refresh(handle);
      return viewOf(handle);
    });
  }

  async observeAll(): Promise<readonly InstanceObservation[]> {
    const all = await Promise.all(this.#handles.ids().map((id) => this.observe(id)));
    return all.filter((observation) => observation !== undefined);
  }

  /** Undefined when nothing of it runs. */
  usage(id: string): CgroupUsage | undefined {
    const handle = this.#handles.get(id);
    if (handle === undefined || handle.state.exited || handle.launching) return undefined;
    return usageOf(this.#parts.cgroups, cgroupOf(handle.definition));
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
    for (const id of this.#handles.ids()) if (!keep.has(id)) await this.remove(id);
    await collectRemains(this.#parts, this.#runs, keep, keepNamespaces);
  }

  /** The last lines, oldest first; of a removed instance too where its logs were kept. */
  tailLog(namespace: string, id: string, lines: number): readonly LogLine[] {
    return tailLog(logDirOf(this.#parts.layout, namespace, id), lines);
  }

  /**
   * The last `tail` lines (or those after a line's cursor) and all that follow, across restarts and rotations, until the signal aborts or
   * the logs are removed.
   */
  followLog(namespace: string, id: string, options: FollowOptions): AsyncIterable<LogLine> {
    return followLog(logDirOf(this.#parts.layout, namespace, id), options);
  }

  /** Waits for calls under way and stops watching; instances stay. Idempotent. */
  async close(): Promise<void> {
    this.#watch?.close();
    await this.#handles.settled();
    this.#letGo();
    await this.#parts.launcher.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #createAnd(definition: InstanceDefinition, start: boolean): Promise<InstanceObservation> {
    const { id } = definition;
    checkName(id);
    checkName(definition.namespace);
    if (this.#handles.get(id) !== undefined) return start ? this.start(id) : this.#handles.inQueue(id, async (handle) => viewOf(handle));
    this.#handles.add(definition, { run: 1, stopping: false, exited: false, failuresInRow: 0 });
    return this.#handles.inQueue(id, async (handle) => {
      this.#parts.records.create(definition, handle.state);
      try {
        await this.#runs.launch(handle, start);
      } catch (error) {
        await this.#runs.release(handle);
        this.#handles.remove(id);
        throw error;
      }
      return viewOf(handle);
    });
  }
}
