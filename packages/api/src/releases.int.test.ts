import type { Resource } from "@plimsoll/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";
import { releaseApp } from "./testing/seed.ts";

const NS = "/api/v1/namespaces/acme/store";
const APP = `${NS}/apps/shop`;
let fixture: Fixture;
let namespace: Resource<"Namespace">;
let dev: TestUser;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  namespace = await fixture.namespace(team, "store", { cpuMillis: 10_000, memoryBytes: 10 * 1024 ** 3, instances: 20, builds: 2 });
  dev = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
});
afterAll(() => fixture.close());

type Listed<K extends "Release" | "Deployment" | "Build"> = { items: Resource<K>[] };
const releases = async () => (await fixture.json<Listed<"Release">>("GET", `${NS}/releases?app=shop`, { token: dev.token })).items;
const deployments = async () => (await fixture.json<Listed<"Deployment">>("GET", `${NS}/deployments?app=shop`, { token: dev.token })).items;

/** As the app controller does when a rollout is done. */
async function finishDeployment(): Promise<void> {
  await fixture.commit(async ({ tx }) => {
    const app = await tx.objects.getByName("App", namespace.metadata.uid, "shop");
    const [newest] = await tx.objects.list("Deployment", { ownerUid: app.metadata.uid, newestFirst: true, limit: 1 });
    if (newest === undefined) throw new Error("no deployment");
    await tx.objects.updateStatus(newest, { ...newest.status, phase: "complete", readyAt: new Date().toISOString() });
    await tx.objects.updateStatus(app, { ...app.status, phase: "live", release: newest.spec.release });
  });
}

describe("configuration of an app", () => {
  it("waits for the first release of an app that has none", async () => {
    await fixture.json("POST", `${NS}/apps`, { token: dev.token, body: { name: "shop" }, status: 201 });
    await fixture.json("PATCH", APP, { token: dev.token, body: { env: { COLOUR: "red" } }, status: 200 });
    await fixture.request("PUT", `${APP}/secrets/KEY`, { token: dev.token, body: { value: "one" } });
    expect(await releases()).toEqual([]);
  });

  it("makes a new release of the same image when it changes on a live app", async () => {
    await releaseApp(fixture, namespace, "shop", "shop:1");
    await fixture.json("PATCH", APP, { token: dev.token, body: { env: { COLOUR: "blue", SIZE: "m" } }, status: 200 });
    const [newest, before] = await releases();
    expect(newest?.spec).toMatchObject({ number: 2, env: { COLOUR: "blue", SIZE: "m" }, changed: ["env COLOUR", "env SIZE"] });
    expect(newest?.spec.image).toEqual(before?.spec.image);
    expect((await deployments())[0]?.spec).toMatchObject({ release: 2, reason: "config", createdBy: "User 1" });
    await finishDeployment();
  });

  it("makes none when nothing of the release changes", async () => {
    const count = (await releases()).length;
    await fixture.json("PATCH", APP, { token: dev.token, body: { env: { COLOUR: "blue" }, labels: { tier: "front" } }, status: 200 });
    await fixture.json("POST", `${APP}/scale`, { token: dev.token, body: { process: "web", replicas: 3 }, status: 200 });
    await fixture.json("PATCH", APP, { token: dev.token, body: { processes: { web: { replicas: 2 } } }, status: 200 });
    expect(await releases()).toHaveLength(count);
  });

  it("goes with a changed secret, and not with the same value again", async () => {
    const put = (value: string) => fixture.request("PUT", `${APP}/secrets/KEY`, { token: dev.token, body: { value } });
    expect((await put("two")).status).toBe(204);
    const [newest] = await releases();
    expect(newest?.spec).toMatchObject({ number: 3, secrets: { KEY: 2 }, changed: ["secret KEY"] });
    await finishDeployment();
    expect((await put("two")).status).toBe(204);
    expect((await releases())[0]?.spec.number).toBe(3);
  });

  it("builds on what is on its way", async () => {
    await fixture.json("PATCH", APP, { token: dev.token, body: { env: { A: "1" } } });
    await fixture.json("PATCH", APP, { token: dev.token, body: { env: { B: "1" } } });
    expect((await releases())[0]?.spec).toMatchObject({ number: 5, changed: ["env B"] });
    await finishDeployment();
  });
});

