import type { Resource } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestUser } from "./testing/fixture.ts";
import { readSse, type SseMessage } from "./testing/sse.ts";

const NS = "/api/v1/namespaces/acme/store";
let fixture: Fixture;
let now = Date.now();
let team: Resource<"Team">;
let store: Resource<"Namespace">;
let owner: TestUser;
let outsider: TestUser;

beforeAll(async () => {
  fixture = await startFixture({}, { now: () => new Date(now) });
  team = await fixture.team("acme");
  const other = await fixture.team("other");
  store = await fixture.namespace(team, "store", { cpuMillis: 100_000, memoryBytes: 1024 ** 4, instances: 500, builds: 1 });
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  outsider = await fixture.user({ roles: { [other.metadata.uid]: "owner" } });
});
afterAll(() => fixture.close());

const scopeUid = () => store.metadata.uid;
async function watch(scopes: readonly string[], token = owner.token, headers: Record<string, string> = {}) {
  const response = await fixture.request("GET", `/api/v1/watch?${scopes.map((scope) => `scope=${scope}`).join("&")}`, { token, headers });
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return readSse(response);
}
const version = () => fixture.db.objects(PLATFORM).version(scopeUid());
const create = (name: string) => fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name }, status: 201 });
const nameOf = (message: SseMessage | "end" | "timeout") =>
  typeof message === "string" ? message : (message.data as { object: Resource }).object.metadata.name;

describe("a watch", () => {
  it("begins with what it missed and goes on with what happens, in order", async () => {
    const from = await version();
    await create("one");
    await create("two");
    const events = await watch([`${scopeUid()}:${from}`]);
    const [first, second] = [await events.next(), await events.next()];
    expect([nameOf(first), nameOf(second)]).toEqual(["one", "two"]);
    expect(first).toMatchObject({ id: `${scopeUid()}:${from + 1}`, data: { type: "created", scope: scopeUid(), version: from + 1 } });
    await create("three");
    expect(nameOf(await events.next())).toBe("three");
    await events.cancel();
  });

  it("sees every one of many concurrent changes, once and in the order of versions", async () => {
    const from = await version();
    const events = await watch([`${scopeUid()}:${from}`]);
    await Promise.all(Array.from({ length: 60 }, (_, at) => create(`many-${at}`)));
    const versions: number[] = [];
    for (let seen = 0; seen < 60; seen++) {
      const message = await events.next();
      if (typeof message === "string") throw new Error(`${message} after ${seen}`);
      versions.push((message.data as { version: number }).version);
    }
    expect(versions).toEqual(Array.from({ length: 60 }, (_, at) => from + 1 + at));
    await events.cancel();
  });

  it("receives both of two mutations when the one begun first commits last", async () => {
    const from = await version();
    const events = await watch([`${scopeUid()}:${from}`]);
    const gate = Promise.withResolvers<void>();
    const slow = fixture.commit(async ({ tx }) => {
      const app = await tx.objects.getByName("App", scopeUid(), "one");
      await tx.objects.updateSpec(app, { ...app.spec, env: { SLOW: "1" } });
      await gate.promise;
    });
    await fixture.json("PATCH", `${NS}/apps/two`, { token: owner.token, body: { env: { FAST: "1" } } });
    expect(nameOf(await events.next())).toBe("two");
    gate.resolve();
    await slow;
    expect(nameOf(await events.next())).toBe("one");
    await events.cancel();
  });

  it("resumes by Last-Event-ID", async () => {
    const from = await version();
    await create("resumed-1");
    await create("resumed-2");
    const events = await watch([`${scopeUid()}:${from}`], owner.token, { "last-event-id": `${scopeUid()}:${from + 1}` });
    expect(nameOf(await events.next())).toBe("resumed-2");
    await events.cancel();
  });

  it("is told `gone` when the log does not reach back, and ends when nothing is left to watch", async () => {
    const events = await watch([`${scopeUid()}:${(await version()) + 1_000}`]);
    expect(await events.next()).toEqual({ event: "gone", data: { scope: scopeUid() } });
    expect(await events.next()).toBe("end");
  });

  it("goes on with the other scopes when one is gone", async () => {
    const from = await version();
    const events = await watch([`${team.metadata.uid}:99999`, `${scopeUid()}:${from}`]);
    expect(await events.next()).toMatchObject({ event: "gone" });
    await create("after-gone");
    expect(nameOf(await events.next())).toBe("after-gone");
    await events.cancel();
  });

  it("shows of the platform only what is the watcher's", async () => {
    const from = await fixture.db.objects(PLATFORM).version("platform");
    const [mine, theirs] = [await watch([`platform:${from}`]), await watch([`platform:${from}`], outsider.token)];
    await fixture.host("host-a");
    await create("charged");
    const message = await mine.next();
    expect(message).toMatchObject({ data: { object: { metadata: { kind: "Team", name: "acme" } } } });
    expect(await theirs.next(400)).toBe("timeout");
    await Promise.all([mine.cancel(), theirs.cancel()]);
  });

  it("does not begin on another tenant's scope", async () => {
    const response = await fixture.request("GET", `/api/v1/watch?scope=${scopeUid()}:0`, { token: outsider.token });
    expect(response.status).toBe(404);
    expect((await fixture.request("GET", "/api/v1/watch", { token: owner.token })).status).toBe(422);
  });

  it("ends for a token that was revoked", async () => {
    const { id, secret } = await fixture.json<{ id: string; secret: string }>("POST", "/api/v1/tokens", {
      token: owner.token,
      body: { name: "short" },
    });
    const events = await watch([`${scopeUid()}:${await version()}`], secret);
    expect(await events.next(100)).toBe("timeout");
    await fixture.request("DELETE", `/api/v1/tokens/${id}`, { token: owner.token });
    now += 31_000;
    await create("after-revocation");
    expect(await events.next()).toBe("end");
  });

  it("ends for a member who was taken from the team", async () => {
    const guest = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
    const events = await watch([`${scopeUid()}:${await version()}`], guest.token);
    await create("while-member");
    expect(nameOf(await events.next())).toBe("while-member");
    await fixture.commit(({ tx }) => tx.identities.removeMembership(guest.id, team.metadata.uid));
    now += 31_000;
    await create("after-membership");
    expect(await events.next()).toBe("end");
  });

  it("costs a reader that does not read no memory of ours: it goes on where the reader is", async () => {
    const from = await version();
    const response = await fixture.request("GET", `/api/v1/watch?scope=${scopeUid()}:${from}`, { token: owner.token });
    for (let at = 0; at < 30; at++)
      await fixture.json("PATCH", `${NS}/apps/one`, { token: owner.token, body: { env: { AT: String(at) } } });
    const events = readSse(response);
    const seen: string[] = [];
    for (let at = 0; at < 30; at++) {
      const message = await events.next();
      if (typeof message !== "string") seen.push((message.data as { object: Resource<"App"> }).object.spec.env.AT ?? "");
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, at) => String(at)));
    await events.cancel();
  });
});
