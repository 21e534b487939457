import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, Logger } from "@plimsoll/config";
import type { ControlJobName } from "@plimsoll/contracts";
import { type Database, PLATFORM } from "@plimsoll/db";
import type { Consumer, Queue } from "@plimsoll/queue";
import { type Controller, type ControllerMetrics, createController, type Reconciler } from "@plimsoll/reconcile";
import { AppReconciler } from "./app/controller.ts";
import type { Moment } from "./app/world.ts";
import { BuildReconciler } from "./build/controller.ts";
import { ConnectionReconciler } from "./connection/controller.ts";
import { HostReconciler } from "./host/controller.ts";
import { type Housekeeping, startHousekeeping } from "./housekeeping.ts";
import type { ControllerPorts, ControllerSettings } from "./ports.ts";
import { PushReconciler } from "./push/controller.ts";
import { createRelay, type Relay } from "./relay.ts";
import { Vigil } from "./vigil.ts";

export interface ControllersOptions {
  readonly db: Database;
  /** Absent: wake-ups stay in this process; the agents find out at their own resync. */
  readonly queue?: Queue;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ControllerSettings;
  readonly ports: ControllerPorts;
  /** For tests: how often everything is looked at without any wake-up (30 s). */
  readonly resyncMs?: number;
  /** For tests: how long a key of a killed process stays closed (5 s). */
  readonly leaseMs?: number;
}

export interface Controllers {
  /** Idempotent. Answers at once; the first resync begins. */
  start(): void;
  /** Ends what runs, gives leases back. Idempotent. */
  stop(): Promise<void>;
  wake(job: ControlJobName, key: string): void;
  readonly metrics: Readonly<Record<ControlJobName, ControllerMetrics>>;
}

const JOBS: readonly ControlJobName[] = ["app", "build", "host", "push", "connection"];

/** All controllers of a server, their relay and their timers. Several servers may run them side by side. */
export function createControllers(options: ControllersOptions): Controllers {
  const { db, queue, clock, logger, settings, ports } = options;
  const log = logger.child({ part: "controllers" });
  const holder = `${hostname()}/${process.pid}/${randomUUID()}`;
  const vigil = new Vigil({
    clock,
    look: () => db.platform.hostsOutOfStep(),
    onOutOfStep: (uids) => {
      for (const uid of uids) controllers.host.wake(uid);
    },
  });
  const moment = (): Moment => ({ nowMs: clock.now().getTime(), observedSinceMs: vigil.sinceMs });
  const objects = db.objects(PLATFORM);

  const create = (name: ControlJobName, reconciler: Reconciler, list: () => Promise<readonly string[]>): Controller<string> =>
    createController({
      name,
      reconciler,
      list,
      holder,
      log,
      leases: db.leases,
      ...(options.resyncMs === undefined ? {} : { resyncMs: options.resyncMs }),
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    });
  const pushes = new PushReconciler({ db, ports, moment });
  const controllers: Readonly<Record<ControlJobName, Controller<string>>> = {
    app: create("app", new AppReconciler({ db, settings, ports, moment }), () => objects.uids("App")),
    build: create("build", new BuildReconciler({ db, moment }), () => db.platform.unsettledBuilds()),
    host: create("host", new HostReconciler({ db, queue, moment }), async () => [
      ...(await objects.uids("Host")),
      ...(await db.hosts.removed()),
    ]),
    push: create("push", pushes, async () => (await db.pushes.open()).map(({ id }) => id)),
    connection: create("connection", new ConnectionReconciler({ db, ports, clock }), () => db.connections.uids()),
  };
  const wake = (job: ControlJobName, key: string) => controllers[job].wake(key);

  /**
   * A Redis that comes back may be another one: every host's user is made again. What this process remembers of a host that was removed by
   * way of another is forgotten here, or it would make that user again with the others.
   */
  const wakeHosts = async () => {
    for (const uid of await db.hosts.removed().catch(() => [])) await queue?.removeHostUser(uid).catch(() => undefined);
    for (const uid of await objects.uids("Host").catch(() => [])) wake("host", uid);
  };
  /** A Redis that was killed may have lost wake-ups that it had taken: what is under way is looked at again now, not by the next resync. */
  const wakeUnsettled = async () => {
    const [builds, open, deployments] = await Promise.all([
      db.platform.unsettledBuilds(),
      db.pushes.open(),
      objects.list("Deployment", { phases: ["starting", "draining"] }),
    ]);
    for (const uid of builds) wake("build", uid);
    for (const { id } of open) wake("push", id);
    for (const { metadata } of deployments) if (metadata.ownerUid !== undefined) wake("app", metadata.ownerUid);
  };
  /** An ingress has applied a newer routing version: whoever waits for that looks again. */
  const wakeRouted = async () => {
    for (const id of pushes.waitingForRouting) wake("push", id);
    for (const uid of await db.platform.drainingApps().catch(() => [])) wake("app", uid);
  };

  let consumer: Consumer | undefined;
  let routing: { close(): Promise<void> } | undefined;
  let relay: Relay | undefined;
  let housekeeping: Housekeeping | undefined;
  let state: "new" | "running" | "stopped" = "new";
  return {
    start() {
      if (state !== "new") return;
      state = "running";
      vigil.start();
      for (const controller of Object.values(controllers)) controller.start();
      housekeeping = startHousekeeping({ db, holder, log });
      consumer = queue?.consume(JOBS, ({ job, key }) => wake(job, key));
      relay = createRelay({
        db,
        queue,
        log,
        local: (wakes) => {
          for (const { job, key } of wakes) if (job !== "sync") wake(job, key);
        },
      });
      queue?.onConnected(() => {
        void wakeHosts();
        void wakeUnsettled().catch((error: unknown) => log.debug("what is under way waits for the resync", { error }));
      });
      routing = db.listen(["plimsoll_routing"], () => void wakeRouted());
    },
    async stop() {
      state = "stopped";
      vigil.stop();
      await Promise.all([relay?.close(), consumer?.close(), routing?.close(), housekeeping?.close()]);
      await Promise.all(Object.values(controllers).map((controller) => controller.stop()));
    },
    wake,
    get metrics() {
      const { app, build, host, push, connection } = controllers;
      return { app: app.metrics, build: build.metrics, host: host.metrics, push: push.metrics, connection: connection.metrics };
    },
  };
}
