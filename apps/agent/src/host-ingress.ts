import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "@plimsoll/config";
import type { DesiredState, HostReport, Routing } from "@plimsoll/contracts";
import type { HostLayout } from "@plimsoll/host";
import { type Applied, Ingress } from "@plimsoll/ingress";
import type { Settings } from "./settings.ts";

/** New connections are accepted again within a second of a kill: looked at so often, started in under 100 ms. */
const WATCH_MS = 200;

/** The ingress of this host in the agent's hands: what the server wants routed, and the platform's own pages where they live here. */
export class HostIngress {
  readonly #settings: Settings;
  readonly #log: Logger;
  readonly #ingress: Ingress;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: Settings, layout: HostLayout, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    const directory = ingressDirectory(layout);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#ingress = new Ingress(directory, { PLIMSOLL_DATA_DIR: settings.dataDir });
  }

  /** It runs, or will be started with the routes that it had. */
  get hasRoutes(): boolean {
    return this.#ingress.isConfigured;
  }

  /** Resolves when new connections are routed so; `quiet` when nothing that was taken out gets a request any more. */
  apply(routing: Routing, platform: DesiredState["platform"]): Promise<Applied> {
    const { portalSocket, apiSocket, httpAddress, httpPort } = this.#settings;
    return this.#ingress.change({
      listen: [{ address: httpAddress, port: httpPort }],
      ...(portalSocket === undefined || apiSocket === undefined
        ? {}
        : { platform: { domain: platform.platformDomain, portalSocket, apiSocket } }),
      routes: routing.routes,
      backends: routing.backends,
    });
  }

  async traffic(): Promise<NonNullable<HostReport["traffic"]>> {
    return (await this.#ingress.traffic()).map(({ backendId, requests, failed }) => ({ backendId, requests, failed }));
  }

  /** Starts it again whenever it is gone. */
  watch(): void {
    this.#timer ??= setInterval(() => {
      this.#ingress
        .ensureRunning()
        .then((had) => had && this.#log.warn("the ingress was gone and was started again"))
        .catch((error: unknown) => this.#log.error("the ingress does not start", { error }));
    }, WATCH_MS);
  }

  /** Stops watching; it goes on serving. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
  }

  stop(): Promise<void> {
    return this.#ingress.stop();
  }
}

function ingressDirectory(layout: HostLayout): string {
  return join(layout.runDir, "ingress");
}
