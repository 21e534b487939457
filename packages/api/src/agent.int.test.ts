import type { DesiredState, HostReport } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { backendId, PLATFORM } from "@plimsoll/db";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { placeBuild, placeInstance, releaseApp, type SeededApp, testImage } from "./testing/seed.ts";
import { readSse } from "./testing/sse.ts";

const NS = "/api/v1/namespaces/acme/store";
let fixture: Fixture;
let store: Resource<"Namespace">;
let owner: TestUser;
let hostA: TestHost;
let hostB: TestHost;
let shop: SeededApp;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  store = await fixture.namespace(team, "store");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  hostA = await fixture.host("host-a", { roles: ["build", "run", "ingress"] });
  hostB = await fixture.host("host-b");
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop", spec: { env: { COLOUR: "red" } } } });
  shop = await releaseApp(fixture, store, "shop", "shop:1");
});
afterAll(() => fixture.close());

const desired = (host: TestHost) => fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: host.credential });
const report = (host: TestHost, body: HostReport) =>
  fixture.json("POST", "/api/agent/v1/report", { token: host.credential, body, status: 204 });
const operator = () => fixture.user({ operator: true });
const enrolToken = async (grant?: object) =>
  (
    await fixture.json<{ token: string }>("POST", "/api/v1/host-tokens", {
      token: (await operator()).token,
      status: 201,
      ...(grant && { body: grant }),
    })
  ).token;
const enrollAs = (token: string, said: object) =>
  fixture.request("POST", "/api/agent/v1/enroll", {
    body: {
      token,
      underlay: "10.0.0.3",
      publicKey: Buffer.alloc(32, 7).toString("base64"),
      capacity: { cpuMillis: 1_000, memoryBytes: 1024 ** 3 },
      facts: {},
      ...said,
    },
  });
const get = <K extends "Instance" | "Build">(kind: K, uid: string) => fixture.db.objects(PLATFORM).get(kind, uid);

/** The wake-ups that were committed since the last call. */
async function wakes(): Promise<string[]> {
  const found = new Set<string>();
  while (
    (await fixture.db.relayOutbox(500, async (batch) => {
      for (const { job, key } of batch) found.add(`${job}/${key}`);
    })) > 0
  );
  return [...found].sort();
}

