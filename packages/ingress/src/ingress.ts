import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@plimsoll/core";
import { isAlive, type ProcessIdentity } from "@plimsoll/host";
import type { DesiredIngress } from "./desired.ts";
import { HaproxyProcess } from "./haproxy-process.ts";
import { PAGES } from "./pages.ts";
import { planChanges, type RuntimeChanges } from "./plan-changes.ts";
import { type IngressPaths, KEEP_ALIVE_MS, type RenderedIngress, renderIngress } from "./render.ts";
import { ifAvailable, parseMap, parseServers, sendCommands, sendEach } from "./runtime.ts";
import type { BackendTraffic } from "./traffic.ts";
import { TrafficCounter } from "./traffic-counter.ts";
import { Turns } from "./turns.ts";

const READY_TIMEOUT_MS = 10_000;
const VERIFY_TIMEOUT_MS = 1_000;
const POLL_MS = 5;
const QUIET_POLL_MS = 20;
/** A reload that had no effect for so long is asked for again: one too many does no harm. */
const ASK_AGAIN_MS = 4_000;
/** A replaced worker that has not let go of its listeners by then hangs, and takes nothing anyway. */
const HANDOVER_TIMEOUT_MS = 3_000;
/** After a start that failed – its port is taken – the next attempt waits, so that a caller every 200 ms does not burn the processor. */
const START_PAUSE_MS = 2_000;

/** What came of a change. */
export interface Applied {
  /**
   * Resolves when no request comes any more to what this change, or one before it, has taken out: at once as a rule; after a reload when the
   * workers that it replaced can have no idle connection left that might bring one more (10 s after the reload at most). Never rejects.
   */
  readonly quiet: Promise<void>;
}

export interface IngressOptions {
  /** Path of the host's network namespace, where it is not our own. */
  readonly netns?: string;
  /** Pause between two reloads, in which further changes are gathered. Default 500. */
  readonly reloadPauseMs?: number;
}

/**
 * One HAProxy on this host. It outlives us: a later Ingress on the same directory adopts it. Every change is written into the full
 * configuration first and then applied: endpoints, routes and states over the runtime socket, anything else by a reload that drops no
 * connection. Calls may be concurrent; they run one after the other.
 */
export class Ingress {
  readonly #paths: IngressPaths;
  readonly #process: HaproxyProcess;
  readonly #reloadPauseMs: number;
  readonly #traffic: TrafficCounter;
  readonly #turns = new Turns();
  #newest: DesiredIngress | undefined;
  #applied: DesiredIngress | undefined;
  /** Workers that the last reload replaced; undefined until we met the one that runs. */
  #replaced: readonly ProcessIdentity[] | undefined;
  #reloadedMs = Number.NEGATIVE_INFINITY;
  #failedMs = Number.NEGATIVE_INFINITY;
  #quiet: Promise<void> = Promise.resolve();

