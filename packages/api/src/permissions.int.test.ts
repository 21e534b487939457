import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AGENT_ROUTES, PUBLIC_ROUTES } from "./routes/index.ts";
import { type Fixture, startFixture, type TestHost } from "./testing/fixture.ts";
import { placeInstance, releaseApp } from "./testing/seed.ts";

/** Who asks. `outsider` owns another team; `host` holds a host's credential; `agent routes` must take nobody but hosts. */
const PERSONAS = ["anonymous", "host", "outsider", "developer", "owner", "operator"] as const;
type Persona = (typeof PERSONAS)[number];

interface Row {
  readonly path: string | ((persona: Persona) => string);
  readonly body?: (persona: Persona) => unknown;
  /** Statuses in the order of PERSONAS. */
  readonly statuses: readonly [number, number, number, number, number, number];
}

const READ = [401, 401, 404, 200, 200, 200] as const;
const OWNERS = (status: number) => [401, 401, 404, 403, status, status] as const;
const MEMBERS = (status: number) => [401, 401, 404, status, status, status] as const;
const ANYBODY = (status: number) => [status, status, status, status, status, status] as const;
const SELF = (status: number) => [401, 401, status, status, status, status] as const;
const HOSTS = (status: number) => [401, status, 401, 401, 401, 401] as const;
const OPERATORS = (status: number) => [401, 401, 403, 403, 403, status] as const;

