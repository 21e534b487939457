import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApp } from "./apps/create-app.ts";
import type { Context } from "./context.ts";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";

const GIB = 1024 ** 3;
let fixture: Fixture;
let owner: TestUser;
const NS = "/api/v1/namespaces/acme/store";

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme", { cpuMillis: 100_000, memoryBytes: 40 * GIB, instances: 1_000, builds: 10 });
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  await fixture.namespace(team, "store", { cpuMillis: 50_000, memoryBytes: 16 * GIB, instances: 20, builds: 2 });
  await fixture.namespace(team, "spare", { cpuMillis: 1_000, memoryBytes: 18 * GIB, instances: 5, builds: 2 });
});
afterAll(() => fixture.close());

async function used(): Promise<unknown> {
  return ((await fixture.json("GET", NS, { token: owner.token })).status as { used: unknown }).used;
}

/** The same transaction, but nobody waits for the quota books. */
function withoutLock(context: Context): Context {
  const instead = <T extends object>(target: T, replaced: Partial<Record<keyof T, unknown>>): T =>
    new Proxy(target, {
      get(of, name) {
        if (name in replaced) return replaced[name as keyof T];
        const value = Reflect.get(of, name, of);
        return typeof value === "function" ? value.bind(of) : value;
      },
    });
  const quotas = instead(context.tx.quotas, { lock: async () => undefined });
  return { ...context, tx: instead(context.tx, { quotas }) };
}