describe("configuration after a rollout that failed", () => {
  it("builds on what is live", async () => {
    await fixture.json("POST", `${NS}/apps`, { token: dev.token, body: { name: "shaky" } });
    const { release: first } = await releaseApp(fixture, namespace, "shaky", "shaky:1");
    const { app, deployment } = await releaseApp(fixture, namespace, "shaky", "shaky:2");
    await fixture.commit(async ({ tx }) => {
      await tx.objects.updateStatus(await tx.objects.get("Deployment", deployment.metadata.uid), { ...deployment.status, phase: "failed" });
      await tx.objects.updateStatus(await tx.objects.get("App", app.metadata.uid), { ...app.status, phase: "live", release: 1 });
    });
    await fixture.json("PATCH", `${NS}/apps/shaky`, { token: dev.token, body: { env: { A: "1" } }, status: 200 });
    const { items } = await fixture.json<Listed<"Release">>("GET", `${NS}/releases?app=shaky`, { token: dev.token });
    expect(items[0]?.spec).toMatchObject({ number: 3, image: { digest: first.spec.image.digest } });
    await fixture.request("DELETE", `${NS}/apps/shaky`, { token: dev.token });
  });
});

describe("rollback", () => {
  it("rolls out the release before the live one, as it was", async () => {
    const deployment = await fixture.json<Resource<"Deployment">>("POST", `${APP}/rollback`, { token: dev.token, body: {}, status: 201 });
    expect(deployment.spec).toMatchObject({ release: 3, reason: "rollback" });
    await finishDeployment();
    const named = await fixture.json<Resource<"Deployment">>("POST", `${APP}/rollback`, {
      token: dev.token,
      body: { release: 1 },
      status: 201,
    });
    expect(named.spec.release).toBe(1);
    await finishDeployment();
    expect(await releases()).toHaveLength(5);
  });

  it("is not undone by scaling", async () => {
    const count = (await releases()).length;
    await fixture.json("POST", `${APP}/scale`, { token: dev.token, body: { process: "web", replicas: 1 }, status: 200 });
    await fixture.json("POST", `${APP}/scale`, { token: dev.token, body: { process: "web", replicas: 2 }, status: 200 });
    expect(await releases()).toHaveLength(count);
  });

  it("says so when there is nothing to go to", async () => {
    const again = await fixture.json<{ detail: string }>("POST", `${APP}/rollback`, {
      token: dev.token,
      body: { release: 1 },
      status: 412,
    });
    expect(again.detail).toContain("is on v1 already");
    const unknown = await fixture.json<{ detail: string }>("POST", `${APP}/rollback`, {
      token: dev.token,
      body: { release: 77 },
      status: 404,
    });
    expect(unknown.detail).toContain("no release v77");
    await fixture.json("POST", `${NS}/apps`, { token: dev.token, body: { name: "fresh" } });
    await fixture.json("POST", `${NS}/apps/fresh/rollback`, { token: dev.token, body: {}, status: 412 });
  });

  it("counts what the older release takes, when that is more", async () => {
    const used = async () => (await fixture.json<Resource<"Namespace">>("GET", NS, { token: dev.token })).status.used.cpuMillis;
    const before = await used();
    await fixture.json("PATCH", APP, { token: dev.token, body: { processes: { web: { cpuMillis: 100 } } } });
    await finishDeployment();
    expect(await used()).toBe(before - 2 * 150);
    await fixture.json("POST", `${APP}/rollback`, { token: dev.token, body: { release: 1 } });
    expect(await used()).toBe(before);
    await finishDeployment();
  });
});

describe("images", () => {
  it("are deployed by a build, also when an app is made from one", async () => {
    const build = await fixture.json<Resource<"Build">>("POST", `${APP}/deploy`, {
      token: dev.token,
      body: { reference: "nginx:1.27" },
      status: 201,
    });
    expect(build).toMatchObject({ spec: { source: { kind: "image", reference: "nginx:1.27" } }, status: { phase: "pending" } });
    const body = { name: "proxy", spec: { source: { kind: "image", reference: "nginx:1.27" } } };
    await fixture.json("POST", `${NS}/apps`, { token: dev.token, body, status: 201 });
    const builds = await fixture.json<Listed<"Build">>("GET", `${NS}/builds?app=proxy`, { token: dev.token });
    expect(builds.items.map(({ metadata }) => metadata.name)).toEqual(["proxy-b1"]);
    const cancelled = await fixture.json<Resource<"Build">>("POST", `${NS}/builds/proxy-b1/cancel`, { token: dev.token, status: 200 });
    expect(cancelled.spec.cancelled).toBe(true);
  });
});

