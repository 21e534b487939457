import type { Clock, Logger } from "@plimsoll/config";
import type { InstanceDefinition, InstanceObservation, InstanceRuntime } from "@plimsoll/containers";
import { type InstanceAssignment, type InstanceReport, openBox } from "@plimsoll/contracts";
import { errorText, INSTANCE_PIDS } from "@plimsoll/core";
import { probe } from "../probe.ts";
import { listeningAddresses, listeningHint } from "./listening.ts";
import { planInstance } from "./plan-instance.ts";
import type { ImageFetcher, InstanceWire } from "./ports.ts";

export interface KeeperOptions {
  readonly runtime: InstanceRuntime;
  readonly wire: InstanceWire;
  readonly images: ImageFetcher;
  readonly userNamespace: (namespaceUid: string) => Promise<{ readonly path: string; readonly uidBase: number }>;
  readonly resolver: () => InstanceDefinition["resolver"];
  readonly privateKey: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with every change of what is; the receiver coalesces. */
  readonly onReport: (report: InstanceReport) => void;
}

/** While it is not ready yet: at once, then with these pauses; the last one repeats. */
const STARTING_PAUSES_MS = [10, 20, 30, 50, 50, 100, 100, 200, 200, 500, 1_000];
/** A ready instance is looked at this often, and is unready after so many failures in a row. */
const READY_PAUSE_MS = 5_000;
const FAILURES_TO_UNREADY = 3;
/** A program that goes on starting others at its limit is told of this often: each time is an event. */
const REFUSED_AGAIN_MS = 60_000;
/** One that another agent left running is found unready only by failures that last so long: until then the server knows better. */
const FOUND_PATIENCE_MS = 3_000;
const ERROR_PAUSES_MS = [200, 500, 1_000, 2_000, 5_000, 15_000];
const LOG_TAIL_LINES = 12;
/** Of a task nothing else is left to read. */
const TASK_LOG_LINES = 60;
const TASK_PAUSE_MS = 1_000;

/** Keeps one instance as it is wanted: a small actor that plans, does one step, and goes on until there is nothing to do. */
export class InstanceKeeper {
  readonly uid: string;
  readonly #options: KeeperOptions;
  #wanted: InstanceAssignment | undefined;
  #namespaceUid: string;
  #report: InstanceReport;
  #failedProbes = 0;
  #refusedToldMs = Number.NEGATIVE_INFINITY;
  #probes = 0;
  /** When the first look at it failed. */
  #foundMs: number | undefined;
  #errors = 0;
  #wake: (() => void) | undefined;
  #woken = false;
  #stopped = false;
  #gone = false;
  /** By us: it has begun to run. */
  #launched = false;
  #running: Promise<void> | undefined;

  constructor(uid: string, namespaceUid: string, options: KeeperOptions) {
    this.uid = uid;
    this.#namespaceUid = namespaceUid;
    this.#options = options;
    this.#report = { uid, phase: "scheduled", restarts: 0 };
  }

  /** Nothing of it is left on this host and nobody wants it. */
  get gone(): boolean {
    return this.#gone;
  }

  get report(): InstanceReport {
    return this.#report;
  }

  /** What is wanted now; undefined: it is not ours any more. */
  want(assignment: InstanceAssignment | undefined): void {
    const changed = this.#wanted?.desired !== assignment?.desired || this.#running === undefined;
    this.#wanted = assignment;
    if (assignment !== undefined) this.#namespaceUid = assignment.namespaceUid;
    this.#running ??= this.#run();
    if (changed) this.poke();
  }