  /**
   * `marks` are set in the process's environment, so that others can tell whose it is. The directory's path is short: a socket's has 107
   * bytes.
   */
  constructor(directory: string, marks: Readonly<Record<string, string>> = {}, options: IngressOptions = {}) {
    const at = (name: string) => join(directory, name);
    this.#paths = {
      config: at("haproxy.cfg"),
      hostMap: at("hosts.map"),
      stateMap: at("states.map"),
      runtimeSocket: at("haproxy.sock"),
      masterSocket: at("master.sock"),
      pagesDir: at("pages"),
      emptyDir: at("empty"),
    };
    const { config, masterSocket } = this.#paths;
    this.#process = new HaproxyProcess(
      { config, masterSocket, identity: at("haproxy.process.json"), log: at("haproxy.log") },
      { marks, netns: options.netns },
    );
    this.#traffic = new TrafficCounter(this.#paths, () => this.#process.workers().slice(1));
    this.#reloadPauseMs = options.reloadPauseMs ?? 500;
  }

  /**
   * Resolves when every new connection is routed as desired. Instances that were taken out may be stopped when it is `quiet` too, for which no
   * other change has to wait. Checked in the running process. Of calls that wait for their turn only the newest is applied, for all of them.
   * Idempotent. Throws AppError `invalid` for a desired state that cannot be, `unavailable` when HAProxy does not come up.
   */
  change(desired: DesiredIngress): Promise<Applied> {
    this.#newest = desired;
    return this.#turns.take(async () => {
      renderIngress(desired, this.#paths); // A wish that cannot be is refused to whom it belongs, also when a newer one came.
      const newest = this.#newest ?? desired;
      if (newest === desired || this.#applied !== newest) await this.#apply(newest);
      return { quiet: this.#quiet };
    });
  }

  /** As `change`, and resolves when it is quiet. */
  async apply(desired: DesiredIngress): Promise<void> {
    await (await this.change(desired)).quiet;
  }

  /**
   * Starts it again, with the configuration on disk, when it is gone: cheap when it runs, to be called often. True when it had to. Throws
   * AppError `unavailable` when it does not come up.
   */
  ensureRunning(): Promise<boolean> {
    if (this.#process.isRunning() || !existsSync(this.#paths.config)) return Promise.resolve(false);
    if (performance.now() - this.#failedMs < START_PAUSE_MS) return Promise.resolve(false);
    return this.#turns.take(async () => {
      if (await this.#process.adopt()) return false;
      await this.#start();
      return true;
    });
  }

  /** It was given something to serve and was not stopped since: it runs, or ensureRunning starts it with that. */
  get isConfigured(): boolean {
    return existsSync(this.#paths.config);
  }

  /**
   * Counters per backend since HAProxy started or, where that was later, we did. Every answer of every worker; what is lost when one is
   * killed is at TrafficCounter.
   */
  traffic(): Promise<readonly BackendTraffic[]> {
    return this.#traffic.count();
  }

  /** Ends it and everything it serves; requests under way have the grace period. Its configuration goes too. Idempotent. */
  stop(graceMs = 0): Promise<void> {
    return this.#turns.take(async () => {
      this.#applied = undefined;
      this.#traffic.release();
      await this.#process.stop(graceMs);
      if (existsSync(this.#paths.config)) renameSync(this.#paths.config, `${this.#paths.config}.last`);
    });
  }

  async #apply(desired: DesiredIngress): Promise<void> {
    const rendered = renderIngress(desired, this.#paths);
    this.#writeMaps(rendered);
    const isRunning = await this.#process.adopt();
    if (isRunning) await this.#meet();
    if (!isRunning) {
      await this.#installConfig(rendered);
      await this.#start();
      await this.#verify(desired);
    } else if ((await this.#runningStructure()) === rendered.structure) {
      replaceFile(this.#paths.config, rendered.config);
      const changes = await this.#observeChanges(desired);
      await this.#change(changes);
      if (changes.commands.length > 0) await this.#verify(desired);
      if (changes.withdrawn) this.#awaitQuiet();
    } else {
      const waitMs = this.#reloadedMs + this.#reloadPauseMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      const newest = this.#newest ?? desired;
      if (newest !== desired) return this.#apply(newest);
      const changes = await this.#observeChanges(desired);
      await this.#reload(rendered);
      await this.#verify(desired);
      if (changes.withdrawn) this.#awaitQuiet();
    }
    this.#applied = desired;
  }

  #writeMaps(rendered: RenderedIngress): void {
    mkdirSync(this.#paths.pagesDir, { recursive: true, mode: 0o700 });
    mkdirSync(this.#paths.emptyDir, { recursive: true, mode: 0o555 });
    for (const [name, content] of Object.entries(PAGES)) replaceFile(join(this.#paths.pagesDir, name), content);
    replaceFile(this.#paths.hostMap, rendered.hostMap);
    replaceFile(this.#paths.stateMap, rendered.stateMap);
  }

  /** A configuration that HAProxy refuses never takes the place of one that it can start with. */
  async #installConfig(rendered: RenderedIngress): Promise<void> {
    const candidate = `${this.#paths.config}.candidate`;
    writeFileSync(candidate, rendered.config, { mode: 0o600 });
    await this.#process.check(candidate);
    renameSync(candidate, this.#paths.config);
  }

  async #start(): Promise<void> {
    try {
      await this.#process.start();
      await this.#until(async () => (await this.#runningStructure()) !== undefined);
    } catch (error) {
      this.#failedMs = performance.now();
      throw error;
    }
  }

  /** One that was found may still be starting, or may have been reloaded by our predecessor a moment ago. */
  async #meet(): Promise<void> {
    await this.#until(async () => (await this.#runningStructure()) !== undefined);
    if (this.#replaced !== undefined) return;
    this.#replaced = this.#process.workers().slice(1);
    if (this.#replaced.length > 0) this.#reloadedMs = performance.now();
  }

  async #reload(rendered: RenderedIngress): Promise<void> {
    await this.#installConfig(rendered);
    await this.#traffic.holdWorker();
    this.#replaced = this.#process.workers();
    if (!(await this.#process.requestReload())) return this.#start();
    let askedMs = performance.now();
    await this.#until(async () => {
      if (performance.now() > askedMs + ASK_AGAIN_MS && (await this.#process.requestReload())) askedMs = performance.now();
      return (await this.#runningStructure()) === rendered.structure;
    });
    await this.#replacedTakeNothing();
    this.#reloadedMs = performance.now();
  }

  /**
   * The new worker answers before those that it replaces have heard of it. Until they have, they take new connections as well – ours on the
   * runtime socket, too – and answer by what they know: where an app has just become ready, that nothing of it is.
   */
  async #replacedTakeNothing(): Promise<void> {
    const deadlineMs = performance.now() + HANDOVER_TIMEOUT_MS;
    for (const worker of this.#replaced ?? []) {
      while (isAlive(worker) && performance.now() < deadlineMs) {
        const answers = await ifAvailable(sendCommands(this.#paths.masterSocket, [`@!${worker.pid} show info`]));
        if (/^Stopping: 1$/m.test(answers?.[0] ?? "")) break;
        await sleep(POLL_MS);
      }
    }
  }

  async #until(condition: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (!(await condition())) {
      if (!this.#process.isRunning() || performance.now() > deadlineMs) {
        const words = this.#process.lastWords();
        throw new AppError("unavailable", `The ingress did not come up. Is its port taken? HAProxy's last words: ${words}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** Which structure the worker that takes new connections was started with; undefined while there is none. */
  async #runningStructure(): Promise<string | undefined> {
    const answers = await ifAvailable(sendCommands(this.#paths.runtimeSocket, ["show env PLIMSOLL_STRUCTURE"]));
    return /^PLIMSOLL_STRUCTURE=(\S+)$/.exec(answers?.[0] ?? "")?.[1];
  }

  async #observeChanges(desired: DesiredIngress): Promise<RuntimeChanges> {
    const { runtimeSocket, hostMap, stateMap } = this.#paths;
    const commands = ["show servers state", `show map ${hostMap}`, `show map ${stateMap}`];
    const [servers = "", hosts = "", states = ""] = await sendCommands(runtimeSocket, commands);
    return planChanges(desired, { servers: parseServers(servers), hosts: parseMap(hosts), states: parseMap(states) }, this.#paths);
  }

  async #change({ commands, deletions }: RuntimeChanges): Promise<void> {
    const { runtimeSocket } = this.#paths;
    const answers = await sendEach(runtimeSocket, commands);
    const complaint = answers.findIndex(
      (answer) => answer !== "" && !/^(New server registered|IP changed|no need to change)/i.test(answer),
    );
    if (complaint >= 0)
      throw new AppError("internal", `The ingress refused \`${commands[complaint]}\`: ${answers[complaint]}`, { retry: "backoff" });
    // Refused while something still uses the server: the next apply tries again.
    await sendEach(runtimeSocket, deletions);
  }

  /** HAProxy answers a change of a server's state before its threads have carried it out: what it shows is looked at until it fits. */
  async #verify(desired: DesiredIngress): Promise<void> {
    const deadlineMs = performance.now() + VERIFY_TIMEOUT_MS;
    for (;;) {
      const { commands } = await this.#observeChanges(desired);
      if (commands.length === 0) return;
      if (performance.now() > deadlineMs)
        throw new AppError("unavailable", "The ingress does not route what it was told to; it is told again.", {
          details: { missing: commands.slice(0, 10) },
        });
      await sleep(POLL_MS);
    }
  }

  /**
   * A replaced worker cannot be told of endpoints any more, and answers one more request on each connection that was idle when it was
   * replaced. Such a connection is gone when it was idle for too long. Those that a later reload replaces know of it.
   */
  #awaitQuiet(): void {
    const [workers, endMs] = [this.#replaced ?? [], this.#reloadedMs + KEEP_ALIVE_MS];
    const replacedAreQuiet = async () => {
      while (performance.now() < endMs && workers.some(isAlive)) await sleep(QUIET_POLL_MS, undefined, { ref: false });
    };
    this.#quiet = Promise.all([this.#quiet, replacedAreQuiet()]).then(() => undefined);
  }
}

function replaceFile(file: string, content: string): void {
  if (existsSync(file) && readFileSync(file, "utf8") === content) return;
  writeFileSync(`${file}.new`, content, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