describe("apply", () => {
  const wanted = { kind: "App", metadata: { name: "declared", labels: { tier: "back" } }, spec: { env: { A: "1" } } };
  const send = (body: object, query = "") => fixture.request("POST", `${NS}/apply${query}`, { token: dev.token, body });

  it("changes nothing on a dry run, then makes, keeps and changes the app", async () => {
    expect((await send(wanted, "?dryRun=true")).status).toBe(200);
    expect((await fixture.request("GET", `${NS}/apps/declared`, { token: dev.token })).status).toBe(404);
    const made = (await (await send(wanted)).json()) as Resource<"App">;
    expect(made.metadata.generation).toBe(1);
    const same = (await (await send(wanted)).json()) as Resource<"App">;
    expect(same.metadata.generation).toBe(1);
    const changed = (await (await send({ ...wanted, spec: { env: { A: "2" } } })).json()) as Resource<"App">;
    expect(changed).toMatchObject({ metadata: { generation: 2, labels: { tier: "back" } }, spec: { env: { A: "2" } } });
    const stale = await send({ ...wanted, metadata: { ...wanted.metadata, version: made.metadata.version } });
    expect(stale.status).toBe(409);
  });

  it("refuses other kinds, and secrets", async () => {
    expect((await send({ kind: "Build", metadata: { name: "x" }, spec: {} })).status).toBe(422);
    expect((await send({ ...wanted, spec: { secrets: { KEY: 1 } } })).status).toBe(422);
  });
});

describe("lists", () => {
  it("are paged and filtered by labels, with the version to watch from", async () => {
    const names: string[] = [];
    let next: string | undefined;
    do {
      const query: string = next === undefined ? "" : `&continue=${next}`;
      const page = await fixture.json<{ items: Resource[]; version: number; continue?: string }>("GET", `${NS}/apps?limit=2${query}`, {
        token: dev.token,
      });
      expect(page.items.length).toBeLessThanOrEqual(2);
      expect(page.version).toBeGreaterThan(0);
      names.push(...page.items.map(({ metadata }) => metadata.name));
      next = page.continue;
    } while (next !== undefined);
    expect(names).toEqual(["shop", "shaky", "fresh", "proxy", "declared"]);
    const labelled = await fixture.json<{ items: Resource[] }>("GET", `${NS}/apps?labels=tier%3Dback`, { token: dev.token });
    expect(labelled.items.map(({ metadata }) => metadata.name)).toEqual(["declared"]);
    expect((await fixture.request("GET", `${NS}/apps?labels=nonsense`, { token: dev.token })).status).toBe(422);
    expect((await fixture.request("GET", `${NS}/apps?limit=501`, { token: dev.token })).status).toBe(422);
  });
});

describe("deleting an app", () => {
  it("marks it until its controller has stopped what runs, and refuses changes meanwhile", async () => {
    const deleted = await fixture.json<Resource<"App">>("DELETE", `${NS}/apps/declared`, { token: dev.token, status: 202 });
    expect(deleted.metadata).toMatchObject({ finalizers: ["instances"], deletedAt: expect.any(String) });
    expect((await fixture.request("DELETE", `${NS}/apps/declared`, { token: dev.token })).status).toBe(202);
    const patch = await fixture.request("PATCH", `${NS}/apps/declared`, { token: dev.token, body: { env: { A: "3" } } });
    expect(patch.status).toBe(409);
    const scaled = await fixture.request("POST", `${NS}/apps`, { token: dev.token, body: { name: "declared" } });
    expect(scaled.status).toBe(409);
  });
});

describe("what is wrong with a request", () => {
  it("is told field by field, and never by a stack", async () => {
    const refused = await fixture.request("POST", `${NS}/apps`, {
      token: dev.token,
      body: { name: "Not A Name", spec: { env: { "1X": "y" } } },
    });
    expect(refused.status).toBe(422);
    const problem = (await refused.json()) as { fields: { path: string }[]; requestId: string };
    expect(problem.fields.map(({ path }) => path)).toEqual(["name", "spec.env.1X"]);
    expect(refused.headers.get("x-request-id")).toBe(problem.requestId);
    const bad = await fixture.request("POST", `${NS}/apps`, { token: dev.token, body: "{not json" });
    expect(bad.status).toBe(422);
    const large = await fixture.request("POST", `${NS}/apps`, { token: dev.token, body: JSON.stringify({ name: "x".repeat(2_000_000) }) });
    expect(((await large.json()) as { detail: string }).detail).toContain("1024 KiB");
    const nowhere = await fixture.request("GET", "/api/v1/nowhere", { token: dev.token });
    expect(nowhere.headers.get("content-type")).toBe("application/problem+json");
  });
});