describe("enrolment", () => {
  it("gives each host an index of its own, from 0", async () => {
    const hosts = await fixture.db.objects(PLATFORM).list("Host");
    expect(hosts.map(({ spec }) => spec.index).sort()).toEqual([0, 1]);
  });

  it("may be repeated with its token, which makes one host only; the credential before ends", async () => {
    const secret = await enrolToken({ roles: ["run"] });
    const enroll = (name: string, token = secret) => enrollAs(token, { name });
    const first = (await (await enroll("host-c")).json()) as { hostUid: string; credential: string };
    const again = (await (await enroll("host-c")).json()) as { hostUid: string; credential: string };
    expect(again.hostUid).toBe(first.hostUid);
    expect((await fixture.request("GET", "/api/agent/v1/desired", { token: first.credential })).status).toBe(401);
    expect((await fixture.request("GET", "/api/agent/v1/desired", { token: again.credential })).status).toBe(200);
    expect((await enroll("host-d")).status).toBe(409);
    expect((await enroll("host-d", "plim_enroll_guess")).status).toBe(401);
    expect((await enroll("Bad Name")).status).toBe(422);
    expect(await fixture.db.objects(PLATFORM).findByName("Host", "platform", "host-d")).toBeUndefined();
  });

  it("by many at once gives no index twice", async () => {
    const hosts = await Promise.all(["x-1", "x-2", "x-3", "x-4", "x-5"].map((name) => fixture.host(name)));
    const indexes = await Promise.all(hosts.map(async (host) => (await desired(host)).host.index));
    expect(new Set(indexes).size).toBe(5);
  });

  it("is followed by what a host says of itself at every start; a changed address wakes the others", async () => {
    const host = await fixture.host("host-moved");
    const say = (underlay: string) =>
      fixture.request("PUT", "/api/agent/v1/host", {
        token: host.credential,
        body: { underlay, roles: ["run"], capacity: { cpuMillis: 2_000, memoryBytes: 1024 ** 3 }, facts: { kernel: "6.19" } },
      });
    await wakes();
    expect((await say("10.0.0.44")).status).toBe(204);
    expect(await wakes()).toEqual(expect.arrayContaining([`host/${host.uid}`, `sync/${hostA.uid}`, `sync/${hostB.uid}`]));
    expect((await desired(hostA)).peers.find(({ uid }) => uid === host.uid)?.underlay).toBe("10.0.0.44");
    await say("10.0.0.44");
    expect(await wakes()).toEqual([]);
    expect((await say("not an address")).status).toBe(422);
  });

  it("token is made by operators, with the line to run", async () => {
    const made = await fixture.json<{ token: string; command: string }>("POST", "/api/v1/host-tokens", {
      token: (await operator()).token,
      status: 201,
    });
    expect(made.command).toBe(`plim-agent enroll ${made.token}`);
  });

  it("gives the roles that the operator chose, and refuses a host that claims more, then and at every later start", async () => {
    const rolesOf = async (credential: string) =>
      (await fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: credential })).host.roles;
    const credentialOf = async (response: Response) => ((await response.json()) as { credential: string }).credential;
    const refused = await enrollAs(await enrolToken(), { name: "host-greedy", roles: ["run", "ingress"] });
    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { detail: expect.stringMatching(/granted build, run .*claims ingress/) },
    ]);
    expect(await fixture.db.objects(PLATFORM).findByName("Host", "platform", "host-greedy")).toBeUndefined();
    // Negative control: what a token grants is given, and all of it to a host that claims nothing.
    expect(await rolesOf(await credentialOf(await enrollAs(await enrolToken(), { name: "host-plain" })))).toEqual(["build", "run"]);
    const token = await enrolToken({ roles: ["ingress", "run"] });
    const credential = await credentialOf(await enrollAs(token, { name: "host-door", roles: ["ingress"] }));
    expect(await rolesOf(credential)).toEqual(["ingress"]);
    const say = (roles?: readonly string[]) =>
      fixture.request("PUT", "/api/agent/v1/host", {
        token: credential,
        body: { underlay: "10.0.0.3", capacity: { cpuMillis: 1_000, memoryBytes: 1024 ** 3 }, facts: {}, roles },
      });
    expect((await say(["ingress", "build"])).status).toBe(403);
    expect(await rolesOf(credential)).toEqual(["ingress"]);
    expect((await say()).status).toBe(204);
    expect((await rolesOf(credential)).sort()).toEqual(["ingress", "run"]);
  });

  it("does not let a token for some host become one that is known; one made for its name does", async () => {
    expect((await enrollAs(await enrolToken(), { name: "host-known" })).status).toBe(200);
    expect((await enrollAs(await enrolToken(), { name: "host-known" })).status).toBe(409);
    const named = await enrolToken({ name: "host-known", roles: ["run"] });
    expect((await enrollAs(named, { name: "host-other" })).status).toBe(403);
    expect((await enrollAs(named, { name: "host-known" })).status).toBe(200);
    const host = await fixture.db.objects(PLATFORM).getByName("Host", "platform", "host-known");
    expect(host.spec.roles).toEqual(["run"]);
  });
});

describe("the desired state", () => {
  it("has what is bound to the host, its namespace and its peers, and nothing of others", async () => {
    const instance = await placeInstance(fixture, store, shop.release, hostA);
    const mine = await desired(hostA);
    expect(mine.instances).toMatchObject([
      { uid: instance.metadata.uid, app: "shop", process: "web", env: { COLOUR: "red" }, image: testImage("shop:1"), desired: "running" },
    ]);
    expect(mine.namespaces).toMatchObject([
      { uid: store.metadata.uid, team: "acme", vni: store.status.vni, uidBase: store.status.uidBase },
    ]);
    expect(mine.peers.map(({ name }) => name)).toContain("host-b");
    expect(mine.keepImages).toContain(testImage("shop:1").digest);
    const theirs = await desired(hostB);
    expect(theirs).toMatchObject({ instances: [], namespaces: [], builds: [], streams: [] });
    expect(theirs.routing).toBeUndefined();
  });

  it("routes, on ingress hosts, what reports say is ready, under a version that moves with it", async () => {
    await fixture.commit(({ tx }) =>
      tx.objects.create({
        kind: "Route",
        name: "shop-store",
        namespace: store,
        ownerUid: shop.app.metadata.uid,
        spec: { host: "shop-store.localhost", app: "shop", process: "web" },
        status: {},
      }),
    );
    const before = await desired(hostA);
    const [instance] = before.instances;
    await report(hostA, { instances: [], routingVersion: 0 });
    await wakes();
    const said = {
      uid: instance?.uid ?? "",
      phase: "ready" as const,
      address: "10.64.0.5",
      restarts: 0,
      startedAt: new Date().toISOString(),
    };
    await report(hostA, { instances: [said] });
    expect(await wakes()).toEqual([`app/${shop.app.metadata.uid}`, `sync/${hostA.uid}`]);
    const after = await desired(hostA);
    expect(after.routing?.version).toBeGreaterThan(before.routing?.version ?? 0);
    expect(after.routing).toMatchObject({
      routes: [{ host: "shop-store.localhost", backendId: backendId(shop.app.metadata.uid, "web") }],
      backends: [{ state: "ready", endpoints: [{ address: "10.64.0.5", port: 8080, state: "ready" }] }],
    });
  });
});

