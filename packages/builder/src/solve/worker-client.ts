import { join } from "node:path";
import { collectSandboxes, type LayerStore } from "@plimsoll/containers";
import { AppError, type BuildLimits, DEFAULT_BUILD_DISK } from "@plimsoll/core";
import { type CgroupDriver, ensureUserNamespace, type HostLayout, type IoLimit } from "@plimsoll/host";
import type { DiskAmount } from "../execute/disk-budget.ts";
import {
  type BuildNetworkPath,
  WORKER_CGROUP,
  type WorkerFailure,
  type WorkerInit,
  type WorkerRequest,
  type WorkerResult,
} from "../execute/protocol.ts";
import { BuildProblem } from "../problem.ts";
import type { BuildNetwork } from "./network.ts";
import type { SpareWorker, WorkerAnswer, WorkerEnd, WorkerProcess } from "./worker-process.ts";

export interface WorkerClientOptions {
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly network: BuildNetwork;
  readonly buildId: string;
  readonly namespace: { readonly uid: string; readonly uidBase: number };
  readonly repository: string;
  readonly firstSeenFile: string;
  readonly limits: BuildLimits;
  readonly io?: IoLimit;
  readonly certificates?: string;
  /** No file of a layer is younger. Seconds since 1970. */
  readonly sourceDateEpoch: number | undefined;
  readonly layers: LayerStore;
  readonly spare: SpareWorker;
  /** Aborted: everything of the build is killed. */
  readonly signal: AbortSignal;
}

/** The kernel killed something of the build for memory. */
export class WorkerOutOfMemory extends Error {}

/** A request that the worker answered with a failure. */
export class StepFailed extends Error {
  readonly failure: WorkerFailure;
  constructor(failure: WorkerFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

type NewRequest<T = WorkerRequest> = T extends WorkerRequest ? Omit<T, "id"> : never;

interface Pending {
  readonly resolve: (result: WorkerResult) => void;
  readonly reject: (error: unknown) => void;
  readonly onOutput: (stream: "stdout" | "stderr", text: string) => void;
}

/** What a build's steps may write to the disk. */
export function diskOf({ diskBytes, diskFiles }: BuildLimits): DiskAmount {
  return { bytes: diskBytes ?? DEFAULT_BUILD_DISK.diskBytes, files: diskFiles ?? DEFAULT_BUILD_DISK.diskFiles };
}

/** `tenants/<namespace>/build/<build>`, relative to the layout's cgroup root. */
export function buildCgroup(namespaceUid: string, buildId: string): string {
  return `tenants/${namespaceUid}/build/${buildId}`;
}

/**
 * The one child process of a build, started with its first request: cgroup with the build's limits, mount namespace, network for commands.
 * close() kills whatever is left and removes all of it.
 */
export class WorkerClient implements AsyncDisposable {
  private readonly options: WorkerClientOptions;
  private readonly pending = new Map<number, Pending>();
  private readonly kill: () => void;
  private worker: Promise<WorkerProcess> | undefined;
  private acquired: Promise<BuildNetworkPath> | undefined;
  private sequence = 0;
  private lost: unknown;
  /** It ended with work under way. */
  private unfinished = false;

  constructor(options: WorkerClientOptions) {
    this.options = options;
    this.kill = () => void this.killAll();
    options.signal.addEventListener("abort", this.kill, { once: true });
  }

  /** The build's network, made at the first call. */
  network(): Promise<BuildNetworkPath> {
    const { network, buildId, namespace } = this.options;
    this.acquired ??= this.userNamespace().then((userNamespacePath) =>
      network.acquire({ buildId, namespaceUid: namespace.uid, userNamespacePath }),
    );
    return this.acquired;
  }

  /** Throws StepFailed, WorkerOutOfMemory, the signal's reason, or BuildProblem `interrupted` when the worker died otherwise. */
  async request(request: NewRequest, onOutput: Pending["onOutput"]): Promise<WorkerResult> {
    this.options.signal.throwIfAborted();
    this.worker ??= this.startWorker();
    const worker = await this.worker;
    if (this.lost !== undefined) throw this.lost;
    const id = this.sequence++;
    return new Promise<WorkerResult>((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onOutput });
      worker.send({ ...request, id });
    });
  }

