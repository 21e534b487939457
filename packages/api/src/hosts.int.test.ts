import type { DesiredState, HostLoad, HostLoadDetail } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { placeBuild, placeInstance, releaseApp, type SeededApp } from "./testing/seed.ts";

const NS = "/api/v1/namespaces/acme/store";
let fixture: Fixture;
let store: Resource<"Namespace">;
let operator: TestUser;
let owner: TestUser;
let stays: TestHost;
let shop: SeededApp;

beforeAll(async () => {
  fixture = await startFixture();
  operator = await fixture.user({ operator: true });
  const team = await fixture.team("acme");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  store = await fixture.namespace(team, "store");
  stays = await fixture.host("host-stays", { roles: ["build", "run", "ingress"] });
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
  shop = await releaseApp(fixture, store, "shop", "shop:1");
});
afterAll(() => fixture.close());

const remove = (name: string, query = "") => fixture.request("DELETE", `/api/v1/hosts/${name}${query}`, { token: operator.token });
const refusal = async (response: Response) => ({ status: response.status, detail: ((await response.json()) as { detail: string }).detail });
const desired = (host: TestHost) => fixture.request("GET", "/api/agent/v1/desired", { token: host.credential });

async function wakes(): Promise<string[]> {
  const found = new Set<string>();
  while (
    (await fixture.db.relayOutbox(500, async (batch) => {
      for (const { job, key } of batch) found.add(`${job}/${key}`);
    })) > 0
  );
  return [...found].sort();
}

describe("a host", () => {
  it("is closed and opened by operators, and those with something there are woken", async () => {
    const host = await fixture.host("host-closed");
    await placeInstance(fixture, store, shop.release, host);
    await wakes();
    const set = (schedulable: boolean) =>
      fixture.json<Resource<"Host">>("PATCH", "/api/v1/hosts/host-closed", { token: operator.token, body: { schedulable } });
    expect((await set(false)).spec.schedulable).toBe(false);
    expect(await wakes()).toEqual([`app/${shop.app.metadata.uid}`]);
    // What a host says of itself at its next start does not open it.
    const said = { underlay: "10.0.0.7", capacity: { cpuMillis: 1_000, memoryBytes: 1024 ** 3 }, facts: {} };
    await fixture.json("PUT", "/api/agent/v1/host", { token: host.credential, body: said, status: 204 });
    expect((await fixture.db.objects(PLATFORM).get("Host", host.uid)).spec.schedulable).toBe(false);
    expect((await set(true)).spec.schedulable).toBe(true);
  });

  it("tells operators what runs on it, whose, when it was heard of, and what was done to it", async () => {
    const host = await fixture.host("host-told");
    const load = () => fixture.json<HostLoadDetail>("GET", "/api/v1/hosts/host-told/load", { token: operator.token });
    expect(await load()).toMatchObject({ instances: 0, builds: 0, cpuMillis: 0, memoryBytes: 0, namespaces: [] });
    const instance = await placeInstance(fixture, store, shop.release, host, { phase: "ready" });
    const pressure = { cpuSome: 12, memorySome: 0, memoryFull: 0, ioSome: 3, ioFull: 1 };
    const before = Date.now();
    await fixture.json("POST", "/api/agent/v1/report", { token: host.credential, body: { instances: [], pressure }, status: 204 });
    await fixture.json("PATCH", "/api/v1/hosts/host-told", { token: operator.token, body: { schedulable: false } });
    const told = await load();
    const row = { instances: 1, builds: 0, cpuMillis: 250, memoryBytes: 256 * 1024 ** 2 };
    expect(told).toMatchObject({ ...row, pressure, namespaces: [{ namespace: "acme/store", ...row }] });
    expect(told.history[0]).toMatchObject({ action: "hosts.close", by: (await fixture.db.identities.user(operator.id))?.name });
    expect(Math.abs(Date.parse(told.heardAt ?? "") - before)).toBeLessThan(5_000);
    const { items } = await fixture.json<{ items: HostLoad[] }>("GET", "/api/v1/host-loads", { token: operator.token });
    expect(items.find((one) => one.host === "host-told")).toMatchObject({ ...row, pressure });
    // What is stopped takes nothing any more.
    await fixture.commit(async ({ tx }) => {
      const over = await tx.objects.lock("Instance", instance.metadata.uid);
      await tx.objects.updateStatus(over, { ...over.status, phase: "stopped" });
    });
    expect(await load()).toMatchObject({ instances: 0, memoryBytes: 0, namespaces: [] });
  });

  it("is not removed while instances or builds are on it, and the refusal names whose", async () => {
    const host = await fixture.host("host-busy");
    const instance = await placeInstance(fixture, store, shop.release, host);
    expect(await refusal(await remove("host-busy"))).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/still has 1 instances and 0 builds, of acme\/store\/shop\. Close it first/),
    });
    await fixture.commit(async ({ tx }) => tx.objects.delete(await tx.objects.lock("Instance", instance.metadata.uid)));
    const build = await fixture.json<Resource<"Build">>("POST", `${NS}/apps/shop/deploy`, {
      token: owner.token,
      body: { reference: "x:1" },
    });
    await fixture.commit(({ tx }) => placeBuild(tx, build, host));
    expect((await remove("host-busy")).status).toBe(409);
    await fixture.commit(async ({ tx }) => {
      const over = await tx.objects.lock("Build", build.metadata.uid);
      await tx.objects.updateStatus(over, { ...over.status, phase: "failed" });
    });
    expect((await remove("host-busy")).status).toBe(204);
  });

  it("that alone has a live image is removed with force only", async () => {
    const host = await fixture.host("host-images");
    await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "sleeper" } });
    const { release } = await releaseApp(fixture, store, "sleeper", "sleeper:1");
    await fixture.commit(async ({ tx }) => {
      const built = await tx.objects.lock("Release", release.metadata.uid);
      await tx.objects.updateSpec(built, { ...built.spec, builtOn: host.uid });
    });
    expect(await refusal(await remove("host-images"))).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/acme\/store\/sleeper/),
    });
    // Another host that runs it has its image too.
    const copy = await placeInstance(fixture, store, release, stays, { phase: "ready" });
    const asked = fixture.db.platform.appsWithImageOnlyOn(host.uid);
    expect(await asked).toEqual([]);
    await fixture.commit(async ({ tx }) => tx.objects.delete(await tx.objects.lock("Instance", copy.metadata.uid)));
    expect((await remove("host-images")).status).toBe(409);
    expect((await remove("host-images", "?force=true")).status).toBe(204);
  });

  it("that was removed is gone for everybody: its credential, its lease, its place among the others' peers", async () => {
    const host = await fixture.host("host-gone", { roles: ["ingress"] });
    await fixture.json("POST", "/api/agent/v1/report", { token: host.credential, body: { instances: [], routingVersion: 1 }, status: 204 });
    const waiting = await placeInstance(fixture, store, shop.release, stays, { desired: "draining", phase: "ready", ordinal: 9 });
    const peers = async () => ((await (await desired(stays)).json()) as DesiredState).peers.map(({ name }) => name);
    expect(await peers()).toContain("host-gone");
    await wakes();
    expect((await remove("host-gone")).status).toBe(204);
    // Its user in Redis, the others' tunnels to it, and who waited for its ingress.
    expect(await wakes()).toEqual(expect.arrayContaining([`host/${host.uid}`, `sync/${stays.uid}`, `app/${waiting.metadata.ownerUid}`]));
    expect((await desired(host)).status).toBe(401);
    expect(await peers()).not.toContain("host-gone");
    expect((await fixture.db.platform.hostLeases()).has(host.uid)).toBe(false);
    expect(await fixture.db.hosts.removed()).toContain(host.uid);
    expect((await remove("host-gone")).status).toBe(404);
  });

  it("takes the place of one that was removed once all places were given", async () => {
    const first = await fixture.host("host-early");
    const index = ((await (await desired(first)).json()) as DesiredState).host.index;
    await remove("host-early");
    await fixture.commit(async ({ tx }) => {
      for (let n = await tx.platform.nextNumber("host-index"); n < 1_024; ) n = await tx.platform.nextNumber("host-index");
    });
    const used = (await fixture.db.objects(PLATFORM).list("Host")).map(({ spec }) => spec.index);
    const late = await fixture.host("host-late");
    const given = ((await (await desired(late)).json()) as DesiredState).host.index;
    expect(used).not.toContain(given);
    expect(given).toBeLessThanOrEqual(index);
  });
});