const NS = "/api/v1/namespaces/acme/store";
const APP = `${NS}/apps/shop`;
/** An app per persona: what one does must not get in the way of the next. */
const own = (persona: Persona) => `${NS}/apps/${persona}`;
const sshKey = (persona: Persona, use = "") => {
  const field = (bytes: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  const blob = Buffer.concat([field(Buffer.from("ssh-ed25519")), field(Buffer.alloc(32, persona + use))]);
  return `ssh-ed25519 ${blob.toString("base64")}`;
};

/** A row for every route there is; a route without one fails the test below. */
const TABLE: Record<string, Row> = {
  "GET /api/v1/healthz": { path: "/api/v1/healthz", statuses: ANYBODY(200) },
  "GET /api/v1/claim/:code": { path: "/api/v1/claim/NONE-NONE-NONE", statuses: ANYBODY(410) },
  "POST /api/v1/claim": {
    path: "/api/v1/claim",
    body: () => ({ code: "NONE-NONE-NONE", name: "Eve", email: "eve@plimsoll.example", password: "long enough" }),
    statuses: ANYBODY(410),
  },
  "POST /api/v1/login": {
    path: "/api/v1/login",
    body: () => ({ email: "nobody@plimsoll.example", password: "x" }),
    statuses: ANYBODY(401),
  },
  "POST /api/v1/logout": { path: "/api/v1/logout", statuses: SELF(204) },
  "GET /api/v1/me": { path: "/api/v1/me", statuses: SELF(200) },
  "GET /api/v1/ssh-keys": { path: "/api/v1/ssh-keys", statuses: SELF(200) },
  "POST /api/v1/ssh-keys": {
    path: "/api/v1/ssh-keys",
    body: (persona) => ({ name: "laptop", publicKey: sshKey(persona) }),
    statuses: SELF(201),
  },
  "DELETE /api/v1/ssh-keys/:id": { path: "/api/v1/ssh-keys/key_of_the_owner", statuses: SELF(404) },
  "GET /api/v1/tokens": { path: "/api/v1/tokens", statuses: SELF(200) },
  "POST /api/v1/tokens": { path: "/api/v1/tokens", body: () => ({ name: "ci" }), statuses: SELF(201) },
  "DELETE /api/v1/tokens/:id": { path: "/api/v1/tokens/tok_of_the_owner", statuses: SELF(404) },
  "GET /api/v1/watch": { path: "/api/v1/watch?scope=STORE:0", statuses: READ },
  "GET /api/v1/hosts": { path: "/api/v1/hosts", statuses: OPERATORS(200) },
  // `shop` has its instance there: the operator gets past the door, and is told so.
  "DELETE /api/v1/hosts/:host": { path: "/api/v1/hosts/host-a", statuses: OPERATORS(409) },
  "PATCH /api/v1/hosts/:host": { path: "/api/v1/hosts/host-a", body: () => ({ schedulable: true }), statuses: OPERATORS(200) },
  "GET /api/v1/disks": { path: "/api/v1/disks", statuses: OPERATORS(200) },
  "GET /api/v1/host-loads": { path: "/api/v1/host-loads", statuses: OPERATORS(200) },
  "GET /api/v1/hosts/:host/load": { path: "/api/v1/hosts/host-a/load", statuses: OPERATORS(200) },
  "GET /api/v1/hosts/:host/disk": { path: "/api/v1/hosts/host-a/disk", statuses: OPERATORS(200) },
  "GET /api/v1/namespaces/:team/:namespace/disk": { path: `${NS}/disk`, statuses: READ },
  "DELETE /api/v1/namespaces/:team/:namespace/build-cache": { path: `${NS}/build-cache`, statuses: MEMBERS(202) },
  "POST /api/v1/host-tokens": { path: "/api/v1/host-tokens", body: () => ({ roles: ["run"] }), statuses: OPERATORS(201) },
  "POST /api/v1/teams": {
    path: "/api/v1/teams",
    body: (persona) => ({ name: `by-${persona}`, quota: { cpuMillis: 1_000, memoryBytes: 1024 ** 3, instances: 5, builds: 1 } }),
    statuses: OPERATORS(201),
  },
  "PATCH /api/v1/teams/:team": {
    path: "/api/v1/teams/acme",
    body: () => ({ displayName: "Acme" }),
    statuses: [401, 401, 404, 403, 403, 200],
  },
  "GET /api/v1/teams/:team": { path: "/api/v1/teams/acme", statuses: READ },
  "GET /api/v1/teams/:team/namespaces": { path: "/api/v1/teams/acme/namespaces", statuses: READ },
  "POST /api/v1/teams/:team/namespaces": {
    path: "/api/v1/teams/acme/namespaces",
    body: (persona) => ({ name: `by-${persona}` }),
    statuses: OWNERS(201),
  },
  "GET /api/v1/namespaces/:team/:namespace": { path: NS, statuses: READ },
  "PATCH /api/v1/namespaces/:team/:namespace": { path: NS, body: () => ({ displayName: "Store" }), statuses: OWNERS(200) },
  "PATCH /api/v1/namespaces/:team/:namespace/quota": {
    path: `${NS}/quota`,
    body: () => ({ quota: { instances: 200 } }),
    statuses: OWNERS(200),
  },
  ...Object.fromEntries(
    ["apps", "builds", "releases", "deployments", "instances", "routes", "events"].map((plural) => [
      `GET /api/v1/namespaces/:team/:namespace/${plural}`,
      { path: `${NS}/${plural}`, statuses: READ },
    ]),
  ),
  "GET /api/v1/namespaces/:team/:namespace/registries": { path: `${NS}/registries`, statuses: READ },
  "PUT /api/v1/namespaces/:team/:namespace/registries/:registry/credential": {
    path: `${NS}/registries/ghcr.io/credential`,
    body: () => ({ username: "ana", password: "secret" }),
    statuses: MEMBERS(204),
  },
  "DELETE /api/v1/namespaces/:team/:namespace/registries/:registry/credential": {
    path: `${NS}/registries/quay.io/credential`,
    statuses: MEMBERS(404),
  },
  "PUT /api/v1/namespaces/:team/:namespace/registries/:registry/mirrors": {
    path: `${NS}/registries/docker.io/mirrors`,
    body: () => ({ mirrors: ["mirror.example:5000"] }),
    statuses: MEMBERS(204),
  },
  "GET /api/v1/namespaces/:team/:namespace/apps/:name": { path: APP, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/builds/:name": { path: `${NS}/builds/shop-b1`, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/releases/:name": { path: `${NS}/releases/shop-v1`, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/deployments/:name": { path: `${NS}/deployments/shop-d1`, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/instances/:name": { path: `${NS}/instances/INSTANCE`, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/routes/:name": { path: `${NS}/routes/none`, statuses: MEMBERS(404) },
  "GET /api/v1/namespaces/:team/:namespace/events/:name": { path: `${NS}/events/none`, statuses: MEMBERS(404) },
  "POST /api/v1/namespaces/:team/:namespace/apps": { path: `${NS}/apps`, body: (persona) => ({ name: persona }), statuses: MEMBERS(201) },
  "PATCH /api/v1/namespaces/:team/:namespace/apps/:app": { path: APP, body: () => ({ env: { COLOUR: "blue" } }), statuses: MEMBERS(200) },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/scale": {
    path: `${APP}/scale`,
    body: () => ({ process: "web", replicas: 2 }),
    statuses: MEMBERS(200),
  },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/rollback": {
    path: `${APP}/rollback`,
    body: () => ({ release: 99 }),
    statuses: MEMBERS(404),
  },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy": {
    path: `${APP}/deploy`,
    body: () => ({ reference: "nginx:1" }),
    statuses: MEMBERS(201),
  },
  // Nobody's git is behind this API: members get past the door, and are told that the commit is not there.
  // Without a registry, whoever may ask is told so. The token service reads HTTP Basic alone.
  "GET /api/v1/registry/token": { path: "/api/v1/registry/token", statuses: ANYBODY(503) },
  "GET /api/v1/namespaces/:team/:namespace/builds/:name/packages": { path: `${NS}/builds/shop-b1/packages`, statuses: READ },
  "GET /api/v1/namespaces/:team/:namespace/releases/:name/packages": { path: `${NS}/releases/shop-v1/packages`, statuses: READ },
  "GET /api/v1/images": { path: "/api/v1/images", statuses: SELF(503) },
  "GET /api/v1/namespaces/:team/:namespace/images": { path: `${NS}/images`, statuses: MEMBERS(503) },
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app/images/:reference": { path: `${APP}/images/v9`, statuses: MEMBERS(503) },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/builds": {
    path: `${APP}/builds`,
    body: () => ({ commit: "a".repeat(40) }),
    statuses: MEMBERS(412),
  },
  // Nobody's git is behind this API: members get past the door, and are told so.
  "PUT /api/v1/namespaces/:team/:namespace/apps/:app/connection": {
    path: `${APP}/connection`,
    body: () => ({ url: "https://git.example/shop.git" }),
    statuses: MEMBERS(503),
  },
  "GET /api/v1/namespaces/:team/:namespace/apps/:app/connection": { path: `${APP}/connection`, statuses: MEMBERS(404) },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/connection/look": { path: `${APP}/connection/look`, statuses: MEMBERS(404) },
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app/connection": { path: `${APP}/connection`, statuses: MEMBERS(404) },
  "POST /api/v1/hooks/:hook": { path: "/api/v1/hooks/none", statuses: ANYBODY(404) },
  "GET /api/v1/namespaces/:team/:namespace/apps/:app/deploy-keys": { path: `${APP}/deploy-keys`, statuses: READ },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy-keys": {
    path: `${APP}/deploy-keys`,
    body: (persona) => ({ name: "ci", publicKey: sshKey(persona, "deploy") }),
    statuses: MEMBERS(201),
  },
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app/deploy-keys/:id": { path: `${APP}/deploy-keys/key_none`, statuses: MEMBERS(404) },
  "GET /api/v1/namespaces/:team/:namespace/apps/:app/branches": { path: `${APP}/branches`, statuses: READ },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy-branch": {
    path: `${APP}/deploy-branch`,
    body: () => ({ branch: "feature" }),
    statuses: MEMBERS(412),
  },
  "POST /api/v1/namespaces/:team/:namespace/apply": {
    path: `${NS}/apply`,
    body: () => ({ kind: "App", metadata: { name: "applied" }, spec: {} }),
    statuses: MEMBERS(200),
  },
  "PUT /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name": {
    path: (persona) => `${own(persona)}/secrets/KEY`,
    body: () => ({ value: "s3cret" }),
    statuses: MEMBERS(204),
  },
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name/reveal": {
    path: (persona) => `${own(persona)}/secrets/KEY/reveal`,
    statuses: OWNERS(200),
  },
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name": {
    path: (persona) => `${own(persona)}/secrets/KEY`,
    statuses: MEMBERS(204),
  },
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app": { path: own, statuses: MEMBERS(202) },
  "POST /api/v1/namespaces/:team/:namespace/builds/:name/cancel": { path: `${NS}/builds/shop-b1/cancel`, statuses: MEMBERS(200) },
  "GET /api/v1/namespaces/:team/:namespace/builds/:name/log": { path: `${NS}/builds/shop-b1/log`, statuses: READ },
  // Its host has never reported: members get past the door, and are told so.
  "GET /api/v1/namespaces/:team/:namespace/instances/:name/log": { path: `${NS}/instances/INSTANCE/log`, statuses: MEMBERS(503) },
  "POST /api/agent/v1/enroll": {
    path: "/api/agent/v1/enroll",
    body: () => ({
      token: "none",
      name: "evil",
      underlay: "10.0.0.9",
      publicKey: Buffer.alloc(32).toString("base64"),
      roles: [],
      capacity: { cpuMillis: 1, memoryBytes: 1 },
      facts: {},
    }),
    statuses: ANYBODY(401),
  },
  "PUT /api/agent/v1/host": {
    path: "/api/agent/v1/host",
    body: () => ({ underlay: "127.0.0.1", roles: ["run"], capacity: { cpuMillis: 4_000, memoryBytes: 8 * 1024 ** 3 }, facts: {} }),
    statuses: HOSTS(204),
  },
  "GET /api/agent/v1/desired": { path: "/api/agent/v1/desired", statuses: HOSTS(200) },
  "POST /api/agent/v1/report": { path: "/api/agent/v1/report", body: () => ({ instances: [] }), statuses: HOSTS(204) },
  "PUT /api/agent/v1/disk": {
    path: "/api/agent/v1/disk",
    body: () => ({ sizeBytes: 1, freeBytes: 1, cacheBytes: 1, cacheNamespaceBytes: 1, entries: [] }),
    statuses: HOSTS(204),
  },
  "PUT /api/agent/v1/images/:digest/packages": {
    path: "/api/agent/v1/images/none/packages",
    body: () => ({ list: { packages: [], notes: [] } }),
    statuses: HOSTS(204),
  },
  "POST /api/agent/v1/builds/:uid/claim": { path: "/api/agent/v1/builds/none/claim", statuses: HOSTS(404) },
  "POST /api/agent/v1/builds/:uid/progress": {
    path: "/api/agent/v1/builds/none/progress",
    body: () => ({ epoch: 1, entries: [] }),
    statuses: HOSTS(409),
  },
  "POST /api/agent/v1/builds/:uid/result": {
    path: "/api/agent/v1/builds/none/result",
    body: () => ({ epoch: 1, result: { outcome: "failed", failure: { reason: "internal", message: "x" } } }),
    statuses: HOSTS(409),
  },
  "GET /api/agent/v1/namespaces/:uid/image-manifest": {
    path: "/api/agent/v1/namespaces/none/image-manifest?reference=a",
    statuses: HOSTS(404),
  },
  "GET /api/agent/v1/namespaces/:uid/image-blobs/:digest": {
    path: "/api/agent/v1/namespaces/none/image-blobs/a?reference=a",
    statuses: HOSTS(404),
  },
  "GET /api/agent/v1/layers/:digest": { path: `/api/agent/v1/layers/sha256:${"0".repeat(64)}`, statuses: HOSTS(404) },
  "POST /api/agent/v1/streams/:id": { path: "/api/agent/v1/streams/none", statuses: HOSTS(404) },
};

