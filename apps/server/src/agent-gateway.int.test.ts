import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { webcrypto } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { request } from "node:https";
import { connect as connectPlain, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import * as x509 from "@peculiar/x509";
import { createLogger } from "@plimsoll/config";
import { type Database, PLATFORM } from "@plimsoll/db";
import { createTestDatabase, startTestRedis, type TestDatabase, type TestRedis } from "@plimsoll/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { QUEUE_PROTOCOL } from "./agent-gateway.ts";
import { openPlatformDatabase, type RunningServer, startServer } from "./server.ts";
import type { Settings } from "./settings.ts";

/** A host with all that it was given: what an agent keeps in its identity file, and what somebody who copied it has. */
interface Credentials {
  readonly uid: string;
  readonly credential: string;
  readonly queue: { readonly url: string; readonly prefix: string };
  readonly key?: string;
  readonly cert?: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const silent = createLogger("test", { write: () => undefined });
let dataDir: string;
let database: TestDatabase;
let redis: TestRedis;
let redisPort: number;
let settings: Settings;
let server: RunningServer;
let db: Database;
let authority: string;
let operator: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "plimsoll-gateway-"));
  redisPort = await freePort();
  [database, redis] = await Promise.all([
    createTestDatabase(),
    startTestRedis({ settings: { port: String(redisPort), bind: "127.0.0.1" } }),
  ]);
  settings = {
    dataDir,
    databaseUrl: database.url,
    redisUrl: redis.url,
    apiSocket: join(dataDir, "api.sock"),
    httpPort: 8080,
    sshPort: 0,
    sshAddress: "127.0.0.1",
    platformDomain: "localhost",
    appsDomain: "localhost",
    platformOrigin: "http://localhost:8080",
    agentListen: { host: "127.0.0.1", port: await freePort() },
    queuePrefix: "gateway",
    gitFetchAllow: [],
  };
  server = await startServer(settings, silent);
  db = (await openPlatformDatabase(settings)).db;
  authority = (await ask("GET", "/gateway/v1/authority")).text;
  const { id } = await db.identities.createUser({ name: "Op", email: "op@plimsoll.example", passwordHash: "-", operator: true });
  operator = (await db.identities.createToken({ kind: "api", userId: id })).secret;
});
afterAll(async () => {
  await server?.close();
  await db?.close();
  await database?.drop();
  await redis?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

interface Asked {
  readonly as?: Partial<Credentials>;
  readonly body?: string;
}

/** One request to the gateway, with the certificate and the credential of a host where there is one. */
function ask(method: string, path: string, { as = {}, body }: Asked = {}): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...tlsOf(as),
        method,
        path,
        agent: false,
        ...(as.credential === undefined ? {} : { headers: { authorization: `Bearer ${as.credential}` } }),
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    asked.once("error", reject);
    asked.end(body);
  });
}

function tlsOf({ key, cert }: Partial<Credentials>) {
  const { host, port } = settings.agentListen ?? { host: "", port: 0 };
  return {
    host,
    port,
    servername: "plimsoll-server",
    // Whom a host trusts comes with its token; this test asks for it first.
    ...(authority === undefined ? { rejectUnauthorized: false } : { ca: authority }),
    ...(key === undefined ? {} : { key }),
    ...(cert === undefined ? {} : { cert }),
  };
}

/** The public API on its own socket, as an operator. */
async function api(method: string, path: string, body?: unknown): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const asked = plainRequest(
      { socketPath: settings.apiSocket, method, path, headers: { authorization: `Bearer ${operator}` } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    asked.once("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function newToken(grant?: object): Promise<string> {
  const { text } = await api("POST", "/api/v1/host-tokens", grant);
  return (JSON.parse(text) as { token: string }).token;
}

function enroll(token: string, name: string) {
  const said = { token, name, underlay: "10.0.0.3", publicKey: Buffer.alloc(32, 7).toString("base64"), facts: {} };
  return ask("POST", "/api/agent/v1/enroll", { body: JSON.stringify({ ...said, capacity: { cpuMillis: 1_000, memoryBytes: 1024 ** 3 } }) });
}

async function certify({ credential }: Pick<Credentials, "credential">) {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=whatever", keys, signingAlgorithm: ALGORITHM });
  const { status, text } = await ask("POST", "/gateway/v1/certificate", { as: { credential }, body: csr.toString("pem") });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { status, key, cert: text };
}

/** A host as an agent becomes one. */
async function joined(name: string, token: string): Promise<Required<Credentials>> {
  const { text } = await enroll(token, name);
  const { hostUid, credential, queue } = JSON.parse(text) as { hostUid: string; credential: string; queue: Credentials["queue"] };
  const { key, cert } = await certify({ credential });
  return { uid: hostUid, credential, queue, key, cert };
}

/** A tunnel to Redis, logged in as the host; undefined when the gateway or Redis does not let it in. */
async function openQueue(host: Required<Credentials>): Promise<TLSSocket | undefined> {
  const { searchParams, username, password } = new URL(host.queue.url);
  const socket = connect({ ...tlsOf(host), ALPNProtocols: [QUEUE_PROTOCOL] });
  const answered = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\r\n")) resolve(text);
    });
    for (const end of ["error", "close"]) socket.once(end, () => resolve("ended"));
  });
  socket.write(`AUTH ${searchParams.get("user") ?? username} ${searchParams.get("password") ?? password}\r\n`);
  if ((await answered) === "+OK\r\n") return socket;
  socket.destroy();
  return undefined;
}

