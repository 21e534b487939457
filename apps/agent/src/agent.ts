import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createLogger, type Logger, systemClock } from "@plimsoll/config";
import { BaseImages, ImageStore, InstanceRuntime, LayerStore } from "@plimsoll/containers";
import type { DesiredState } from "@plimsoll/contracts";
import { AppError, addQuota, INSTANCE_PIDS, ZERO_QUOTA } from "@plimsoll/core";
import { type CgroupDriver, cgroupDriver, ensureHostLayout, type HostLayout, hostLayout } from "@plimsoll/host";
import { openQueue, type Queue } from "@plimsoll/queue";
import { createServerApi, type ServerApi } from "./api-client.ts";
import { type BuildRunner, createBuildRunner } from "./builds/build-runner.ts";
import { BuildKeeper } from "./builds/keeper.ts";
import { GitMirrors } from "./builds/mirror.ts";
import { Collection } from "./collection.ts";
import { type DesiredCache, desiredCache } from "./desired-cache.ts";
import { DiskBooks } from "./disk/books.ts";
import { describeHost, type EnrolledIdentity, enrollAgain, ensureEnrolled } from "./enrollment.ts";
import { openQueueTunnel, throughSocket } from "./gateway.ts";
import { HostIngress } from "./host-ingress.ts";
import { imageFetcher } from "./images.ts";
import { Instances } from "./instances/instances.ts";
import { Loop } from "./loop.ts";
import { PackageLister } from "./package-lister.ts";
import { ServerRegistry } from "./platform-registry.ts";
import { Reporter } from "./reporter.ts";
import type { Settings } from "./settings.ts";
import { StreamAnswers } from "./streams.ts";
import { AgentWire } from "./wire.ts";

/** Everything is read again this often, whatever wakes were lost (invariant 1). */
const RESYNC_MS = 30_000;
const WIRE_REPAIR_MS = 2 * RESYNC_MS;
/** What failed is tried again before the next resync. */
const RETRY_MS = 2_000;
const COLLECT_MS = 5 * 60_000;
/** The first ledger after a start: bringing everything back comes first. */
const FIRST_LEDGER_MS = 30_000;
/** While builds run in it, a namespace's cgroup also holds their limits. */
const BUILD_PIDS = 4_096;

/** The running agent. */
export interface RunningAgent {
  /** Ends the agent; instances and the ingress go on. */
  close(): Promise<void>;
}

/** The layout that settings name: every host-global name of this agent. */
export function layoutOf(settings: Settings): HostLayout {
  return hostLayout({
    name: settings.hostName,
    dataDir: settings.dataDir,
    ...(settings.cgroupParent === undefined ? {} : { cgroupParent: settings.cgroupParent }),
  });
}

/**
 * Starts the agent: makes the host's directories, finds the instances that run, enrols where it never was, and then keeps the host as
 * the server wants it. While the server is away the last desired state counts. `onEnrolledAgain`: it was removed and is another host by
 * now, which a new start makes it.
 */
export async function startAgent(settings: Settings, onEnrolledAgain: () => void = () => undefined): Promise<RunningAgent> {
  const log = createLogger("agent");
  const layout = layoutOf(settings);
  await ensureHostLayout(layout);
  const cgroups = cgroupDriver(layout);
  cgroups.ensure("tenants");
  const layers = new LayerStore(layout.layersDir);
  await layers.collectTemporary();
  const images = new ImageStore(layout.imagesDir, layers);
  const wire = new AgentWire(layout, settings.resolvers);
  const registry = new ServerRegistry();
  const baseImages = new BaseImages({
    layout,
    layers,
    images,
    platform: registry,
    network: { acquire: () => wire.acquireOutward() },
    registries: settings.registries,
    ...(settings.substitutes === undefined ? {} : { substitutes: settings.substitutes }),
  });
  const runtime = await InstanceRuntime.open({ layout, cgroups, layers });
  const identity = await ensureEnrolled(settings, layout.stateDir, log);
  const agent = new Agent({
    settings,
    layout,
    wire,
    cgroups,
    layers,
    images,
    baseImages,
    registry,
    runtime,
    identity,
    log,
    onEnrolledAgain,
  });
  await agent.start();
  return agent;
}

interface Parts {
  readonly settings: Settings;
  readonly layout: HostLayout;
  readonly cgroups: CgroupDriver;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly baseImages: BaseImages;
  readonly registry: ServerRegistry;
  readonly wire: AgentWire;
  readonly runtime: InstanceRuntime;
  readonly identity: EnrolledIdentity;
  readonly log: Logger;
  readonly onEnrolledAgain: () => void;
}

