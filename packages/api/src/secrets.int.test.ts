import { openBox } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { createBuild } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PUBLIC_ROUTES } from "./routes/index.ts";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";
import { placeBuild, placeInstance, releaseApp } from "./testing/seed.ts";
import { readSse } from "./testing/sse.ts";

const CANARY = "canary-7f3e9b1c-0d52";
const NS = "/api/v1/namespaces/acme/store";
const SECRET = `${NS}/apps/shop/secrets/DB_PASSWORD`;
let fixture: Fixture;
let namespace: Resource<"Namespace">;
let owner: TestUser;
let dev: TestUser;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  namespace = await fixture.namespace(team, "store");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  dev = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
});
afterAll(() => fixture.close());

describe("a secret", () => {
  it("is revealed to an owner, audited, and to nobody else", async () => {
    expect((await fixture.request("PUT", SECRET, { token: dev.token, body: { value: CANARY } })).status).toBe(204);
    await releaseApp(fixture, namespace, "shop", "shop:1");
    expect((await fixture.request("POST", `${SECRET}/reveal`, { token: dev.token })).status).toBe(403);
    const revealed = await fixture.request("POST", `${SECRET}/reveal`, { token: owner.token });
    expect(await revealed.json()).toEqual({ value: CANARY });
    const trail = await fixture.db.platform.auditTrail({ requestId: revealed.headers.get("x-request-id") ?? "" });
    expect(trail).toMatchObject([{ action: "secrets.reveal", actor: `user:${owner.id}`, details: { secret: "DB_PASSWORD" } }]);
  });

  it("appears in no other answer, stream, audit row or log line", async () => {
    const [hostA, hostB] = [await fixture.host("host-a"), await fixture.host("host-b")];
    const [release] = (await fixture.json<{ items: Resource<"Release">[] }>("GET", `${NS}/releases`, { token: owner.token })).items;
    if (release === undefined) throw new Error("no release");
    await placeInstance(fixture, namespace, release, hostA);
    const watch = await fixture.request("GET", `/api/v1/watch?scope=${namespace.metadata.uid}:0`, { token: owner.token });
    const events = readSse(watch);
    const texts: string[] = [];
    for (const route of PUBLIC_ROUTES.filter(({ method, responses }) => method === "GET" && responses[200] !== "stream")) {
      const path = route.path
        .replace(":team", "acme")
        .replace(":namespace", "store")
        .replace("apps/:name", "apps/shop")
        .replace("builds/:name", "builds/shop-b1")
        .replace("releases/:name", "releases/shop-v1")
        .replace("deployments/:name", "deployments/shop-d1");
      texts.push(await (await fixture.request("GET", path, { token: owner.token })).text());
    }
    for (let seen = 0; seen < 8; seen++) texts.push(JSON.stringify(await events.next(300)));
    await events.cancel();
    for (const host of [hostA, hostB])
      texts.push(await (await fixture.request("GET", "/api/agent/v1/desired", { token: host.credential })).text());
    texts.push(JSON.stringify(await fixture.db.platform.auditTrail({ teamUid: namespace.metadata.teamUid ?? "" })));
    texts.push(...fixture.logs);
    // What is searched is really there: names are, the value is not.
    expect(texts.join("\n")).toContain("DB_PASSWORD");
    expect(texts.join("\n")).not.toContain(CANARY);
    expect(texts.join("\n")).not.toContain(Buffer.from(CANARY).toString("base64"));
  });

  it("reaches the host of a bound instance only, sealed to its key", async () => {
    const bound = await fixture.host("host-a");
    const other = await fixture.host("host-b");
    type Desired = { instances: { sealedEnv?: string }[]; namespaces: unknown[] };
    const mine = await fixture.json<Desired>("GET", "/api/agent/v1/desired", { token: bound.credential });
    const sealed = mine.instances[0]?.sealedEnv ?? "";
    expect(JSON.parse(openBox(sealed, bound.privateKey))).toEqual({ DB_PASSWORD: CANARY });
    expect(() => openBox(sealed, other.privateKey)).toThrow();
    const theirs = await fixture.json<Desired>("GET", "/api/agent/v1/desired", { token: other.credential });
    expect(theirs).toMatchObject({ instances: [], namespaces: [], builds: [] });
    const again = await fixture.json<Desired>("GET", "/api/agent/v1/desired", { token: bound.credential });
    expect(again.instances[0]?.sealedEnv).toBe(sealed);
  });

  it("reaches the host that a build was placed on, sealed to its key, when that claims it", async () => {
    const [placed, other] = [await fixture.host("host-a"), await fixture.host("host-b")];
    const build = await fixture.commit(async ({ tx }) => {
      const app = await tx.objects.getByName("App", namespace.metadata.uid, "shop");
      const source = { kind: "image" as const, reference: "shop:2" };
      return placeBuild(tx, await createBuild(tx, { namespace, app, source, requestedBy: "Ana" }), placed);
    });
    const claim = (host: typeof placed) =>
      fixture.request("POST", `/api/agent/v1/builds/${build.metadata.uid}/claim`, { token: host.credential });
    expect((await claim(other)).status).toBe(404);
    const { sealedSecrets } = (await (await claim(placed)).json()) as { sealedSecrets: string };
    expect(JSON.parse(openBox(sealedSecrets, placed.privateKey))).toEqual({ DB_PASSWORD: CANARY });
    expect(() => openBox(sealedSecrets, other.privateKey)).toThrow();
  });

  it("of a name that is taken, or of none, is refused in words", async () => {
    const put = (name: string, value = "x") =>
      fixture.request("PUT", `${NS}/apps/shop/secrets/${name}`, { token: dev.token, body: { value } });
    expect((await put("PORT")).status).toBe(422);
    expect((await put("1BAD")).status).toBe(422);
    expect((await put("ZERO", "a\0b")).status).toBe(422);
    await fixture.json("PATCH", `${NS}/apps/shop`, { token: dev.token, body: { env: { PLAIN: "1" } } });
    expect((await put("PLAIN")).status).toBe(422);
    expect((await fixture.request("DELETE", `${NS}/apps/shop/secrets/NONE`, { token: dev.token })).status).toBe(404);
  });

  it("is taken away with the next release, and stays with the releases that name it", async () => {
    expect((await fixture.request("DELETE", SECRET, { token: dev.token })).status).toBe(204);
    const { items } = await fixture.json<{ items: Resource<"Release">[] }>("GET", `${NS}/releases`, { token: dev.token });
    expect(items[0]?.spec.secrets).toEqual({});
    expect(items.at(-1)?.spec.secrets).toEqual({ DB_PASSWORD: 1 });
    expect((await fixture.request("POST", `${SECRET}/reveal`, { token: owner.token })).status).toBe(404);
  });
});
