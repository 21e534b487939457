import { AppError } from "@plimsoll/core";
import type { ProcessIdentity } from "@plimsoll/host";
import type { InstanceDefinition, InstanceRecords, InstanceState, RunExit } from "./instance-state.ts";

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

/** An instance as this process knows it. */
export interface Handle {
  readonly definition: InstanceDefinition;
  state: InstanceState;
  /** Between the launch's begin and its answer: nothing is there to be observed yet. */
  launching: boolean;
  monitor?: ProcessIdentity | undefined;
  container?: ProcessIdentity | undefined;
  /** Calls for one instance run one after the other. */
  queue: Promise<unknown>;
}

/** The instances of one host by id; what is changed of their state is on the run directory before the change is seen. */
export class InstanceHandles {
  readonly #records: InstanceRecords;
  readonly #handles = new Map<string, Handle>();

  constructor(records: InstanceRecords) {
    this.#records = records;
  }

  get(id: string): Handle | undefined {
    return this.#handles.get(id);
  }

  ids(): readonly string[] {
    return [...this.#handles.keys()];
  }

  all(): readonly Handle[] {
    return [...this.#handles.values()];
  }

  add(definition: InstanceDefinition, state: InstanceState): Handle {
    const handle: Handle = { definition, state, launching: false, queue: Promise.resolve() };
    this.#handles.set(definition.id, handle);
    return handle;
  }

  /** From the run directory too. */
  remove(id: string): void {
    this.#records.remove(id);
    this.#handles.delete(id);
  }

  update(handle: Handle, change: { readonly [K in keyof InstanceState]?: InstanceState[K] | undefined }): void {
    handle.state = { ...handle.state, ...change } as InstanceState;
    this.#records.update(handle.definition.id, handle.state);
  }

  /** Runs the body when all that came before for this instance is over. Throws AppError `not_found` where it is gone by then. */
  inQueue<T>(id: string, body: (handle: Handle) => Promise<T>): Promise<T> {
    const handle = this.#handles.get(id);
    if (handle === undefined) return Promise.reject(notHere(id));
    const result = handle.queue.then(() => {
      if (this.#handles.get(id) !== handle) throw notHere(id);
      return body(handle);
    });
    handle.queue = result.catch(() => undefined);
    return result;
  }

  /** Waits for the calls that are under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.all().map(({ queue }) => queue));
  }
}

function notHere(id: string): AppError {
  return new AppError("not_found", `This host has no instance ${id}.`);
}

export function viewOf({ definition, state, container }: Handle): InstanceObservation {
  return {
    id: definition.id,
    namespace: definition.namespace,
    state: state.exited ? "exited" : state.startedAt === undefined ? "created" : "running",
    run: state.run,
    ...(container === undefined ? {} : { pid: container.pid }),
    ...(state.startedAt === undefined ? {} : { startedAt: state.startedAt }),
    restarts: state.run - 1,
    failuresInRow: state.failuresInRow,
    ...(state.lastExit === undefined ? {} : { lastExit: state.lastExit }),
  };
}
