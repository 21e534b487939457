import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "@plimsoll/core";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess, waitGone } from "@plimsoll/host";
import type { DesiredIngress } from "./desired.ts";
import { PAGES } from "./pages.ts";
import { planChanges } from "./plan-changes.ts";
import { type IngressPaths, type RenderedIngress, renderIngress } from "./render.ts";
import { parseMap, parseServers, sendCommands } from "./runtime.ts";

const START_TIMEOUT_MS = 5_000;
const RELOAD_TIMEOUT_MS = 10_000;
const POLL_MS = 5;

/** What HAProxy counted for one backend since its worker started. */
export interface BackendTraffic {
  readonly backendId: string;
  readonly requests: number;
  /** Answered with 5xx by HAProxy or the instance, or cut off. */
  readonly failed: number;
  readonly sessions: number;
}

/**
 * One HAProxy on this host. It outlives us: a later Ingress on the same directory adopts it. Every change is written into the full
 * configuration first and then applied: endpoints, routes and states over the runtime socket, anything else by a reload that drops no
 * connection. Calls may be concurrent; they run one after the other.
 */
export class Ingress {
  readonly #directory: string;
  readonly #marks: Readonly<Record<string, string>>;
  readonly #paths: IngressPaths;
  #last: Promise<unknown> = Promise.resolve();
  #rendered: RenderedIngress | undefined;

