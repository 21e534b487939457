import { generateKeyPairSync, randomBytes } from "node:crypto";
import { type Clock, createLogger, systemClock } from "@plimsoll/config";
import { newSecret, type QuotaVector, type Resource, type Role } from "@plimsoll/core";
import { type Database, openDatabase, PLATFORM } from "@plimsoll/db";
import { createTestDatabase } from "@plimsoll/testkit";
import { createApi, type PlimsollApi } from "../app.ts";
import { PLATFORM_CALLER } from "../caller.ts";
import type { ApiPorts, Context } from "../context.ts";
import { createStreamBroker, type StreamBroker } from "../streams/broker.ts";
import { createNamespace } from "../tenants/namespaces.ts";
import { createTeam } from "../tenants/teams.ts";

export const ORIGIN = "http://localhost:8080";
export const PLENTY: QuotaVector = { cpuMillis: 1_000_000, memoryBytes: 1024 ** 4, instances: 1_000, builds: 50 };

export interface Fixture {
  readonly db: Database;
  readonly api: PlimsollApi;
  readonly streams: StreamBroker;
  readonly logs: string[];
  /** Sends a request as the holder of a token (an API token or a host's credential), or as nobody. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** As request, and reads JSON; fails the test unless the status is the wanted one. */
  json<T = Answer>(method: string, path: string, options?: RequestOptions & { readonly status?: number }): Promise<T>;
  /** A user with an API token. */
  user(options?: { readonly operator?: boolean; readonly roles?: Readonly<Record<string, Role>> }): Promise<TestUser>;
  team(name: string, quota?: QuotaVector): Promise<Resource<"Team">>;
  namespace(team: Resource<"Team">, name: string, quota?: QuotaVector): Promise<Resource<"Namespace">>;
  /** Runs a use case as the platform. */
  commit<T>(work: (context: Context) => Promise<T>): Promise<T>;
  host(name: string, options?: { readonly roles?: readonly ("build" | "run" | "ingress")[] }): Promise<TestHost>;
  close(): Promise<void>;
}
export type Answer = { [key: string]: unknown } & {
  metadata: Resource["metadata"];
  spec: Record<string, unknown>;
  status: Record<string, unknown>;
};
export interface RequestOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}
export interface TestUser {
  readonly id: string;
  readonly email: string;
  readonly token: string;
}
export interface TestHost {
  readonly uid: string;
  readonly name: string;
  readonly credential: string;
  readonly privateKey: string;
}

/** An API over a database of its own. */
export async function startFixture(ports: Partial<ApiPorts> = {}, clock: Clock = systemClock): Promise<Fixture> {
  const database = await createTestDatabase();
  const db = openDatabase(database.url, randomBytes(32));
  const logs: string[] = [];
  const streams = createStreamBroker({
    newId: () => newSecret(9),
    wake: (hostUid) => db.write({ scope: PLATFORM }, async (tx) => tx.wake("sync", hostUid)),
    answerMs: 4_000,
  });
  const api = createApi({
    db,
    clock,
    streams,
    logger: createLogger("api-test", { write: (line) => void logs.push(line) }),
    settings: {
      platformOrigin: ORIGIN,
      platformDomain: "localhost",
      appsDomain: "localhost",
      network: "10.64.0.0/10",
      sourceNetwork: "100.64.0.0/16",
      hostCommand: (token) => `plim-agent enroll ${token}`,
    },
    rate: { burst: 100_000, perSecond: 100_000 },
    ...ports,
  });
  const request: Fixture["request"] = (method, path, { token, body, headers, signal } = {}) =>
    api.fetch(
      new Request(new URL(path, ORIGIN), {
        method,
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      }),
    );
  const commit: Fixture["commit"] = (work) =>
    db.write({ scope: PLATFORM }, (tx) => work({ tx, caller: PLATFORM_CALLER, settings: { platformOrigin: ORIGIN } }));
  let users = 0;

  return {
    db,
    api,
    streams,
    logs,
    request,
    commit,
    async json<T>(method: string, path: string, options: RequestOptions & { readonly status?: number } = {}): Promise<T> {
      const response = await request(method, path, options);
      const text = await response.text();
      const expected = options.status ?? (response.ok ? response.status : 200);
      if (response.status !== expected)
        throw new Error(`${method} ${path}: ${response.status} instead of ${expected}: ${text}\n${logs.join("")}`);
      return (text === "" ? undefined : JSON.parse(text)) as T;
    },
    user: async ({ operator = false, roles = {} } = {}) =>
      commit(async ({ tx }) => {
        const email = `user${++users}@plimsoll.example`;
        const { id } = await tx.identities.createUser({ name: `User ${users}`, email, passwordHash: "-", operator });
        for (const [teamUid, role] of Object.entries(roles)) await tx.identities.setMembership(id, teamUid, role);
        const { secret } = await tx.identities.createToken({ kind: "api", userId: id, name: "test" });
        return { id, email, token: secret };
      }),
    team: (name, quota = PLENTY) => commit((context) => createTeam(context, { name, quota })),
    namespace: (team, name, quota) =>
      commit((context) => createNamespace(context, team, { name, ...(quota === undefined ? {} : { quota }) })),
    async host(name, { roles = ["build", "run"] as const } = {}) {
      const { secret } = await db.identities.createToken({ kind: "enroll", name, roles });
      const pair = generateKeyPairSync("x25519");
      const response = await request("POST", "/api/agent/v1/enroll", {
        body: {
          token: secret,
          name,
          underlay: "127.0.0.1",
          publicKey: pair.publicKey.export({ format: "der", type: "spki" }).subarray(12).toString("base64"),
          roles,
          capacity: { cpuMillis: 4_000, memoryBytes: 8 * 1024 ** 3 },
          facts: { kernel: "6.18" },
        },
      });
      const { hostUid, credential } = (await response.json()) as { hostUid: string; credential: string };
      return { uid: hostUid, name, credential, privateKey: pair.privateKey.export({ format: "der", type: "pkcs8" }).toString("base64") };
    },
    async close() {
      await api.close();
      await db.close();
      await database.drop();
    },
  };
}
