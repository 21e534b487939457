import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp, createNamespace, createTeam, PLATFORM_CALLER } from "@plimsoll/api";
import type { Resource } from "@plimsoll/core";
import { CONNECTION_CREDENTIAL, type ConnectionRecord, type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { createAddressGuard, createGitServer, type GitServer } from "@plimsoll/git";
import { createTestDatabase } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Notifier } from "../notifier.ts";
import { readSettings } from "../settings.ts";
import { createConnectionPorts } from "./connections.ts";
import { createGitPorts } from "./ports.ts";

const PLENTY = { cpuMillis: 10_000, memoryBytes: 1024 ** 4, instances: 10, builds: 5 };
const TOKEN = "t0ken-of-the-forge";
const WORK_ENV = {
  ...minimalEnv,
  HOME: "/nonexistent",
  GIT_AUTHOR_NAME: "Li",
  GIT_AUTHOR_EMAIL: "li@x",
  GIT_COMMITTER_NAME: "Li",
  GIT_COMMITTER_EMAIL: "li@x",
};

let directory: string;
let db: Database;
let closing: (() => Promise<void>)[] = [];
let git: GitServer;
let forge: Forge;
let app: Resource<"App">;
let ports: ReturnType<typeof createConnectionPorts>;
let strict: ReturnType<typeof createConnectionPorts>;
let push: ReturnType<typeof createGitPorts>;

interface Told {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: { state: string; target_url: string; description: string; context: string };
}
interface Forge {
  readonly port: number;
  readonly told: Told[];
  commit(subject: string, files?: Readonly<Record<string, string>>): Promise<string>;
}

/** A host of repositories: git's own http-backend behind a login, and the statuses of commits as Gitea takes them. */
async function startForge(): Promise<Forge> {
  const work = join(directory, "work");
  const bare = join(directory, "forge", "acme", "shop.git");
  await run(["git", "init", "-q", "-b", "main", work], { env: WORK_ENV });
  await run(["git", "init", "-q", "--bare", "-b", "main", bare], { env: WORK_ENV });
  const told: Told[] = [];
  const server: Server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://forge");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { authorization } = request.headers;
    if (url.pathname.startsWith("/api/")) {
      told.push({ path: url.pathname, authorization, body: JSON.parse(body.toString()) });
      response.writeHead(201, { "content-type": "application/json" }).end("{}");
      return;
    }
    if (authorization !== `Basic ${Buffer.from(`plimsoll:${TOKEN}`).toString("base64")}`) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="forge"' }).end();
      return;
    }
    const child = await start(["git", "http-backend"], {
      env: {
        ...minimalEnv,
        GIT_PROJECT_ROOT: join(directory, "forge"),
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin?.end(request.headers["content-encoding"] === "gzip" ? (await import("node:zlib")).gunzipSync(body) : body);
    const out: Buffer[] = [];
    for await (const chunk of child.stdout ?? []) out.push(chunk as Buffer);
    const answer = Buffer.concat(out);
    const end = answer.indexOf("\r\n\r\n");
    for (const line of answer.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name === "Status") response.statusCode = Number(value.slice(0, 3));
      else response.setHeader(name, value);
    }
    response.end(answer.subarray(end + 4));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  return {
    port: (server.address() as AddressInfo).port,
    told,
    async commit(subject, files = {}) {
      for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
      const inWork = (...args: string[]) => run(["git", "-C", work, ...args], { env: WORK_ENV });
      await inWork("add", "-A");
      await inWork("commit", "-q", "--allow-empty", "-m", subject);
      await inWork("push", "-q", "--force", bare, "HEAD:main");
      return (await inWork("rev-parse", "HEAD")).stdout.trim();
    },
  };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "plimsoll-connections-"));
  const database = await createTestDatabase();
  db = openDatabase(database.url, randomBytes(32));
  const settings = readSettings({ PLIMSOLL_DATA_DIR: directory, DATABASE_URL: database.url, REDIS_URL: "-", PLIMSOLL_API_SOCKET: "-" });
  const notifier = new Notifier(db);
  push = createGitPorts(db, settings, notifier);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  await mkdir(join(directory, "run"));
  git = createGitServer({
    ports: push,
    repositoriesDir: join(directory, "repositories"),
    hooksDir: join(directory, "hooks"),
    hookSocketPath: join(directory, "run", "hook.sock"),
    hostKeyPath: join(directory, "host_key"),
    address: "127.0.0.1",
    sshPort: 0,
    portalUrl: settings.platformOrigin,
    clock: Date,
    logger: log,
  });
  await git.listen();
  closing = [() => git.close(), () => notifier.close(), () => db.close(), () => database.drop()];
  forge = await startForge();
  await db.write({ scope: PLATFORM }, async (tx) => {
    const context = { tx, caller: PLATFORM_CALLER, settings };
    const team = await createTeam(context, { name: "acme", quota: PLENTY });
    const namespace = await createNamespace(context, team, { name: "store", quota: PLENTY });
    app = await createApp(context, namespace, { name: "shop" });
  });
  const portsWith = (allowed: readonly string[]) =>
    createConnectionPorts({ db, git, guard: createAddressGuard({ allowed, denied: async () => [] }), settings, log });
  ports = portsWith(["127.0.0.1"]);
  strict = portsWith([]);
});
afterAll(async () => {
  for (const close of closing.splice(0)) await close();
  await rm(directory, { recursive: true, force: true });
});

