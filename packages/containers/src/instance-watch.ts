import { existsSync, type FSWatcher, watch } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { AppError, errorText } from "@plimsoll/core";
import { isAlive } from "@plimsoll/host";
import type { Handle } from "./instance-handles.ts";
import { EXIT_FILE_MS, type InstanceRuns, logDirOf, type RunParts } from "./instance-runs.ts";
import { parseContainerId } from "./instance-state.ts";
import { MONITORS_CGROUP } from "./launcher.ts";
import { rotateLog } from "./log-files.ts";
import { endFormerLaunchers } from "./monitor-process.ts";

const TICK_MS = 250;

/** Notices exits by conmon's exit files, lost monitors by looking, and keeps logs at their size. */
export class InstanceWatch {
  readonly #parts: RunParts;
  readonly #runs: InstanceRuns;
  readonly #exits: FSWatcher;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: RunParts, runs: InstanceRuns) {
    this.#parts = parts;
    this.#runs = runs;
    this.#exits = watch(parts.layout.exitsDir, (_, name) => this.#exitTold(name));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#exits.close();
  }

  #exitTold(name: string | null): void {
    const told = name === null ? undefined : parseContainerId(name);
    if (told === undefined || this.#parts.handles.get(told.id)?.state.run !== told.run) return;
    this.#look(told.id);
  }

  #look(id: string): void {
    this.#parts.handles
      .inQueue(id, (handle) => this.#runs.refresh(handle))
      .catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code !== "not_found") process.emitWarning(`instance ${id}: ${errorText(error)}`);
      });
  }

  #tick(): void {
    const { handles, layout, logs } = this.#parts;
    for (const handle of handles.all()) {
      if (handle.state.exited || handle.launching) continue;
      const { id, namespace } = handle.definition;
      if (handle.monitor === undefined || !isAlive(handle.monitor)) this.#look(id);
      rotateLog(logDirOf(layout, namespace, id), this.#runs.filesOf(handle).controlFifo, logs);
    }
  }
}

/** After a start of the agent: reads the records, ends what former agents left half-done, and watches and asks about each run that has not ended. */
export async function adoptInstances(parts: RunParts, runs: InstanceRuns): Promise<InstanceWatch> {
  const { cgroups, records, handles, launcher } = parts;
  cgroups.ensure(MONITORS_CGROUP);
  await endFormerLaunchers(cgroups);
  records.removeTorn();
  for (const id of records.ids()) {
    const record = records.read(id);
    if (record !== undefined) handles.add(record.definition, record.state);
  }
  await launcher.ready();
  const watching = new InstanceWatch(parts, runs);
  try {
    await Promise.all(handles.ids().map((id) => handles.inQueue(id, (handle) => adoptRun(handle, parts, runs))));
  } catch (error) {
    watching.close();
    throw error;
  }
  return watching;
}

async function adoptRun(handle: Handle, { handles }: RunParts, runs: InstanceRuns): Promise<void> {
  const { containerPidFile } = runs.filesOf(handle);
  // Cut off in the middle of a launch, the monitor finishes it by itself.
  const deadline = performance.now() + EXIT_FILE_MS;
  while (!handle.state.exited && runs.isMonitored(handle) && !existsSync(containerPidFile) && performance.now() < deadline) await pause(5);
  await runs.refresh(handle);
  if (handle.state.exited) return;
  runs.containerOf(handle);
  if (handle.state.startedAt !== undefined) return;
  if ((await runs.statusOf(handle)) === "running") handles.update(handle, { startedAt: new Date().toISOString() });
}