  /** Something may have happened to it: look again now. */
  poke(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Stops looking after it; the instance stays as it is. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.poke();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#gone) {
      let pauseMs: number;
      try {
        pauseMs = await this.#step();
        this.#errors = 0;
      } catch (error) {
        pauseMs = ERROR_PAUSES_MS[Math.min(this.#errors++, ERROR_PAUSES_MS.length - 1)] ?? 1_000;
        this.#options.log.warn("instance step failed", { instance: this.uid, error });
        this.#tell({ message: errorText(error) });
      }
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  /** Does what is to be done now; answers the pause before the next look, 0 for at once. */
  async #step(): Promise<number> {
    const { runtime, clock } = this.#options;
    const wanted = this.#wanted;
    const is = await runtime.observe(this.uid);
    const begun = wanted?.task !== undefined && this.#launched ? { ...wanted, task: { started: true } } : wanted;
    const step = planInstance(begun, is, clock.now().getTime());
    switch (step.kind) {
      case "launch":
        if (wanted !== undefined) await this.#launch(wanted);
        return 0;
      case "start":
        await runtime.start(this.uid);
        return 0;
      case "restart":
        this.#tell({ phase: "starting", ...exitOf(is), restarts: (is?.restarts ?? 0) + 1, startsRefused: undefined, message: undefined });
        await runtime.restart(this.uid);
        this.#probes = 0;
        return 0;
      case "wait":
        await this.#tellBackoff(is);
        return Math.max(1, step.untilMs - clock.now().getTime());
      case "probe":
        return this.#probe(wanted, is);
      case "watch":
        this.#tell({
          phase: "starting",
          ...this.#addressOf(),
          ...(is === undefined ? {} : startOf(is)),
          logTail: await this.#logTail(TASK_LOG_LINES),
        });
        return TASK_PAUSE_MS;
      case "finished":
        this.#tell({
          phase: "finished",
          ...(is === undefined ? {} : startOf(is)),
          ...exitOf(is),
          message: undefined,
          logTail: await this.#logTail(TASK_LOG_LINES),
        });
        return READY_PAUSE_MS;
      case "vanished":
        this.#tell({ phase: "failed", message: "its host was restarted while it ran" });
        return READY_PAUSE_MS;
      case "remove":
        this.#tell({ phase: "stopping" });
        await runtime.stop(this.uid, wanted === undefined ? {} : { graceMs: wanted.stopGraceMs });
        await this.#options.wire.detach(this.uid, this.#namespaceUid);
        await runtime.remove(this.uid, { keepLogs: true });
        return 0;
      case "gone":
        await this.#options.wire.detach(this.uid, this.#namespaceUid);
        this.#tell({ phase: "stopped" });
        this.#gone = true;
        return 0;
    }
  }

  async #launch(wanted: InstanceAssignment): Promise<void> {
    this.#tell({ phase: "preparing" });
    const [, userNamespace] = await Promise.all([
      this.#options.images.ensure(wanted.image),
      this.#options.userNamespace(wanted.namespaceUid),
    ]);
    const { netnsPath, address } = await this.#options.wire.attach(this.uid, wanted.namespaceUid);
    const secretEnv =
      wanted.sealedEnv === undefined ? {} : (JSON.parse(openBox(wanted.sealedEnv, this.#options.privateKey)) as Record<string, string>);
    const hostname = `${wanted.process}-${wanted.ordinal}`;
    await this.#options.runtime.run({
      id: this.uid,
      namespace: wanted.namespaceUid,
      image: wanted.image,
      ...(wanted.command === undefined ? {} : { command: wanted.command }),
      env: {
        ...wanted.env,
        ...(wanted.port === undefined ? {} : { PORT: String(wanted.port) }),
        PLIMSOLL_APP: wanted.app,
        PLIMSOLL_PROCESS: wanted.process,
        PLIMSOLL_RELEASE: `v${wanted.release}`,
      },
      secretEnv,
      limits: { cpuMillis: wanted.cpuMillis, memoryBytes: wanted.memoryBytes, pids: INSTANCE_PIDS },
      userNamespace,
      networkNamespace: netnsPath,
      hostname,
      hosts: [{ address, names: [hostname] }],
      resolver: this.#options.resolver(),
      stopGraceMs: wanted.stopGraceMs,
    });
    this.#probes = 0;
    this.#launched = true;
    this.#tell({ phase: "starting", address, startedAt: this.#now(), message: undefined });
  }

  async #probe(wanted: InstanceAssignment | undefined, is: InstanceObservation | undefined): Promise<number> {
    const address = this.#options.wire.addressOf(this.uid);
    if (wanted === undefined || is === undefined || address === undefined) return READY_PAUSE_MS;
    const result = await probe(address, wanted.port, wanted.readiness);
    const common = { address, restarts: is.restarts, ...startOf(is), ...exitOf(is), ...this.#startsRefused() };
    if (result.ready) {
      this.#failedProbes = 0;
      // One that was found running, by an agent that was restarted, has been ready for long.
      const readyAt =
        this.#report.phase === "ready" ? this.#report.readyAt : this.#report.phase === "scheduled" ? is.startedAt : this.#now();
      this.#tell({ phase: "ready", ...common, ...(readyAt === undefined ? {} : { readyAt }), message: undefined, logTail: undefined });
      return READY_PAUSE_MS;
    }
    if (this.#report.phase === "ready") {
      if (++this.#failedProbes < FAILURES_TO_UNREADY) return 1_000;
      this.#tell({ phase: "unready", ...common, message: result.reason });
      return 1_000;
    }
    const pause = STARTING_PAUSES_MS[Math.min(this.#probes++, STARTING_PAUSES_MS.length - 1)] ?? 1_000;
    if (this.#report.phase === "scheduled") {
      // Not launched by us: it may have been ready for days, and one look that fails must not take it from the ingress.
      this.#foundMs ??= performance.now();
      if (performance.now() - this.#foundMs < FOUND_PATIENCE_MS) return pause;
    }
    // The reason is worth a report only once it lasts: most programs are not listening in their first moments.
    if (pause >= 200) this.#tell({ ...common, ...this.#notReadyPhase(), ...(await this.#why(result.reason, wanted, is)) });
    else this.#tell({ ...common, ...this.#notReadyPhase() });
    return pause;
  }

  /** Nothing where none was refused, or that was told a moment ago. */
  #startsRefused(): Pick<InstanceReport, "startsRefused"> {
    const startsRefused = this.#options.runtime.usage(this.uid)?.startsRefused ?? 0;
    const nowMs = performance.now();
    if (startsRefused <= (this.#report.startsRefused ?? 0) || nowMs < this.#refusedToldMs + REFUSED_AGAIN_MS) return {};
    this.#refusedToldMs = nowMs;
    return { startsRefused };
  }

  #notReadyPhase() {
    return { phase: this.#report.phase === "unready" ? ("unready" as const) : ("starting" as const) };
  }

  async #why(reason: string, wanted: InstanceAssignment, is: InstanceObservation): Promise<Partial<InstanceReport>> {
    const hint =
      is.pid === undefined || wanted.port === undefined ? undefined : listeningHint(await listeningAddresses(is.pid), wanted.port);
    return { message: hint === undefined ? reason : `${reason}; ${hint}`, logTail: await this.#logTail() };
  }

  async #tellBackoff(is: InstanceObservation | undefined): Promise<void> {
    const exit = is?.lastExit;
    const used = exit?.outOfMemory
      ? "ran out of memory"
      : exit?.signal === undefined
        ? `exited with ${exit?.code ?? "?"}`
        : `was ended by ${exit.signal}`;
    this.#tell({
      phase: "backoff",
      restarts: is?.restarts ?? 0,
      ...exitOf(is),
      message: `it ${used}; it is started again after a pause`,
      logTail: await this.#logTail(),
    });
  }

  #addressOf(): Pick<InstanceReport, "address"> {
    const address = this.#options.wire.addressOf(this.uid);
    return address === undefined ? {} : { address };
  }

  async #logTail(count = LOG_TAIL_LINES): Promise<string[]> {
    const lines = await this.#options.runtime.tailLog(this.#namespaceUid, this.uid, count);
    return lines.map((line) => line.text.slice(0, 500));
  }

  #tell(change: { [K in keyof InstanceReport]?: InstanceReport[K] | undefined }): void {
    const next = Object.fromEntries(
      Object.entries({ ...this.#report, ...change }).filter(([, value]) => value !== undefined),
    ) as InstanceReport;
    if (JSON.stringify(next) === JSON.stringify(this.#report)) return;
    this.#report = next;
    this.#options.onReport(next);
  }

  #now(): string {
    return this.#options.clock.now().toISOString();
  }

  #pause(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        this.#woken = false;
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, 60_000));
      this.#wake = done;
    });
  }
}

function exitOf(is: InstanceObservation | undefined): Pick<InstanceReport, "lastExit"> {
  const exit = is?.lastExit;
  if (exit === undefined) return {};
  return {
    lastExit: {
      code: exit.code,
      outOfMemory: exit.outOfMemory,
      ...(exit.startsRefused === undefined ? {} : { startsRefused: exit.startsRefused }),
      at: exit.at,
      ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    },
  };
}

function startOf(is: InstanceObservation): Pick<InstanceReport, "startedAt"> {
  return is.startedAt === undefined ? {} : { startedAt: is.startedAt };
}
