import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredState } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { placeInstance, releaseApp, type SeededApp, testImage } from "./testing/seed.ts";
import { readSse } from "./testing/sse.ts";

const NS = "/api/v1/namespaces/acme/store";
let fixture: Fixture;
let store: Resource<"Namespace">;
let owner: TestUser;
let hostA: TestHost;
let hostB: TestHost;
let shop: SeededApp;
let instance: Resource<"Instance">;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  store = await fixture.namespace(team, "store");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  [hostA, hostB] = [await fixture.host("host-a"), await fixture.host("host-b")];
  for (const host of [hostA, hostB])
    await fixture.request("POST", "/api/agent/v1/report", { token: host.credential, body: { instances: [] } });
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
  shop = await releaseApp(fixture, store, "shop", "shop:1");
  instance = await placeInstance(fixture, store, shop.release, hostA, { phase: "ready", address: "10.64.0.2" });
});
afterAll(() => fixture.close());
beforeEach(async () => {
  for (const host of [hostA, hostB])
    await fixture.request("POST", "/api/agent/v1/report", { token: host.credential, body: { instances: [] } });
});

/** Plays the agent: waits until something is wished from this host. */
async function wish(host: TestHost) {
  for (let tries = 0; tries < 500; tries++) {
    const { streams } = await fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: host.credential });
    if (streams[0] !== undefined) return streams[0];
    await sleep(10);
  }
  throw new Error("nothing was wished");
}