let fixture: Fixture;
let tokens: Record<Persona, string | undefined>;
const placeholders: Record<string, string> = {};

beforeAll(async () => {
  fixture = await startFixture();
  const [acme, other] = [await fixture.team("acme"), await fixture.team("other")];
  const store = await fixture.namespace(acme, "store", { cpuMillis: 50_000, memoryBytes: 50 * 1024 ** 3, instances: 100, builds: 5 });
  const owner = await fixture.user({ roles: { [acme.metadata.uid]: "owner" } });
  const developer = await fixture.user({ roles: { [acme.metadata.uid]: "developer" } });
  const outsider = await fixture.user({ roles: { [other.metadata.uid]: "owner" } });
  const operator = await fixture.user({ operator: true });
  const host: TestHost = await fixture.host("host-a");
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
  const { release } = await releaseApp(fixture, store, "shop", "shop:1");
  const instance = await placeInstance(fixture, store, release, { ...host, uid: "host_never_heard_of" });
  await placeInstance(fixture, store, release, host, { ordinal: 2 });
  placeholders.STORE = store.metadata.uid;
  placeholders.INSTANCE = instance.metadata.name;
  tokens = {
    anonymous: undefined,
    host: host.credential,
    outsider: outsider.token,
    developer: developer.token,
    owner: owner.token,
    operator: operator.token,
  };
});
afterAll(() => fixture.close());