describe("quota", () => {
  it("admits exactly what fits, of 200 requests at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => fixture.request("POST", `${NS}/apps`, { token: owner.token, body: { name: `app-${at}` } })),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(20);
    expect(statuses.filter((status) => status === 403)).toHaveLength(180);
    expect(await used()).toMatchObject({ instances: 20, cpuMillis: 5_000, memoryBytes: 5 * GIB });
    const team = await fixture.json("GET", "/api/v1/teams/acme", { token: owner.token });
    expect(team.status).toMatchObject({ used: { instances: 20 }, given: { instances: 25 } });
  });

  it("admits exactly what fits when apps are scaled at once", async () => {
    const list = await fixture.json<{ items: { metadata: { name: string } }[] }>("GET", `${NS}/apps?limit=500`, { token: owner.token });
    await fixture.json("PATCH", `${NS}/quota`, { token: owner.token, body: { quota: { instances: 30 } } });
    const answers = await Promise.all(
      list.items.map(({ metadata }) =>
        fixture.request("POST", `${NS}/apps/${metadata.name}/scale`, { token: owner.token, body: { process: "web", replicas: 2 } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(await used()).toMatchObject({ instances: 30 });
  });

  it("says how much is needed, what is free, who can give more, and how", async () => {
    const body = {
      name: "big",
      spec: { processes: { web: { replicas: 2, cpuMillis: 100, memoryBytes: 10 * GIB, readiness: { kind: "none" }, stopGraceMs: 0 } } },
    };
    await fixture.json("PATCH", `${NS}/quota`, { token: owner.token, body: { quota: { instances: 50 } } });
    const refused = await fixture.json<{ code: string; detail: string }>("POST", `${NS}/apps`, { token: owner.token, body, status: 403 });
    expect(refused.code).toBe("quota_exceeded");
    expect(refused.detail).toBe(
      `App big needs 2 × 10 GiB = 20 GiB memory; namespace store has 7.5 of 16 GiB used, 8.5 GiB free.\n` +
        `Team acme has only 6 GiB of memory not given to any namespace: ${owner.email} can take some from another namespace, or ask a platform operator to raise the team's quota.`,
    );
    const smaller = { ...body, spec: { processes: { web: { ...body.spec.processes.web, memoryBytes: 5 * GIB } } } };
    const offer = await fixture.json<{ detail: string }>("POST", `${NS}/apps`, { token: owner.token, body: smaller, status: 403 });
    expect(offer.detail).toBe(
      `App big needs 2 × 5 GiB = 10 GiB memory; namespace store has 7.5 of 16 GiB used, 8.5 GiB free.\n` +
        `Team acme has 6 GiB of memory not given to any namespace. ${owner.email} can give store more:\n` +
        `  plim quota set store memory=17.5GiB        or   http://localhost:8080/acme/quota?namespace=store&memory=17.5GiB`,
    );
    expect((await fixture.request("GET", `${NS}/apps/big`, { token: owner.token })).status).toBe(404);
  });

  it("never gives the namespaces together more than the team has, also at once", async () => {
    const raise = (namespace: string, memoryBytes: number, query = "") =>
      fixture.request("PATCH", `/api/v1/namespaces/acme/${namespace}/quota${query}`, {
        token: owner.token,
        body: { quota: { memoryBytes } },
      });
    expect((await raise("store", 22 * GIB, "?dryRun=true")).status).toBe(200);
    expect((await fixture.json("GET", NS, { token: owner.token })).spec).toMatchObject({ quota: { memoryBytes: 16 * GIB } });
    const both = await Promise.all([raise("store", 20 * GIB), raise("spare", 22 * GIB)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 403]);
    const more = await fixture.request("POST", "/api/v1/teams/acme/namespaces", {
      token: owner.token,
      body: { name: "third", quota: { cpuMillis: 0, memoryBytes: 3 * GIB, instances: 0, builds: 0 } },
    });
    expect(more.status).toBe(403);
  });

  it("lowered below its use stops nothing, and admits less but not more", async () => {
    await fixture.json("PATCH", `${NS}/quota`, { token: owner.token, body: { quota: { instances: 3 } } });
    const [first] = (
      await fixture.json<{ items: { metadata: { name: string }; spec: { processes: { web: { replicas: number } } } }[] }>(
        "GET",
        `${NS}/apps`,
        { token: owner.token },
      )
    ).items.filter(({ spec }) => spec.processes.web.replicas === 2);
    const scale = (replicas: number) =>
      fixture.request("POST", `${NS}/apps/${first?.metadata.name}/scale`, { token: owner.token, body: { process: "web", replicas } });
    expect((await scale(3)).status).toBe(403);
    expect((await scale(1)).status).toBe(200);
    expect(await used()).toMatchObject({ instances: 29 });
  });

  it("is held by the database itself, however many processes ask: without the lock on its books the line is passed", async () => {
    const team = await fixture.team("crowd");
    const admitted = async (namespaceName: string, alter: (context: Context) => Context) => {
      const namespace = await fixture.namespace(team, namespaceName, { cpuMillis: 50_000, memoryBytes: 16 * GIB, instances: 5, builds: 0 });
      const all = Array.from({ length: 40 }, (_, at) =>
        fixture.commit((context) => createApp(alter(context), namespace, { name: `app-${at}` })),
      );
      return (await Promise.allSettled(all)).filter(({ status }) => status === "fulfilled").length;
    };
    expect(await admitted("locked", (context) => context)).toBe(5);
    expect(await admitted("unlocked", withoutLock)).toBeGreaterThan(5);
  });

  it("holds what one build may take within the namespace's quota", async () => {
    const spare = "/api/v1/namespaces/acme/spare";
    const { spec } = await fixture.json<{ spec: { build: { memoryBytes: number } } }>("GET", spare, { token: owner.token });
    const set = (change: object) => fixture.request("PATCH", spare, { token: owner.token, body: { build: { ...spec.build, ...change } } });
    expect((await set({ memoryBytes: 8 * GIB, diskBytes: 16 * GIB })).status).toBe(200);
    const refused = await set({ memoryBytes: 19 * GIB });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ code: "quota_exceeded", detail: expect.stringContaining("18 GiB of memory at most") });
    expect((await set({ diskBytes: 1024 * GIB })).status).toBe(403);
  });

  it("gives every namespace a network and user ids of its own", async () => {
    const team = await fixture.team("many");
    const made = await Promise.all(Array.from({ length: 8 }, (_, at) => fixture.namespace(team, `ns-${at}`)));
    expect(new Set(made.map(({ status }) => status.vni)).size).toBe(8);
    const bases = made.map(({ status }) => status.uidBase).sort((a, b) => a - b);
    for (const [at, base] of bases.entries()) if (at > 0) expect(base - (bases[at - 1] ?? 0)).toBeGreaterThanOrEqual(65_536);
  });
});