const desired = (host: Partial<Credentials>) => ask("GET", "/api/agent/v1/desired", { as: host });

describe("a host that joined by mutual TLS", () => {
  it("is served with its certificate and its credential, and with neither alone", async () => {
    const host = await joined("host-a", await newToken());
    expect((await desired(host)).status).toBe(200);
    expect(JSON.parse((await desired({ credential: host.credential })).text)).toMatchObject({ code: "unauthenticated", status: 401 });
    expect((await desired({ key: host.key, cert: host.cert })).status).toBe(401);
    const queue = await openQueue(host);
    expect(queue).toBeDefined();
    queue?.destroy();
    // With the next start Redis is found by its port: hosts notice nothing.
    await server.close();
    server = await startServer({ ...settings, redisUrl: `redis://127.0.0.1:${redisPort}` }, silent);
    const byPort = await openQueue(host);
    expect(byPort).toBeDefined();
    byPort?.destroy();
  });

  it("has one certificate: the one before counts no more", async () => {
    const host = await joined("host-twice", await newToken());
    const { key, cert } = await certify(host);
    expect((await desired({ ...host, key, cert })).status).toBe(200);
    expect((await desired(host)).status).toBe(401);
    expect(await openQueue(host)).toBeUndefined();
  });
});

describe("a removed host", () => {
  it("is cut off at once, and comes back with nothing of what it had", async () => {
    const token = await newToken();
    const host = await joined("host-gone", token);
    const stays = await joined("host-stays", await newToken());
    const [open, theirs] = [await openQueue(host), await openQueue(stays)];
    expect(open).toBeDefined();
    const cut = new Promise<void>((resolve) => open?.once("close", () => resolve()));

    expect((await api("DELETE", "/api/v1/hosts/host-gone")).status).toBe(204);
    await cut;
    expect((await desired(host)).status).toBe(401);
    expect((await ask("POST", "/api/agent/v1/report", { as: host, body: '{"instances":[]}' })).status).toBe(401);
    expect((await certify(host)).status).toBe(401);
    expect((await enroll(token, "host-gone")).status).toBe(401);
    expect(await openQueue(host)).toBeUndefined();
    // Its user in Redis goes too: nothing is left to log in with, wherever it connects.
    await expect.poll(() => hasRedisUser(host.uid), { timeout: 20_000 }).toBe(false);
    expect(await hasRedisUser(stays.uid)).toBe(true);
    expect((await api("DELETE", "/api/v1/hosts/host-gone")).status).toBe(404);

    // Negative control: a host that was not removed notices nothing.
    expect((await desired(stays)).status).toBe(200);
    expect(theirs?.destroyed).toBe(false);
    theirs?.destroy();
  });

  it("can become a host again by a new token only, under its name and as another", async () => {
    const first = await joined("host-back", await newToken());
    await api("DELETE", "/api/v1/hosts/host-back");
    const second = await joined("host-back", await newToken());
    expect(second.uid).not.toBe(first.uid);
    expect((await desired(second)).status).toBe(200);
    expect((await desired(first)).status).toBe(401);
    expect((await desired({ ...second, key: first.key, cert: first.cert })).status).toBe(401);
    expect(await db.objects(PLATFORM).find("Host", first.uid)).toBeUndefined();
  });
});

/** Whether Redis knows the user of a host; asked past the gateway, as its administrator. */
function hasRedisUser(uid: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain(redis.socketPath);
    socket.once("error", reject);
    // A user that is not there is null (RESP2).
    socket.once("data", (chunk: Buffer) => {
      socket.destroy();
      resolve(!chunk.toString().startsWith("$-1"));
    });
    socket.write(`ACL GETUSER gateway-${uid}\r\n`);
  });
}