describe("a team", () => {
  const quota = { cpuMillis: 4_000, memoryBytes: 1024 ** 3, instances: 10, builds: 2 };

  it("is made by operators, with an owner who can use it at once", async () => {
    const made = await fixture.json<Resource<"Team">>("POST", "/api/v1/teams", {
      token: operator.token,
      body: { name: "rockets", quota, owner: owner.email },
      status: 201,
    });
    expect(made.spec).toEqual({ displayName: "rockets", quota });
    await fixture.json("POST", "/api/v1/teams/rockets/namespaces", { token: owner.token, body: { name: "prod" }, status: 201 });
    const again = await fixture.request("POST", "/api/v1/teams", { token: operator.token, body: { name: "rockets", quota } });
    expect(again.status).toBe(409);
    const nobody = { name: "ghosts", quota, owner: "nobody@plimsoll.example" };
    expect((await fixture.request("POST", "/api/v1/teams", { token: operator.token, body: nobody })).status).toBe(404);
    expect((await fixture.request("GET", "/api/v1/teams/ghosts", { token: operator.token })).status).toBe(404);
  });

  it("gets more or less of the platform, and gives no more than it has", async () => {
    const patch = (change: object) =>
      fixture.json<Resource<"Team">>("PATCH", "/api/v1/teams/rockets", { token: operator.token, body: { quota: change } });
    expect((await patch({ instances: 3 })).spec.quota).toEqual({ ...quota, instances: 3 });
    const more = { token: owner.token, body: { name: "more", quota: { ...quota, cpuMillis: 0, memoryBytes: 0, builds: 0 } } };
    expect(await refusal(await fixture.request("POST", "/api/v1/teams/rockets/namespaces", more))).toMatchObject({ status: 403 });
    expect((await patch({ instances: 300 })).spec.quota.instances).toBe(300);
    await fixture.json("POST", "/api/v1/teams/rockets/namespaces", { ...more, status: 201 });
  });
});
