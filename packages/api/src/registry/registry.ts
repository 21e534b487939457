import type { Clock, Logger } from "@plimsoll/config";
import type { Resource } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import { RateLimiter } from "../http/rate-limit.ts";
import { Budgets } from "./budgets.ts";
import { RegistryFiles } from "./files.ts";
import { Gate } from "./gate.ts";
import { appOf } from "./place.ts";
import { ReleaseImages, type ReleaseSources } from "./release-images.ts";
import { type RepositoryName, repositoryText } from "./repository.ts";
import { RegistryStore } from "./store.ts";
import { type Swept, sweepRegistry } from "./sweep.ts";
import { type RegistryTokens, registryTokens } from "./tokens.ts";

/** Where the private docker-registry is, and what it believes. */
export interface RegistrySettings {
  readonly socketPath: string;
  /** Its rootdirectory, on this machine. */
  readonly dataDir: string;
  /** The key of its tokens: P-256, PEM. */
  readonly privateKeyPem: string;
  /** What one namespace may have. */
  readonly namespaceBytes: number;
}

export interface RegistryPorts extends ReleaseSources {
  readonly clock: Clock;
  readonly logger: Logger;
}

const FIRST_SWEEP_MS = 3 * 60_000;
const SWEEP_MS = 30 * 60_000;
const SWEEP_LEASE_MS = 10 * 60_000;
/** Longer than any manifest takes to be written. */
const GATE_MS = 10_000;

/** The images that people push, and those of releases that they ask for. */
export class Registry {
  readonly tokens: RegistryTokens;
  readonly store: RegistryStore;
  readonly files: RegistryFiles;
  readonly budgets: Budgets;
  readonly releases: ReleaseImages;
  /** Shared by whoever makes something that a sweep would take for rubbish. */
  readonly gate = new Gate();
  /** Wrong passwords by address. */
  readonly logins: RateLimiter;
  readonly #ports: RegistryPorts;
  readonly #holder: string;
  #timer: NodeJS.Timeout;

  constructor(ports: RegistryPorts, settings: RegistrySettings) {
    const nowMs = () => ports.clock.now().getTime();
    this.tokens = registryTokens(settings.privateKeyPem, ports.clock);
    this.store = new RegistryStore(settings.socketPath, this.tokens);
    this.files = new RegistryFiles(settings.dataDir);
    this.budgets = new Budgets(this.files, ports.clock, settings.namespaceBytes);
    this.logins = new RateLimiter({ burst: 30, perSecond: 1 / 10 }, nowMs);
    this.#ports = ports;
    this.releases = new ReleaseImages(ports, this);
    this.#timer = this.#sweepAfter(FIRST_SWEEP_MS);
    this.#holder = `${process.pid}/${settings.socketPath}`;
  }

  /** Soon, as this server may not live long, then every half hour. */
  #sweepAfter(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = this.#sweepAfter(SWEEP_MS);
      this.sweep().catch((error: unknown) => this.#ports.logger.warn("the registry could not be swept; it is tried again", { error }));
    }, delayMs).unref();
  }

  /** Removes what nobody needs; undefined when another does, or pushes did not leave room for it. */
  async sweep(unusedMs?: number): Promise<Swept | undefined> {
    const { db, clock } = this.#ports;
    const lease = await db.leases.acquire("control/registry-sweep", this.#holder, SWEEP_LEASE_MS);
    if (lease === undefined) return undefined;
    try {
      const wants = {
        nowMs: clock.now().getTime(),
        ...(unusedMs === undefined ? {} : { unusedMs }),
        apps: () => this.#apps(),
        releaseManifests: async (repository: RepositoryName) => {
          const app = await appOf(db, repository);
          return app === undefined ? new Set<string>() : this.releases.manifestsOf(app);
        },
      };
      return await this.gate.alone(() => sweepRegistry(this.files, wants), GATE_MS);
    } finally {
      await db.leases.release(lease).catch(() => undefined);
    }
  }

  /** An app that is deleted leaves nothing by its name: what comes after it begins empty. Idempotent. */
  async removeRepositoryOf({ metadata }: Resource<"App">): Promise<void> {
    const { team, namespace, name } = metadata;
    if (team !== undefined && namespace !== undefined) await this.files.removeRepository({ team, namespace, app: name });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.store.close();
  }

  async #apps(): Promise<ReadonlySet<string>> {
    const apps = await this.#ports.db.objects(PLATFORM).list("App");
    return new Set(apps.map(({ metadata: { team = "", namespace = "", name } }) => repositoryText({ team, namespace, app: name })));
  }
}
