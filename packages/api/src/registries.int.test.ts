import { openBox } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { placeBuild } from "./testing/seed.ts";

const CANARY = "canary-51c0a7de-registry";
const NS = "/api/v1/namespaces/acme/store";
const HOST = "registry.example:5000";
const CREDENTIAL = `${NS}/registries/${encodeURIComponent(HOST)}/credential`;

describe("a namespace's registries", () => {
  let fixture: Fixture;
  let namespace: Resource<"Namespace">;
  let other: Resource<"Namespace">;
  let dev: TestUser;

  beforeAll(async () => {
    fixture = await startFixture();
    const team = await fixture.team("acme");
    namespace = await fixture.namespace(team, "store");
    other = await fixture.namespace(team, "other");
    dev = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
    for (const name of ["store", "other"]) {
      await fixture.json("POST", `/api/v1/namespaces/acme/${name}/apps`, { token: dev.token, body: { name: "shop" } });
    }
  });
  afterAll(() => fixture.close());

  const list = async (token = dev.token) => (await fixture.json<{ items: unknown[] }>("GET", `${NS}/registries`, { token })).items;
  const put = (path: string, body: unknown) => fixture.request("PUT", path, { token: dev.token, body });
  const placed = (where: Resource<"Namespace">, host: TestHost) =>
    fixture.commit(async ({ tx }) => {
      const app = await tx.objects.getByName("App", where.metadata.uid, "shop");
      const source = { kind: "image" as const, reference: `${HOST}/shop:2` };
      return placeBuild(tx, await createBuild(tx, { namespace: where, app, source, requestedBy: "Ana" }), host);
    });
  const claim = async (build: Resource<"Build">, host: TestHost) => {
    const answer = await fixture.request("POST", `/api/agent/v1/builds/${build.metadata.uid}/claim`, { token: host.credential });
    return { status: answer.status, sealed: ((await answer.json()) as { sealedRegistries?: string }).sealedRegistries };
  };

  it("shows that there is a credential, and never what it is", async () => {
    expect(await list()).toEqual([]);
    expect((await put(CREDENTIAL, { username: "ana", password: CANARY })).status).toBe(204);
    expect(await list()).toEqual([
      { registry: HOST, username: "ana", mirrors: [], changedAt: expect.any(String), changedBy: expect.stringMatching(/^User/) },
    ]);
    expect(JSON.stringify(await fixture.db.platform.auditTrail({})) + fixture.logs.join("")).not.toContain(CANARY);
    expect((await fixture.db.platform.auditTrail({})).some(({ action }) => action === "registries.write")).toBe(true);
  });

  it("gives it to the host that a build of this namespace was placed on, sealed to that host's key, and with no other namespace's build", async () => {
    const [host, stranger] = [await fixture.host("host-a"), await fixture.host("host-b")];
    expect((await put(`${NS}/registries/ghcr.io/credential`, { username: "other", password: "of no use here" })).status).toBe(204);
    const build = await placed(namespace, host);
    expect((await claim(build, stranger)).status).toBe(404);
    const { sealed = "" } = await claim(build, host);
    expect(JSON.parse(openBox(sealed, host.privateKey))).toEqual({ [HOST]: { credential: { username: "ana", password: CANARY } } });
    expect((await fixture.request("DELETE", `${NS}/registries/ghcr.io/credential`, { token: dev.token })).status).toBe(204);
    expect(await list()).toMatchObject([{ registry: HOST }]);
    expect(() => openBox(sealed, stranger.privateKey)).toThrow();
    expect(sealed).not.toContain(CANARY);
    expect((await claim(await placed(other, host), host)).sealed).toBeUndefined();
  });

  it("keeps what it holds sealed to its own namespace and registry", async () => {
    const { uid } = namespace.metadata;
    const rows = await fixture.db.registries.open(uid);
    expect(rows[HOST]?.credential?.password).toBe(CANARY);
    expect(await fixture.db.registries.open(other.metadata.uid)).toEqual({});
  });

  it("keeps mirrors beside the credential, in their order, and forgets a registry that nothing is left of", async () => {
    const mirrors = `${NS}/registries/docker.io/mirrors`;
    expect((await put(mirrors, { mirrors: ["Mirror.example:5000", "h.example/hub"] })).status).toBe(204);
    expect(await list()).toMatchObject([{ registry: "docker.io", mirrors: ["mirror.example:5000", "h.example/hub"] }, { registry: HOST }]);
    expect((await put(`${NS}/registries/index.docker.io/credential`, { username: "hub", password: "x" })).status).toBe(204);
    expect((await put(mirrors, { mirrors: [] })).status).toBe(204);
    expect(await list()).toMatchObject([{ registry: "docker.io", username: "hub", mirrors: [] }, { registry: HOST }]);
    const remove = (path: string) => fixture.request("DELETE", path, { token: dev.token });
    expect((await remove(`${NS}/registries/docker.io/credential`)).status).toBe(204);
    expect((await remove(`${NS}/registries/docker.io/credential`)).status).toBe(404);
    expect(await list()).toMatchObject([{ registry: HOST }]);
  });

  it.each([
    [`${NS}/registries/${encodeURIComponent("https://ghcr.io")}/credential`, { username: "a", password: "b" }],
    [`${NS}/registries/${encodeURIComponent("a b")}/credential`, { username: "a", password: "b" }],
    [CREDENTIAL, { username: "a:b", password: "c" }],
    [CREDENTIAL, { username: "a", password: "b\nc" }],
    [CREDENTIAL, { username: "a", password: "" }],
    [`${NS}/registries/docker.io/mirrors`, { mirrors: ["docker.io"] }],
    [`${NS}/registries/docker.io/mirrors`, { mirrors: ["m.example/../x"] }],
    [`${NS}/registries/docker.io/mirrors`, { mirrors: ["m.example", "m.example"] }],
  ])("refuses %s %j in words", async (path, body) => {
    const answer = await put(path, body);
    expect(answer.status).toBe(422);
    expect(((await answer.json()) as { detail: string }).detail.length).toBeGreaterThan(10);
  });

  it("has no more than its bound", async () => {
    for (let i = 0; i < 49; i++) expect((await put(`${NS}/registries/r${i}.example/mirrors`, { mirrors: ["m.example"] })).status).toBe(204);
    const refused = await put(`${NS}/registries/one-more.example/credential`, { username: "a", password: "b" });
    expect(refused.status).toBe(409);
  });
});