async function connect(change: { readonly token?: string; readonly url?: string } = {}): Promise<ConnectionRecord> {
  const { uid, namespaceUid = "" } = app.metadata;
  const url = change.url ?? `http://127.0.0.1:${forge.port}/acme/shop.git`;
  return db.write({ scope: PLATFORM }, async (tx) => {
    await tx.secrets.replace(namespaceUid, uid, CONNECTION_CREDENTIAL, JSON.stringify({ kind: "token", token: change.token ?? TOKEN }));
    const hookId = randomBytes(8).toString("hex");
    return tx.connections.put({ appUid: uid, url, branch: "main", provider: "gitea", auth: "token", hookId, createdBy: "Ana" });
  });
}

/** Two steps of the controller: a look, and the report. */
async function look(by = ports): Promise<ConnectionRecord> {
  const find = async () => (await db.connections.find(app.metadata.uid)) as ConnectionRecord;
  await by.lookAtConnection(await find(), new AbortController().signal);
  await by.reportConnection(await find());
  return find();
}
const builds = () => db.objects(PLATFORM).list("Build", { ownerUid: app.metadata.uid });
const settle = (uid: string, status: Partial<Resource<"Build">["status"]>) =>
  db.write({ scope: PLATFORM }, async (tx) => {
    const build = await tx.objects.lock("Build", uid);
    await tx.objects.updateStatus(build, { ...build.status, ...status });
  });

describe("an app that is connected to a repository", () => {
  it("is built from what its branch holds, once, as its file there says, and its host is told how it goes", async () => {
    const commit = await forge.commit("First", { "plimsoll.yaml": "processes: { web: { port: 3000 } }\n" });
    await connect();
    const now = await look();
    expect(now).toMatchObject({ commit, reported: `${commit}:pending` });
    expect(now.failure).toBeUndefined();
    const [build] = await builds();
    expect(build?.spec).toMatchObject({ source: { commit, ref: "refs/heads/main", subject: "First", author: "Li" }, requestedBy: "Gitea" });
    expect(build?.spec.config).toMatchObject({ processes: { web: { port: 3000 } } });
    const path = `/api/v1/repos/acme/shop/statuses/${commit}`;
    const target = `http://localhost:8080/acme/store/apps/shop/builds/${build?.metadata.name}`;
    expect(forge.told).toEqual([
      {
        path,
        authorization: `token ${TOKEN}`,
        body: { state: "pending", target_url: target, description: "is being built", context: "plimsoll/store/shop" },
      },
    ]);
    await look();
    expect([await builds(), forge.told]).toMatchObject([{ length: 1 }, { length: 1 }]);
    const failure = { reason: "command" as const, message: "RUN npm ci exited with 1" };
    await settle(build?.metadata.uid ?? "", { phase: "failed", failure });
    await look();
    await look();
    expect(forge.told.slice(1)).toMatchObject([
      { path, body: { state: "failure", description: "build failed: RUN npm ci exited with 1" } },
    ]);
  });

  it("takes no push, and says where to push", async () => {
    const record = {
      id: "push_1",
      appUid: app.metadata.uid,
      commit: "c".repeat(40),
      oldCommit: "0".repeat(40),
      branch: "main",
      subject: "",
      author: "",
    };
    const taken = push.recordPush({ ...record, pusher: { userId: "u", name: "Ana" } }, { read: async () => undefined });
    await expect(taken).rejects.toMatchObject({
      message: expect.stringMatching(/is deployed from http.*push there\. To push here again: plim disconnect shop/),
    });
  });

  it("says why nothing comes of a commit, tells its host, and goes on with the next", async () => {
    const broken = await forge.commit("Broken", { "plimsoll.yaml": "procesess: {}\n" });
    const now = await look();
    expect(now).toMatchObject({
      commit: broken,
      reported: `${broken}:failure`,
      failure: expect.stringContaining("plimsoll.yaml:1:1: there is no key `procesess`"),
    });
    expect(forge.told.at(-1)).toMatchObject({
      body: { state: "failure", target_url: "http://localhost:8080/acme/store/apps/shop/repository" },
    });
    const before = (await builds()).length;
    await look();
    expect((await builds()).length).toBe(before);
    const mended = await forge.commit("Mended", { "plimsoll.yaml": "env: { A: b }\n" });
    const after = await look();
    expect(after.commit).toBe(mended);
    expect(after.failure).toBeUndefined();
    expect((await builds()).length).toBe(before + 1);
  });

  it("says what is wrong with its token, and loses nothing by it", async () => {
    await connect({ token: "revoked" });
    expect(await look()).toMatchObject({ failure: expect.stringContaining("it does not take the token") });
    expect((await look()).failure).not.toContain("revoked");
    expect((await db.objects(PLATFORM).get("App", app.metadata.uid)).status.phase).toBe("empty");
  });

  it("is not fetched from the platform's own addresses, and nothing is sent there, unless the operator allows it", async () => {
    const told = forge.told.length;
    await connect();
    const now = await look(strict);
    expect(now.failure).toContain("127.0.0.1 is an address of the platform itself");
    expect(now.commit).toBeUndefined();
    await db.write({ scope: PLATFORM }, (tx) => tx.connections.note(now, { commit: "c".repeat(40) }));
    expect((await look(strict)).unreported).toContain("is an address of the platform itself");
    expect(forge.told).toHaveLength(told);
  });
});