  /** Never throws: what cannot be removed now is left to the builder's collect(). */
  async close(): Promise<void> {
    const { signal, network, buildId } = this.options;
    signal.removeEventListener("abort", this.kill);
    if (this.worker !== undefined) await this.endWorker(await this.worker.catch(() => undefined)).catch(() => undefined);
    if (this.acquired !== undefined) await this.acquired.then(() => network.release(buildId)).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async endWorker(worker: WorkerProcess | undefined): Promise<void> {
    const { cgroups, buildId, namespace, spare, layers, layout } = this.options;
    this.unfinished ||= this.pending.size > 0;
    await this.killAll();
    worker?.kill();
    await worker?.ended;
    spare.prepare();
    // What it was making is half-made, and only now without an owner.
    if (this.unfinished) await layers.collectTemporary();
    await cgroups.remove(buildCgroup(namespace.uid, buildId));
    // Nor are the containers of its commands anybody's.
    if (this.unfinished) await collectSandboxes(layout, (id) => id.startsWith(`${buildId}-`));
  }

  private async startWorker(): Promise<WorkerProcess> {
    const { cgroups, namespace, buildId, limits, layout, spare } = this.options;
    const path = buildCgroup(namespace.uid, buildId);
    cgroups.ensure(path, { cpuMillis: limits.cpuMillis, memoryBytes: limits.memoryBytes, pids: limits.pids });
    // A cgroup with limits for its children holds no processes of its own (cgroup v2, no internal processes).
    cgroups.ensure(join(path, WORKER_CGROUP));
    // The whole build on version 2, this cgroup alone on version 1: there each command's gets its own.
    const { io } = this.options;
    if (io !== undefined) for (const one of [path, join(path, WORKER_CGROUP)]) cgroups.limitIo(one, io);
    const [worker, userNamespace] = await Promise.all([spare.take(), this.userNamespace()]);
    void worker.ended.then((end) => this.fail(end));
    // Only now: that our program itself needs memory is not the tenant's account.
    cgroups.move(join(path, WORKER_CGROUP), worker.pid);
    const init: WorkerInit = {
      type: "init",
      layout,
      buildId,
      repository: this.options.repository,
      firstSeenFile: this.options.firstSeenFile,
      cgroupPath: path,
      userNamespace: { path: userNamespace, uidBase: namespace.uidBase },
      logBytes: limits.logBytes,
      disk: diskOf(limits),
      ...(io === undefined ? {} : { io }),
      ...(this.options.sourceDateEpoch === undefined ? {} : { sourceDateEpoch: this.options.sourceDateEpoch }),
      ...(this.options.certificates === undefined ? {} : { certificates: this.options.certificates }),
    };
    worker.send(init, (answer) => this.receive(answer));
    if (this.options.signal.aborted) this.kill();
    return worker;
  }

  private receive(message: WorkerAnswer): void {
    const pending = this.pending.get(message.id);
    if (message.type === "output") {
      pending?.onOutput(message.stream, message.text);
      return;
    }
    this.pending.delete(message.id);
    if (message.type === "done") pending?.resolve(message.result);
    else pending?.reject(new StepFailed(message.failure));
  }

  /** The worker is gone: whatever was asked of it has no answer. */
  private fail(end: WorkerEnd): void {
    this.unfinished ||= this.pending.size > 0;
    this.lost = this.reasonOfEnd(end);
    for (const { reject } of this.pending.values()) reject(this.lost);
    this.pending.clear();
    void this.killAll();
  }

  private reasonOfEnd({ code, signal, stderr }: WorkerEnd): unknown {
    const { options } = this;
    if (options.signal.aborted) return options.signal.reason;
    if (this.oomKills() > 0) return new WorkerOutOfMemory("the build ran out of memory");
    const how = signal === null ? `ended with ${code}` : `was killed by ${signal}`;
    return new BuildProblem(
      { reason: "interrupted", message: "The build was interrupted: the process that ran it is gone. Push again to repeat it." },
      { cause: new AppError("internal", `the build's worker ${how}: ${stderr}`) },
    );
  }

  private oomKills(): number {
    const { cgroups, namespace, buildId } = this.options;
    const path = buildCgroup(namespace.uid, buildId);
    const paths = [path, ...cgroups.children(path).map((name) => join(path, name))];
    return paths.filter((one) => cgroups.exists(one)).reduce((sum, one) => sum + cgroups.usage(one).oomKills, 0);
  }

  private async killAll(): Promise<void> {
    const { cgroups, namespace, buildId } = this.options;
    const path = buildCgroup(namespace.uid, buildId);
    if (this.worker !== undefined && cgroups.exists(path)) await cgroups.killAll(path).catch(() => undefined);
  }

  private userNamespace(): Promise<string> {
    const { layout, namespace } = this.options;
    return ensureUserNamespace(layout, namespace.uid, { uidBase: namespace.uidBase });
  }
}
