import type { InstanceReport } from "@plimsoll/contracts";
import { AppError, type Resource, type Status } from "@plimsoll/core";
import { applyInstanceReport, type Database, PLATFORM, type Tx } from "@plimsoll/db";
import { image } from "./platform.ts";

export type Behaviour = "ready" | "never" | "crash" | "give-up";

export interface AgentScript {
  /** What becomes of an instance once it is started. */
  readonly instance?: (instance: Resource<"Instance">) => Behaviour;
  /** `hang`: claimed and never finished; `ignore`: never claimed. */
  readonly build?: (build: Resource<"Build">) => "succeed" | "fail" | "hang" | "ignore";
  readonly leaseMs?: number;
  /** Its ingress never acknowledges a routing version. */
  readonly deafIngress?: boolean;
  /** Percent of its time in which tasks wait for memory; absent: its kernel measures no pressure. */
  readonly memorySome?: number;
}

/**
 * A host's agent without a kernel: reads what is wanted of its host in the database and reports as the agents' API writes it, every few
 * milliseconds. Stopping it is a host that went silent.
 */
export class ScriptedAgent {
  readonly #db: Database;
  readonly host: Resource<"Host">;
  script: AgentScript;
  readonly #claimed = new Map<string, number>();
  #loop: Promise<void> | undefined;
  readonly #heard = Promise.withResolvers<void>();
  #stopped = false;

  constructor(db: Database, host: Resource<"Host">, script: AgentScript = {}) {
    this.#db = db;
    this.host = host;
    this.script = script;
  }

  /** Starts, and resolves when its host lives: from then on something can be placed there. */
  async join(): Promise<this> {
    this.start();
    await this.#heard.promise;
    return this;
  }

  start(): this {
    this.#stopped = false;
    this.#loop = (async () => {
      while (!this.#stopped) {
        await this.#pass().catch((error: unknown) => {
          if (!(error instanceof AppError)) throw error;
        });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #pass(): Promise<void> {
    const { uid } = this.host.metadata;
    const objects = this.#db.objects(PLATFORM);
    const routingVersion = this.script.deafIngress ? 0 : await this.#db.platform.routingVersion();
    const instances = await objects.list("Instance", { hostUid: uid });
    const reports = instances.flatMap((instance) => this.#report(instance));
    await this.#db.write({ scope: PLATFORM }, async (tx) => {
      const { wasSilent } = await tx.platform.heartbeat(uid, this.script.leaseMs ?? 10_000, { routingVersion, ...this.#pressure() });
      if (wasSilent) tx.wake("host", uid);
      for (const { instance, report } of reports) await applyInstanceReport(tx, instance, report);
    });
    this.#heard.resolve();
    for (const build of await objects.list("Build", { hostUid: uid, phases: ["placed", "running"] })) await this.#build(build);
  }

  #pressure() {
    const { memorySome } = this.script;
    return memorySome === undefined ? {} : { pressure: { cpuSome: 0, memorySome, memoryFull: 0, ioSome: 0, ioFull: 0 } };
  }

  #report(instance: Resource<"Instance">): { instance: Resource<"Instance">; report: InstanceReport }[] {
    const { spec, status } = instance;
    const say = (change: Partial<Status<"Instance">>) => {
      const { drainVersion: _, ...before } = status;
      return [{ instance, report: { uid: instance.metadata.uid, ...before, ...change } }];
    };
    if (spec.desired === "stopped") return status.phase === "stopped" ? [] : say({ phase: "stopped" });
    const at = new Date().toISOString();
    if (status.phase === "scheduled") return say({ phase: "starting", startedAt: at, address: "10.64.0.1" });
    if (status.phase !== "starting") return [];
    switch (this.script.instance?.(instance) ?? "ready") {
      case "ready":
        return say({ phase: "ready", readyAt: at });
      case "never":
        return say({ message: "port 8080 refused the connection", logTail: ["listening on 127.0.0.1:3000"] });
      case "crash":
        return say({ restarts: status.restarts + 1, lastExit: { code: 1, outOfMemory: false, at }, logTail: ["Error: no database"] });
      case "give-up":
        return say({ phase: "failed", message: "the image is broken" });
    }
  }

  /** Claims as the agents' API does: the lease first, every word under its epoch. */
  async #build(build: Resource<"Build">): Promise<void> {
    const { uid } = build.metadata;
    const how = this.script.build?.(build) ?? "succeed";
    if (how === "ignore") return;
    const known = this.#claimed.get(uid);
    if (known === undefined || build.status.phase === "placed") {
      const lease = await this.#db.leases.acquire(`build/${uid}`, this.host.metadata.uid, this.script.leaseMs ?? 10_000);
      if (lease === undefined) return;
      this.#claimed.set(uid, lease.epoch);
      await this.#say(uid, lease.epoch, (status) => ({ ...status, phase: "running", startedAt: new Date().toISOString() }));
      return;
    }
    if (how === "hang") {
      await this.#db.leases.renew({ key: `build/${uid}`, holder: this.host.metadata.uid, epoch: known }, this.script.leaseMs ?? 10_000);
      return;
    }
    const finishedAt = new Date().toISOString();
    await this.#say(uid, known, (status) =>
      how === "succeed"
        ? { ...status, phase: "succeeded", image: image(), finishedAt }
        : { ...status, phase: "failed", failure: { reason: "command", message: "RUN npm ci exited with 1" }, finishedAt },
    );
  }

  async #say(uid: string, epoch: number, change: (status: Status<"Build">) => Status<"Build">): Promise<void> {
    await this.#db.write({ scope: PLATFORM, fence: { key: `build/${uid}`, epoch } }, async (tx: Tx) => {
      const build = await tx.objects.lock("Build", uid);
      if (build.status.phase !== "placed" && build.status.phase !== "running") return;
      await tx.objects.updateStatus(build, change(build.status));
      tx.wake("build", uid);
    });
  }
}
