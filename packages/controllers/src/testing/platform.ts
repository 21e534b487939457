import { createHash, randomUUID } from "node:crypto";
import { createLogger } from "@plimsoll/config";
import { type CommitConfig, type Image, newUid, type ProcessSpec, type QuotaVector, type Resource } from "@plimsoll/core";
import { createBuild, createDeployment, createRelease, type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { sql } from "@plimsoll/db/testing";
import { createTestDatabase } from "@plimsoll/testkit";

const GIB = 1024 ** 3;
export const quota: QuotaVector = { cpuMillis: 32_000, memoryBytes: 64 * GIB, instances: 100, builds: 2 };
export const silent = createLogger("test", { write: () => undefined });

export const web: ProcessSpec = {
  replicas: 2,
  cpuMillis: 250,
  memoryBytes: 256 * 1024 ** 2,
  port: 8080,
  readiness: { kind: "tcp", timeoutMs: 60_000 },
  stopGraceMs: 1_000,
};

/** A database with a team and a namespace, and what tests make in it. */
export class TestPlatform {
  readonly db: Database;
  readonly url: string;
  readonly namespace: Resource<"Namespace">;
  readonly #drop: () => Promise<void>;

  private constructor(db: Database, url: string, namespace: Resource<"Namespace">, drop: () => Promise<void>) {
    this.db = db;
    this.url = url;
    this.namespace = namespace;
    this.#drop = drop;
  }

  static async create(limits: Partial<QuotaVector> = {}): Promise<TestPlatform> {
    const database = await createTestDatabase();
    const db = openDatabase(database.url, Buffer.alloc(32, 1));
    const namespace = await db.write({ scope: PLATFORM }, async (tx) => {
      const used = { cpuMillis: 0, memoryBytes: 0, instances: 0, builds: 0 };
      const team = await tx.objects.create({
        kind: "Team",
        name: "acme",
        spec: { displayName: "Acme", quota: { ...quota, builds: 10 } },
        status: { used, given: used },
      });
      const build = { cpuMillis: 1_000, memoryBytes: GIB, pids: 512, timeoutMs: 60_000, logBytes: 1_000_000 };
      return tx.objects.create({
        kind: "Namespace",
        name: "store",
        team,
        spec: { displayName: "Store", quota: { ...quota, ...limits }, build },
        status: { vni: 1, uidBase: 200_000, used },
      });
    });
    return new TestPlatform(db, database.url, namespace, () => database.drop());
  }

  async close(): Promise<void> {
    await this.db.close();
    await this.#drop();
  }

  async host(name: string, roles: Resource<"Host">["spec"]["roles"] = ["build", "run", "ingress"]): Promise<Resource<"Host">> {
    return this.db.write({ scope: PLATFORM }, async (tx) =>
      tx.objects.create({
        kind: "Host",
        name,
        spec: {
          index: await tx.platform.nextNumber("host-index"),
          roles,
          schedulable: true,
          underlay: "127.0.0.1",
          publicKey: "",
          capacity: { cpuMillis: 8_000, memoryBytes: 16 * GIB },
        },
        status: { phase: "ready", facts: {} },
      }),
    );
  }

  async app(name: string, processes: Record<string, ProcessSpec> = { web }): Promise<Resource<"App">> {
    return this.db.write({ scope: PLATFORM }, async (tx) => {
      const app = await tx.objects.create({
        kind: "App",
        name,
        namespace: this.namespace,
        spec: { source: { kind: "git" }, processes, env: {}, secrets: {} },
        status: { observedGeneration: 0, phase: "empty", urls: [], processes: {} },
        finalizers: ["instances"],
      });
      tx.wake("app", app.metadata.uid);
      return app;
    });
  }

  /** A release with an image of its own and its rollout. */
  async deploy(appUid: string, pushId?: string): Promise<Resource<"Deployment">> {
    return this.db.write({ scope: PLATFORM }, async (tx) => {
      const app = await tx.objects.lock("App", appUid);
      const { namespace } = this;
      const release = await createRelease(tx, { namespace, app, image: image(), createdBy: "Ana" });
      return createDeployment(tx, {
        namespace,
        app,
        release,
        reason: "push",
        createdBy: "Ana",
        ...(pushId === undefined ? {} : { pushId }),
      });
    });
  }

  async scale(appUid: string, process: string, replicas: number): Promise<void> {
    await this.db.write({ scope: PLATFORM }, async (tx) => {
      const app = await tx.objects.lock("App", appUid);
      const spec = app.spec.processes[process];
      if (spec === undefined) throw new Error(`no process ${process}`);
      await tx.objects.updateSpec(app, { ...app.spec, processes: { ...app.spec.processes, [process]: { ...spec, replicas } } });
      tx.wake("app", appUid);
    });
  }

  /** A push with its build, as the git front door records it. */
  async push(appUid: string, config?: CommitConfig): Promise<{ readonly pushId: string; readonly build: Resource<"Build"> }> {
    return this.db.write({ scope: PLATFORM }, async (tx) => {
      const app = await tx.objects.lock("App", appUid);
      const pushId = newUid("psh");
      const commit = createHash("sha1").update(randomUUID()).digest("hex");
      const source = { kind: "git" as const, commit, ref: "refs/heads/main", subject: "Change", author: "Ana" };
      const build = await createBuild(tx, {
        namespace: this.namespace,
        app,
        source,
        pushId,
        requestedBy: "Ana",
        ...(config === undefined ? {} : { config }),
      });
      await tx.pushes.record({
        id: pushId,
        appUid,
        commit,
        oldCommit: "0".repeat(40),
        branch: "main",
        subject: "Change",
        author: "Ana",
        pusher: "Ana",
        buildUid: build.metadata.uid,
      });
      return { pushId, build };
    });
  }

  async appNow(uid: string): Promise<Resource<"App">> {
    return this.db.objects(PLATFORM).get("App", uid);
  }

  async deployments(appUid: string): Promise<readonly string[]> {
    const all = await this.db.objects(PLATFORM).list("Deployment", { ownerUid: appUid });
    return [...all].sort((a, b) => a.spec.number - b.spec.number).map(({ spec, status }) => `v${spec.release} ${status.phase}`);
  }

  async instances(appUid: string): Promise<readonly Resource<"Instance">[]> {
    return this.db.objects(PLATFORM).list("Instance", { ownerUid: appUid });
  }

  async sql(text: string): Promise<unknown[]> {
    return sql(this.url, text);
  }

  /** `web-1 v2 ready` */
  async running(appUid: string): Promise<readonly string[]> {
    const all = await this.instances(appUid);
    return all.map(({ spec, status }) => `${spec.process}-${spec.ordinal} v${spec.release} ${status.phase}`).sort();
  }
}

export function image(): Image {
  const digest = `sha256:${createHash("sha256").update(randomUUID()).digest("hex")}` as const;
  return {
    digest,
    config: {
      architecture: "amd64",
      os: "linux",
      env: [],
      entrypoint: [],
      cmd: ["server"],
      user: "",
      workingDir: "/",
      exposedPorts: [],
      labels: {},
    },
    layers: [{ digest, sizeBytes: 1 }],
  };
}
