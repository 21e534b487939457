import type { Logger } from "@plimsoll/config";
import type { HostReport, InstanceReport } from "@plimsoll/contracts";
import { readPressure } from "@plimsoll/host";
import type { ServerApi } from "./api-client.ts";
import { Loop } from "./loop.ts";

/** Reports are also the heartbeat: the server's lease on a host is 10 s. */
export const HEARTBEAT_MS = 3_000;
/** Changes that come together go together. */
const GATHER_MS = 5;

/** Tells the server what is, soon after every change and as a heartbeat; what could not be told is told by the next one. */
export class Reporter {
  readonly #api: ServerApi;
  readonly #log: Logger;
  readonly #loop: Loop;
  readonly #timer: NodeJS.Timeout;
  readonly #unsent = new Map<string, InstanceReport>();
  #routingVersion: number | undefined;
  #traffic: HostReport["traffic"];
  #reachable = true;

  constructor(api: ServerApi, log: Logger) {
    this.#api = api;
    this.#log = log;
    this.#loop = new Loop(
      () => this.#pass(),
      () => undefined,
    );
    this.#timer = setInterval(() => this.#loop.trigger(), HEARTBEAT_MS);
  }

  instance(report: InstanceReport): void {
    this.#unsent.set(report.uid, report);
    this.#loop.trigger();
  }

  /** The routing version that the ingress has applied. */
  routing(version: number): void {
    if (this.#routingVersion === version) return;
    this.#routingVersion = version;
    this.#loop.trigger();
  }

  /** Goes with the next report. */
  traffic(traffic: HostReport["traffic"]): void {
    this.#traffic = traffic;
  }

  /** One more report now, and none after. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#loop.trigger();
    await this.#loop.stop();
  }

  /** A heartbeat is worth more than what cannot be read. */
  #pressure(): HostReport["pressure"] {
    try {
      return readPressure();
    } catch (error) {
      if (this.#reachable) this.#log.warn("the host's pressure could not be read", { error });
      return undefined;
    }
  }

  async #pass(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    const instances = [...this.#unsent.values()];
    const pressure = this.#pressure();
    try {
      await this.#api.report({
        instances,
        ...(this.#routingVersion === undefined ? {} : { routingVersion: this.#routingVersion }),
        ...(this.#traffic === undefined ? {} : { traffic: this.#traffic }),
        ...(pressure === undefined ? {} : { pressure }),
      });
      for (const report of instances) if (this.#unsent.get(report.uid) === report) this.#unsent.delete(report.uid);
      if (!this.#reachable) this.#log.info("the server answers again");
      this.#reachable = true;
    } catch (error) {
      if (this.#reachable) this.#log.warn("the server could not be told; instances go on", { error });
      this.#reachable = false;
    }
  }
}