  /** `marks` are set in the process's environment, so that others can tell whose it is. */
  constructor(directory: string, marks: Readonly<Record<string, string>> = {}) {
    this.#directory = directory;
    this.#marks = marks;
    this.#paths = {
      config: join(directory, "haproxy.cfg"),
      hostMap: join(directory, "hosts.map"),
      stateMap: join(directory, "states.map"),
      runtimeSocket: join(directory, "haproxy.sock"),
      pagesDir: join(directory, "pages"),
    };
  }

  /** Resolves when every new request is routed as desired. Idempotent. Throws AppError `invalid` for a desired state that cannot be. */
  apply(desired: DesiredIngress): Promise<void> {
    return this.#inTurn(async () => {
      const rendered = renderIngress(desired, this.#paths);
      this.#write(rendered);
      this.#rendered = rendered;
      if (!this.#running()) return this.#start();
      const [structure = ""] = await sendCommands(this.#paths.runtimeSocket, ["show env PLIMSOLL_STRUCTURE"]);
      if (structure !== `PLIMSOLL_STRUCTURE=${rendered.structure}`) await this.#reload(rendered);
      await this.#change(desired);
    });
  }

  /** Starts it again when it is gone: cheap when it runs, to be called often. True when it had to. */
  ensureRunning(): Promise<boolean> {
    if (this.#running() || this.#rendered === undefined) return Promise.resolve(false);
    return this.#inTurn(async () => {
      if (this.#running()) return false;
      await this.#start();
      return true;
    });
  }

  async traffic(): Promise<readonly BackendTraffic[]> {
    if (!this.#running()) return [];
    const [csv = ""] = await sendCommands(this.#paths.runtimeSocket, ["show stat"]);
    return parseTraffic(csv);
  }

  /** Ends it and everything it serves. Idempotent. */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      this.#rendered = undefined;
      const process = this.#process();
      if (process === undefined || !isAlive(process)) return;
      signalProcess(process, "SIGTERM");
      if (!(await waitGone(process, 2_000))) signalProcess(process, "SIGKILL");
      await waitGone(process, 2_000);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.catch(() => undefined).then(work);
    this.#last = mine;
    return mine;
  }

  #write(rendered: RenderedIngress): void {
    mkdirSync(this.#paths.pagesDir, { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(PAGES)) replaceFile(join(this.#paths.pagesDir, name), content);
    replaceFile(this.#paths.hostMap, rendered.hostMap);
    replaceFile(this.#paths.stateMap, rendered.stateMap);
    replaceFile(this.#paths.config, rendered.config);
  }

  async #start(): Promise<void> {
    await this.#check();
    const log = openSync(join(this.#directory, "haproxy.log"), "a", 0o600);
    try {
      const child = await start(["haproxy", "-W", "-f", this.#paths.config], {
        detached: true,
        stdio: ["ignore", log, log],
        env: { ...minimalEnv, ...this.#marks },
      });
      child.unref();
      const identity = identifyProcess(child.pid);
      if (identity !== undefined) replaceFile(this.#identityFile(), JSON.stringify(identity));
    } finally {
      closeSync(log);
    }
    await this.#untilStructure(START_TIMEOUT_MS);
  }

  /** A configuration that HAProxy refuses never reaches the running one. */
  async #check(): Promise<void> {
    try {
      await run(["haproxy", "-c", "-q", "-f", this.#paths.config]);
    } catch (cause) {
      throw new AppError("internal", "The ingress configuration was refused by HAProxy; the one that runs stays.", { cause });
    }
  }

  async #reload(rendered: RenderedIngress): Promise<void> {
    await this.#check();
    const process = this.#process();
    if (process === undefined || !signalProcess(process, "SIGUSR2")) return this.#start();
    this.#rendered = rendered;
    await this.#untilStructure(RELOAD_TIMEOUT_MS);
  }

  async #untilStructure(timeoutMs: number): Promise<void> {
    const wanted = `PLIMSOLL_STRUCTURE=${this.#rendered?.structure}`;
    const until = Date.now() + timeoutMs;
    for (;;) {
      const answer = await sendCommands(this.#paths.runtimeSocket, ["show env PLIMSOLL_STRUCTURE"]).catch(() => []);
      if (answer[0] === wanted) return;
      if (Date.now() > until)
        throw new AppError(
          "unavailable",
          `The ingress did not come up; its words are in ${join(this.#directory, "haproxy.log")}. Is its port taken?`,
        );
      await sleep(POLL_MS);
    }
  }

  async #change(desired: DesiredIngress): Promise<void> {
    const { runtimeSocket, hostMap, stateMap } = this.#paths;
    const [servers = "", hosts = "", states = ""] = await sendCommands(runtimeSocket, [
      "show servers state",
      `show map ${hostMap}`,
      `show map ${stateMap}`,
    ]);
    const observed = { servers: parseServers(servers), hosts: parseMap(hosts), states: parseMap(states) };
    const { commands, deletions } = planChanges(desired, observed, this.#paths);
    const answers = commands.length === 0 ? [] : await sendCommands(runtimeSocket, commands);
    const complaint = answers.findIndex(
      (answer) => answer !== "" && !/^(New server registered|IP changed|no need to change)/i.test(answer),
    );
    if (complaint >= 0)
      throw new AppError("internal", `The ingress refused \`${commands[complaint]}\`: ${answers[complaint]}`, { retry: "backoff" });
    // Refused while something still uses the server: the next apply tries again.
    if (deletions.length > 0) await sendCommands(runtimeSocket, deletions);
  }

  #running(): boolean {
    const process = this.#process();
    return process !== undefined && isAlive(process);
  }

  #process(): ProcessIdentity | undefined {
    const file = this.#identityFile();
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity) : undefined;
  }

  #identityFile(): string {
    return join(this.#directory, "haproxy.process.json");
  }
}

/** Pure: requests and failures per backend of `show stat` (CSV; columns by name). */
export function parseTraffic(csv: string): readonly BackendTraffic[] {
  const [head = "", ...lines] = csv.split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const column = (name: string) => columns.indexOf(name);
  const [proxy, service, total, errors, sessions] = ["pxname", "svname", "req_tot", "hrsp_5xx", "scur"].map(column) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return lines
    .map((line) => line.split(","))
    .filter((fields) => fields[service] === "BACKEND" && !fields[proxy]?.startsWith("platform_"))
    .map((fields) => ({
      backendId: fields[proxy] ?? "",
      requests: Number(fields[total] || 0),
      failed: Number(fields[errors] || 0),
      sessions: Number(fields[sessions] || 0),
    }));
}

function replaceFile(file: string, content: string): void {
  writeFileSync(`${file}.new`, content, { mode: 0o600 });
  chmodSync(`${file}.new`, 0o600);
  renameSync(`${file}.new`, file);
}