describe("a report", () => {
  it("that says nothing new writes nothing and wakes nobody", async () => {
    const [assigned] = (await desired(hostA)).instances;
    const before = await get("Instance", assigned?.uid ?? "");
    const { phase, address = "", startedAt = "", restarts } = before.status;
    await wakes();
    await report(hostA, { instances: [{ uid: before.metadata.uid, phase, address, startedAt, restarts }] });
    expect((await get("Instance", before.metadata.uid)).metadata.version).toBe(before.metadata.version);
    expect(await wakes()).toEqual([]);
  });

  it("about another host's instance is not heard", async () => {
    const [assigned] = (await desired(hostA)).instances;
    await report(hostB, { instances: [{ uid: assigned?.uid ?? "", phase: "failed", restarts: 99 }] });
    expect((await get("Instance", assigned?.uid ?? "")).status).toMatchObject({ phase: "ready", restarts: 0 });
  });

  it("that acknowledges a routing version tells all controllers so, once, and writes no wake-up", async () => {
    const told: (string | undefined)[] = [];
    const listener = fixture.db.listen(["plimsoll_routing"], (_channel, hostUid) => void told.push(hostUid));
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([undefined]);
    await wakes();
    for (const routingVersion of [5, 5, 6, 5]) await report(hostA, { instances: [], routingVersion });
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([undefined, hostA.uid, hostA.uid, hostA.uid]);
    expect(await wakes()).toEqual([]);
    await listener.close();
  });

  it("keeps the lease of its host alive", async () => {
    expect((await fixture.db.platform.hostLeases()).get(hostA.uid)).toMatchObject({ live: true, routingVersion: 5 });
  });
});