class Agent implements RunningAgent {
  readonly #parts: Parts;
  readonly #api: ServerApi;
  readonly #cache: DesiredCache;
  readonly #wire: AgentWire;
  readonly #reporter: Reporter;
  readonly #instances: Instances;
  readonly #runner: BuildRunner;
  readonly #mirrors: GitMirrors;
  readonly #builds: BuildKeeper;
  readonly #streams: StreamAnswers;
  readonly #ingress: HostIngress;
  readonly #sync: Loop;
  readonly #books: DiskBooks;
  readonly #collection: Collection;
  readonly #packages: PackageLister;
  readonly #timers: NodeJS.Timeout[] = [];
  #desired: DesiredState | undefined;
  /** What the server said last; what was kept from before our start is none of that. */
  #told: DesiredState | undefined;
  #queue: Queue | undefined;
  #tunnel: { close(): Promise<void> } | undefined;
  /** What the network was last made for, and when it was last looked at. */
  #wireDone = "";
  #wireSeenMs = 0;
  #described = false;
  #readable = true;
  #triedAgain = false;

  constructor(parts: Parts) {
    const { settings, layout, layers, images, runtime, identity, log } = parts;
    this.#parts = parts;
    this.#api = createServerApi(settings.api, identity);
    parts.registry.use(this.#api, () => this.#desired?.platform.registry);
    this.#cache = desiredCache(layout.stateDir, identity);
    this.#wire = parts.wire;
    this.#reporter = new Reporter(this.#api, log);
    this.#instances = new Instances({
      runtime,
      wire: this.#wire,
      images: imageFetcher(this.#api, layers, images),
      userNamespace: (uid) => this.#wire.userNamespace(uid),
      resolver: () => ({ nameservers: this.#wire.resolvers, search: [], options: [] }),
      privateKey: identity.privateKey,
      clock: systemClock,
      log,
      onReport: (report) => this.#reporter.instance(report),
    });
    this.#runner = createBuildRunner({
      ...parts,
      wire: this.#wire,
      uidBaseOf: (uid) => this.#namespace(uid).uidBase,
      ...(settings.buildCertificates === undefined ? {} : { certificatesFile: settings.buildCertificates }),
      ...(settings.buildIoBytesPerSecond === undefined ? {} : { ioBytesPerSecond: settings.buildIoBytesPerSecond }),
    });
    this.#mirrors = new GitMirrors(join(layout.stateDir, "mirrors"));
    this.#builds = new BuildKeeper({
      api: this.#api,
      mirrors: this.#mirrors,
      runBuild: async (...build) => {
        await this.#collection.over;
        return this.#runner.run(...build);
      },
      privateKey: identity.privateKey,
      log,
      onIdle: () => this.#sync.trigger(),
    });
    this.#streams = new StreamAnswers({ api: this.#api, runtime, layers, log });
    this.#ingress = new HostIngress(settings, layout, log);
    this.#books = new DiskBooks({ ...parts, api: this.#api });
    this.#collection = new Collection({
      ...parts,
      instances: this.#instances,
      runner: this.#runner,
      builds: () => this.#builds,
      mirrors: this.#mirrors,
      books: this.#books,
      told: () => this.#told,
    });
    this.#packages = new PackageLister({ ...parts, api: this.#api });
    this.#sync = new Loop(
      () => this.#pass(),
      (error) => log.error("sync failed", { error }),
    );
  }

  async start(): Promise<void> {
    await mkdir(this.#parts.layout.stateDir, { recursive: true, mode: 0o700 });
    // What belonged here comes back first, server or not.
    const cached = await this.#cache.load().catch((error: unknown) => {
      this.#parts.log.warn("the kept desired state cannot be read; waiting for the server", { error });
      return undefined;
    });
    if (cached !== undefined) await this.#restore(cached).catch((error: unknown) => this.#parts.log.error("restoring failed", { error }));
    // What builds of an agent that was killed have left.
    await this.#part("builds of before", async () => void (cached !== undefined && (await this.#runner.builder.collect())));
    await this.#openQueue();
    this.#timers.push(setInterval(() => this.#sync.trigger(), RESYNC_MS));
    this.#timers.push(setInterval(() => void this.#collection.run(), COLLECT_MS));
    this.#timers.push(setTimeout(() => void this.#collection.tellDisk(), FIRST_LEDGER_MS));
    this.#ingress.watch();
    this.#sync.trigger();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#sync.stop();
    await this.#books.close();
    await this.#packages.close();
    await this.#queue?.close();
    await this.#tunnel?.close();
    await this.#builds.close();
    await this.#runner.builder.close();
    await this.#wire.releaseOutward();
    await this.#instances.close();
    await this.#ingress.close();
    await this.#reporter.close();
    await this.#parts.runtime.close();
    await this.#api.close();
  }

  /** Wake-ups come from this host's own queue; on another machine than Redis they come through the gateway. */
  async #openQueue(): Promise<void> {
    const { identity, settings, layout, log } = this.#parts;
    if (identity.queue === undefined) return;
    let { url } = identity.queue;
    if (identity.tls !== undefined) {
      const socket = join(layout.runDir, "queue.sock");
      this.#tunnel = await openQueueTunnel(settings.api, identity.tls, socket);
      url = throughSocket(url, socket);
    }
    this.#queue = openQueue({ redisUrl: url, prefix: identity.queue.prefix, log });
    this.#queue.consumeHost(identity.hostUid, async () => this.#sync.trigger());
    // A Redis that came back may have lost the wake-ups that it had taken.
    this.#queue.onConnected(() => this.#sync.trigger());
  }

  async #pass(): Promise<void> {
    let desired: DesiredState;
    try {
      if (!this.#described) await this.#api.update(await describeHost(this.#parts.settings));
      this.#described = true;
      desired = await this.#api.desired();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // Nothing that runs depends on the server; instances are kept as they were last wanted. The wake-up that led here is used up.
      if (this.#readable) this.#parts.log.warn("the desired state could not be read; it is tried again", { error });
      this.#readable = false;
      this.#sync.triggerWithin(RETRY_MS);
      if (error.code === "unauthenticated") await this.#enrollAgain();
      return;
    }
    this.#readable = true;
    this.#told = desired;
    // First of all: who is killed while he applies it comes back with this one, not with the one before.
    await this.#part("cache", () => this.#cache.store(desired));
    await this.#apply(desired);
    await this.#part("streams", () => this.#streams.apply(desired.streams));
    await this.#part("packages", () => this.#packages.apply(desired.listPackages));
    await this.#collection.cleanCaches(desired);
  }

  /** Once: the token changes with a start only. What runs here is kept, whatever comes of it. */
  async #enrollAgain(): Promise<void> {
    const { settings, layout, log, onEnrolledAgain } = this.#parts;
    if (this.#triedAgain) return;
    this.#triedAgain = true;
    if (await enrollAgain(settings, layout.stateDir, log)) onEnrolledAgain();
  }

  /**
   * Brings back what belonged here and is not here. The kept state may be older than what runs – an outage, a kill – so nothing is taken
   * away by it, and an ingress that has routes keeps them: both wait for the server's word.
   */
  async #restore(kept: DesiredState): Promise<void> {
    this.#desired = kept;
    await this.#part("network", () => this.#applyWire(kept));
    await this.#part("cgroups", () => this.#applyCgroups(kept));
    await this.#part("instances", () => this.#instances.restore(kept.instances));
    if (!this.#ingress.hasRoutes) await this.#part("ingress", () => this.#applyRouting(kept));
  }

  /** Each part takes the whole truth; one that fails does not keep the others from theirs, and is tried again with the next pass. */
  async #apply(desired: DesiredState): Promise<void> {
    this.#desired = desired;
    await this.#part("network", () => this.#applyWire(desired));
    await this.#part("cgroups", () => this.#applyCgroups(desired));
    // They only begin here, and what follows need not be waited for.
    await this.#part("builds", () => this.#builds.apply(desired.builds));
    await this.#part("instances", () => this.#instances.apply(desired.instances));
    await this.#part("ingress", () => this.#applyRouting(desired));
    // Last, as nothing is known to be wrong with it: looking takes a dozen programs.
    if (Date.now() - this.#wireSeenMs >= WIRE_REPAIR_MS) await this.#part("network repair", () => this.#repairWire(desired));
  }

  async #part(name: string, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.error("a part of the host could not be made as wanted", { part: name, error });
      this.#sync.triggerWithin(RETRY_MS);
    }
  }

  async #applyRouting({ routing, platform }: DesiredState): Promise<void> {
    if (routing === undefined) return;
    const { quiet } = await this.#ingress.apply(routing, platform);
    // Whoever waits for the word stops instances then; nothing else on this host has to wait for it.
    void quiet.then(() => this.#reporter.routing(routing.version));
    this.#reporter.traffic(await this.#ingress.traffic());
  }

  /** What is new about the network is made at once; what others took away of it is put back once a minute. */
  async #applyWire(desired: DesiredState): Promise<void> {
    const signature = JSON.stringify([desired.host, desired.platform, desired.peers, desired.namespaces]);
    if (signature === this.#wireDone) return;
    await this.#repairWire(desired);
    this.#wireDone = signature;
  }

  async #repairWire(desired: DesiredState): Promise<void> {
    await this.#wire.apply(desired);
    this.#wireSeenMs = Date.now();
  }

  /** A namespace's cgroup on this host is the sum of the limits placed here: the kernel's half of the quota (invariant 6). */
  #applyCgroups(desired: DesiredState): void {
    for (const { uid } of desired.namespaces) {
      const instances = desired.instances.filter(({ namespaceUid, desired: wanted }) => namespaceUid === uid && wanted !== "stopped");
      const builds = desired.builds.filter(({ namespaceUid }) => namespaceUid === uid);
      const sum = [...instances, ...builds.map(({ limits }) => limits)].reduce(
        (total, { cpuMillis, memoryBytes }) => addQuota(total, { ...ZERO_QUOTA, cpuMillis, memoryBytes }),
        ZERO_QUOTA,
      );
      if (instances.length + builds.length === 0) continue;
      const pids = instances.length * INSTANCE_PIDS + builds.length * BUILD_PIDS;
      this.#parts.cgroups.ensureTenant(uid, { cpuMillis: sum.cpuMillis, memoryBytes: sum.memoryBytes, pids });
    }
  }

  #namespace(uid: string) {
    const namespace = this.#desired?.namespaces.find((candidate) => candidate.uid === uid);
    if (namespace === undefined) throw new AppError("unavailable", `Namespace ${uid} is not known on this host yet; it is tried again.`);
    return namespace;
  }
}