describe("the permission table", () => {
  const routes = [...PUBLIC_ROUTES, ...AGENT_ROUTES].map((route) => `${route.method} ${route.path}`);

  const mutating = new Set(PUBLIC_ROUTES.filter(({ commit }) => commit).map((route) => `${route.method} ${route.path}`));

  it("has a row for every route, and no other", () => {
    expect(Object.keys(TABLE).sort()).toEqual([...routes].sort());
  });

  // In the order of the table: what is made is revealed and removed by the same persona.
  for (const [name, row] of Object.entries(TABLE))
    it(`${name}: ${PERSONAS.map((persona, at) => `${persona} ${row.statuses[at]}`).join(", ")}`, async () => {
      const answered: Record<string, number> = {};
      for (const persona of PERSONAS) {
        const token = tokens[persona];
        const template = typeof row.path === "string" ? row.path : row.path(persona);
        const path = template.replaceAll(/STORE|INSTANCE/g, (placeholder) => placeholders[placeholder] ?? "");
        const response = await fixture.request(name.split(" ")[0] ?? "", path, {
          ...(token === undefined ? {} : { token }),
          ...(row.body === undefined ? {} : { body: row.body(persona) }),
        });
        answered[persona] = response.status;
        if (response.status >= 400) expect(response.headers.get("content-type")).toBe("application/problem+json");
        await response.body?.cancel();
        const requestId = response.headers.get("x-request-id") ?? "";
        if (response.ok && mutating.has(name)) expect(await fixture.db.platform.auditTrail({ requestId }), persona).not.toHaveLength(0);
      }
      expect(answered).toEqual(Object.fromEntries(PERSONAS.map((persona, at) => [persona, row.statuses[at]])));
    });

  it("writes no internal error to the log meanwhile", () => {
    expect(fixture.logs).toEqual([]);
  });
});