describe("a build", () => {
  let build: Resource<"Build">;
  let epoch = 0;
  /** Of the newest event that was read. */
  let lastId = "";
  const idOf = (event: Awaited<ReturnType<ReturnType<typeof readSse>["next"]>>) => (typeof event === "string" ? "" : (event.id ?? ""));
  const claim = (host: TestHost) => fixture.request("POST", `/api/agent/v1/builds/${build.metadata.uid}/claim`, { token: host.credential });
  const progress = (host: TestHost, body: object) =>
    fixture.request("POST", `/api/agent/v1/builds/${build.metadata.uid}/progress`, { token: host.credential, body });
  const result = (host: TestHost, body: object) =>
    fixture.request("POST", `/api/agent/v1/builds/${build.metadata.uid}/result`, { token: host.credential, body });
  const notice = (seq: number) => ({ seq, event: { type: "notice", atMs: seq, text: `line ${seq}` } });

  it("is claimed by the host it was placed on, and by no other", async () => {
    build = await fixture.json<Resource<"Build">>("POST", `${NS}/apps/shop/deploy`, { token: owner.token, body: { reference: "shop:2" } });
    expect((await claim(hostA)).status).toBe(404);
    await fixture.commit(({ tx }) => placeBuild(tx, build, hostA));
    expect((await desired(hostA)).builds).toMatchObject([{ uid: build.metadata.uid, repository: "acme/store/shop", attempt: 1 }]);
    expect((await claim(hostB)).status).toBe(404);
    const claimed = (await (await claim(hostA)).json()) as { epoch: number; gitToken: string; leaseMs: number };
    expect(claimed).toMatchObject({ leaseMs: 15_000, epoch: expect.any(Number) });
    epoch = claimed.epoch;
    expect((await get("Build", build.metadata.uid)).status).toMatchObject({ phase: "running", startedAt: expect.any(String) });
    expect(await fixture.db.identities.findToken(claimed.gitToken, ["build"])).toMatchObject({ subject: shop.app.metadata.uid });
    expect((await fixture.request("GET", "/api/v1/me", { token: claimed.gitToken })).status).toBe(401);
  });

  it("tells its progress live, and from where a reader was", async () => {
    const path = `${NS}/builds/${build.metadata.name}/log`;
    await progress(hostA, { epoch, entries: [notice(0), notice(1)] });
    const events = readSse(await fixture.request("GET", path, { token: owner.token }));
    const told = [await events.next(), await events.next()];
    expect(told).toMatchObject([{ data: notice(0) }, { data: notice(1) }]);
    await progress(hostA, { epoch, entries: [notice(1), notice(2)] });
    const third = await events.next();
    expect(third).toMatchObject({ data: notice(2) });
    lastId = idOf(third);
    await events.cancel();
    const later = readSse(await fixture.request("GET", path, { token: owner.token, headers: { "last-event-id": idOf(told[1] ?? "end") } }));
    expect(await later.next()).toMatchObject({ id: lastId });
    await later.cancel();
  });

  it("begun again by a restarted agent starts its log anew, and says so to who reads", async () => {
    const events = readSse(
      await fixture.request("GET", `${NS}/builds/${build.metadata.name}/log`, { token: owner.token, headers: { "last-event-id": lastId } }),
    );
    expect(await events.next(100)).toBe("timeout");
    const again = (await (await claim(hostA)).json()) as { epoch: number };
    epoch = again.epoch;
    await progress(hostA, { epoch, entries: [notice(0)] });
    expect(await events.next()).toMatchObject({ event: "restart" });
    expect(await events.next()).toMatchObject({ data: notice(0) });
    await events.cancel();
  });

  it("begun again says so also to a reader that comes back when it has got as far as before", async () => {
    const second = (seq: number) => ({ seq, event: { type: "notice", atMs: 77 + seq, text: `second try, line ${seq}` } });
    epoch = ((await (await claim(hostA)).json()) as { epoch: number }).epoch;
    await progress(hostA, { epoch, entries: [0, 1, 2, 3].map(second) });
    const path = `${NS}/builds/${build.metadata.name}/log`;
    const events = readSse(await fixture.request("GET", path, { token: owner.token, headers: { "last-event-id": lastId } }));
    expect(await events.next()).toMatchObject({ event: "restart" });
    expect(await events.next()).toMatchObject({ data: second(0) });
    for (let seq = 1; seq <= 3; seq++) lastId = idOf(await events.next());
    await events.cancel();
  });

  it("learns that it was cancelled, or lost its lease", async () => {
    expect(await (await progress(hostA, { epoch, entries: [] })).json()).toEqual({ cancelled: false });
    expect((await progress(hostA, { epoch: epoch + 1, entries: [notice(9)] })).status).toBe(409);
    expect((await progress(hostB, { epoch, entries: [] })).status).toBe(409);
    expect(
      (await result(hostA, { epoch: epoch + 1, result: { outcome: "succeeded", image: testImage("evil"), newBytes: 0 } })).status,
    ).toBe(409);
    expect((await get("Build", build.metadata.uid)).status.phase).toBe("running");
  });

  it("ends with its result and its last words, once, and its log with `end`", async () => {
    const events = readSse(
      await fixture.request("GET", `${NS}/builds/${build.metadata.name}/log`, { token: owner.token, headers: { "last-event-id": lastId } }),
    );
    await wakes();
    const body = { epoch, result: { outcome: "succeeded", image: testImage("shop:2"), newBytes: 7 }, entries: [notice(4)] };
    expect((await result(hostA, body)).status).toBe(204);
    expect((await result(hostA, body)).status).toBe(204);
    expect((await get("Build", build.metadata.uid)).status).toMatchObject({ phase: "succeeded", image: testImage("shop:2"), newBytes: 7 });
    expect(await wakes()).toEqual([`build/${build.metadata.uid}`]);
    expect(await events.next()).toMatchObject({ data: notice(4) });
    expect(await events.next()).toMatchObject({ event: "end", data: { phase: "succeeded" } });
    expect(await events.next()).toBe("end");
    expect((await claim(hostA)).status).toBe(409);
    expect((await desired(hostA)).builds).toEqual([]);
  });

  it("that fails tells why", async () => {
    build = await fixture.json<Resource<"Build">>("POST", `${NS}/apps/shop/deploy`, { token: owner.token, body: { reference: "shop:3" } });
    await fixture.commit(({ tx }) => placeBuild(tx, build, hostB));
    epoch = ((await (await claim(hostB)).json()) as { epoch: number }).epoch;
    const failure = { reason: "command", message: "RUN npm ci failed, exit 1", exitCode: 1, logTail: ["boom"] };
    expect((await result(hostB, { epoch, result: { outcome: "failed", failure } })).status).toBe(204);
    expect((await get("Build", build.metadata.uid)).status).toMatchObject({ phase: "failed", failure });
  });
});

describe("images that hosts keep", () => {
  it("are those of every release that there is, also of one that serves and is older than the ten before which others go", async () => {
    const images = Array.from({ length: 12 }, (_, index) => `kept:${index}`);
    for (const image of images) await releaseApp(fixture, store, "shop", image);
    const { keepImages } = await desired(hostB);
    expect(keepImages).toEqual(expect.arrayContaining(images.map((image) => testImage(image).digest)));
  });
});