function post(host: TestHost, id: string, body: ReadableStream<Uint8Array> | string, type = "application/octet-stream"): Promise<Response> {
  return fixture.api.fetch(
    new Request(`http://localhost/api/agent/v1/streams/${id}`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.credential}`, "content-type": type },
      body,
      duplex: "half",
    } as RequestInit),
  );
}

const line = (text: string) => `${JSON.stringify({ stream: "stdout", at: "2026-11-20T20:00:00.000Z", text })}\n`;
const bytes = (text: string) => new TextEncoder().encode(text);
const readLog = (query = "?tail=5&follow=true") =>
  fixture.request("GET", `${NS}/instances/${instance.metadata.name}/log${query}`, { token: owner.token });

describe("an instance's log", () => {
  it("flows from its host to whoever reads, line by line, to its end", async () => {
    const answer = readLog();
    const wished = await wish(hostA);
    expect(wished).toMatchObject({
      kind: "instance-log",
      instanceUid: instance.metadata.uid,
      namespaceUid: store.metadata.uid,
      tail: 5,
      follow: true,
    });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const posted = post(hostA, wished.id, readable);
    const events = readSse(await answer);
    void writer.write(bytes(`${line("one")}${line("two").slice(0, 20)}`));
    expect(await events.next()).toMatchObject({ data: { stream: "stdout", text: "one" } });
    void writer.write(bytes(`${line("two").slice(20)}not a log line\n${line("three")}`));
    expect([await events.next(), await events.next()]).toMatchObject([{ data: { text: "two" } }, { data: { text: "three" } }]);
    void writer.close();
    expect(await events.next()).toMatchObject({ event: "end" });
    expect((await posted).status).toBe(204);
    expect((await fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: hostA.credential })).streams).toEqual([]);
  });

  it("goes on behind the last event that a reader got", async () => {
    const headers = { "last-event-id": "3:1024" };
    const path = `${NS}/instances/${instance.metadata.name}/log`;
    const answer = fixture.request("GET", `${path}?follow=true`, { token: owner.token, headers });
    const wished = await wish(hostA);
    expect(wished).toMatchObject({ kind: "instance-log", after: "3:1024", follow: true });
    const next = { stream: "stdout", at: "2026-11-20T20:00:00.000Z", text: "next", cursor: "3:1100" };
    const posted = post(hostA, wished.id, `${JSON.stringify(next)}\n`);
    expect(await readSse(await answer).next()).toEqual({ id: "3:1100", data: { stream: next.stream, at: next.at, text: "next" } });
    await posted;
    // What is no id of ours, or no follower, begins with the last lines.
    for (const [query, id] of [
      ["?follow=true", "../etc"],
      ["", "3:1024"],
    ] as const) {
      const fresh = fixture.request("GET", `${path}${query}`, { token: owner.token, headers: { "last-event-id": id } });
      const wish2 = await wish(hostA);
      expect(wish2).not.toHaveProperty("after");
      await Promise.all([post(hostA, wish2.id, line("again")), fresh.then((response) => response.text())]);
    }
  });

  it("stops at its host when the reader leaves", async () => {
    const answer = readLog();
    const wished = await wish(hostA);
    let cancelled = false;
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await sleep(1);
        sent++;
        controller.enqueue(bytes(line(`line ${sent}`)));
      },
      cancel() {
        cancelled = true;
      },
    });
    const posted = post(hostA, wished.id, endless);
    const events = readSse(await answer);
    expect(await events.next()).toMatchObject({ data: { text: "line 1" } });
    await events.cancel();
    expect((await posted).status).toBe(204);
    expect(cancelled).toBe(true);
  });

  it("is read no faster than its reader reads", async () => {
    const answer = readLog();
    const wished = await wish(hostA);
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(bytes(line("x".repeat(1_000))));
      },
    });
    const posted = post(hostA, wished.id, endless);
    const events = readSse(await answer);
    await events.next();
    await sleep(100);
    expect(pulled).toBeLessThan(10);
    await events.cancel();
    await posted;
  });

  it("says so when its host does not answer, and forgets the wish", async () => {
    const response = await readLog();
    expect(response.status).toBe(504);
    expect(((await response.json()) as { detail: string }).detail).toContain("Host host-a did not answer");
    expect(fixture.streams.pending(hostA.uid)).toEqual([]);
  });

  it("tells what the host refused with", async () => {
    const answer = readLog();
    const wished = await wish(hostA);
    const problem = { type: "about:blank", title: "x", status: 404, detail: "The log of this instance was removed.", code: "not_found" };
    expect((await post(hostA, wished.id, JSON.stringify(problem), "application/problem+json")).status).toBe(204);
    const response = await answer;
    expect(response.status).toBe(404);
    expect(((await response.json()) as { detail: string }).detail).toBe(problem.detail);
  });

  it("is taken back when the reader leaves before the host answers", async () => {
    const abort = new AbortController();
    const answer = fixture.request("GET", `${NS}/instances/${instance.metadata.name}/log`, { token: owner.token, signal: abort.signal });
    const wished = await wish(hostA);
    abort.abort();
    await answer;
    expect(fixture.streams.pending(hostA.uid)).toEqual([]);
    expect((await post(hostA, wished.id, "late")).status).toBe(404);
  });

  it("is answered by its own host only", async () => {
    const answer = readLog();
    const wished = await wish(hostA);
    expect((await post(hostB, wished.id, line("forged"))).status).toBe(404);
    const posted = post(hostA, wished.id, line("real"));
    const events = readSse(await answer);
    expect([await events.next(), await events.next()]).toMatchObject([{ data: { text: "real" } }, { event: "end" }]);
    expect((await posted).status).toBe(204);
  });
});

describe("a layer", () => {
  const digest = testImage("shop:1").layers[0]?.digest ?? "";
  const fetchLayer = (host: TestHost, wanted = digest, query = "") =>
    fixture.request("GET", `/api/agent/v1/layers/${wanted}${query}`, { token: host.credential });

  it("is not given to a host that no instance needs it on", async () => {
    expect((await fetchLayer(hostB)).status).toBe(404);
    expect((await fetchLayer(hostB, "sha256:../../etc/passwd")).status).toBe(404);
    expect((await fetchLayer(hostB, "nonsense")).status).toBe(422);
  });

  it("flows from a host that has it to one that needs it", async () => {
    await placeInstance(fixture, store, shop.release, hostB, { ordinal: 2 });
    const answer = fetchLayer(hostB);
    const wished = await wish(hostA);
    expect(wished).toMatchObject({ kind: "layer", digest });
    const archive = Buffer.alloc(300_000, 7);
    const posted = post(hostA, wished.id, new Blob([archive]).stream());
    const received = Buffer.from(await (await answer).arrayBuffer());
    expect(received.equals(archive)).toBe(true);
    expect((await posted).status).toBe(204);
  });

  it("is asked for at the next host when one does not have it, and refused in words when none has", async () => {
    const answer = fetchLayer(hostB, digest, "?from=host-a");
    const wished = await wish(hostA);
    const problem = { type: "about:blank", title: "x", status: 404, detail: "gone", code: "not_found" };
    await post(hostA, wished.id, JSON.stringify(problem), "application/problem+json");
    const response = await answer;
    expect(response.status).toBe(503);
    expect(((await response.json()) as { detail: string }).detail).toContain("asked: host-a");
  });
});
