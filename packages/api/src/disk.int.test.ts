import type { DesiredState, DiskReport, HostDisk, NamespaceDisk } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { releaseApp, testImage } from "./testing/seed.ts";

const NS = "/api/v1/namespaces/acme/store";
const HEAD = { sizeBytes: 1_000_000, freeBytes: 400_000, cacheBytes: 200_000, cacheNamespaceBytes: 100_000 };
let fixture: Fixture;
let store: Resource<"Namespace">;
let other: Resource<"Namespace">;
let owner: TestUser;
let operator: TestUser;
let host: TestHost;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  const foreign = await fixture.team("other");
  store = await fixture.namespace(team, "store");
  other = await fixture.namespace(foreign, "lab");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  operator = await fixture.user({ operator: true });
  host = await fixture.host("host-a");
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
  await fixture.json("POST", "/api/v1/namespaces/other/lab/apps", { token: operator.token, body: { name: "rival" } });
  await releaseApp(fixture, store, "shop", "shop:1");
  await releaseApp(fixture, other, "rival", "rival:1");
});
afterAll(() => fixture.close());

const tell = (report: DiskReport, of = host) =>
  fixture.json("PUT", "/api/agent/v1/disk", { token: of.credential, body: report, status: 204 });
const mine = () => fixture.json<NamespaceDisk>("GET", `${NS}/disk`, { token: owner.token });
const of = (name: string) => fixture.json<HostDisk>("GET", `/api/v1/hosts/${name}/disk`, { token: operator.token });

describe("the disk ledger", () => {
  it("names the owners of what a host tells, to operators with names and to a namespace without those of others", async () => {
    const [shop, rival] = [testImage("shop:1").digest, testImage("rival:1").digest];
    await tell({
      ...HEAD,
      entries: [
        { kind: "base-layers", bytes: 70_000, items: 2 },
        { kind: "layers", bytes: 50_000, items: 1, images: [shop, rival] },
        { kind: "layers", bytes: 30_000, items: 3, images: [shop], owners: [{ namespaceUid: store.metadata.uid }] },
        { kind: "layers", bytes: 20_000, items: 4, owners: [{ namespaceUid: store.metadata.uid }] },
        { kind: "logs", bytes: 4_000, items: 1, owners: [{ namespaceUid: other.metadata.uid, app: "rival" }] },
        { kind: "foreign", bytes: 9_000, items: 1 },
      ],
    });
    const disk = await of("host-a");
    expect(disk).toMatchObject({ sizeBytes: 1_000_000, freeBytes: 400_000, cacheBytes: 200_000, bytes: 183_000 });
    expect(disk.rows).toEqual([
      { kind: "base-layers", bytes: 70_000, items: 2, owners: [] },
      {
        kind: "layers",
        bytes: 50_000,
        items: 1,
        owners: expect.arrayContaining([
          { namespace: "acme/store", apps: ["shop"] },
          { namespace: "other/lab", apps: ["rival"] },
        ]),
      },
      { kind: "layers", bytes: 30_000, items: 3, owners: [{ namespace: "acme/store", apps: ["shop"] }] },
      { kind: "build-cache", bytes: 20_000, items: 4, owners: [{ namespace: "acme/store", apps: [] }] },
      { kind: "foreign", bytes: 9_000, items: 1, owners: [] },
      { kind: "logs", bytes: 4_000, items: 1, owners: [{ namespace: "other/lab", apps: ["rival"] }] },
    ]);
    const seen = await mine();
    expect(seen).toMatchObject({ bytes: 50_000, sharedBytes: 50_000, hosts: [{ name: "host-a", cacheNamespaceBytes: 100_000 }] });
    expect(seen.rows.map(({ kind, apps, bytes, shared }) => [kind, apps, bytes, shared])).toEqual([
      ["layers", ["shop"], 50_000, true],
      ["layers", ["shop"], 30_000, false],
      ["build-cache", [], 20_000, false],
    ]);
    expect(JSON.stringify(seen)).not.toMatch(/lab|rival/);
  });

  it("is replaced by the next word of the host, and goes with it", async () => {
    const second = await fixture.host("host-b");
    await tell({ ...HEAD, entries: [{ kind: "logs", bytes: 5, items: 1, owners: [{ namespaceUid: store.metadata.uid }] }] }, second);
    await tell({ ...HEAD, entries: [{ kind: "logs", bytes: 7, items: 1, owners: [{ namespaceUid: store.metadata.uid }] }] }, second);
    expect((await of("host-b")).bytes).toBe(7);
    expect((await mine()).rows.filter((row) => row.host === "host-b")).toHaveLength(1);
    await fixture.json("DELETE", "/api/v1/hosts/host-b", { token: operator.token, status: 204 });
    expect((await mine()).rows.filter((row) => row.host === "host-b")).toEqual([]);
    const all = await fixture.json<{ items: HostDisk[] }>("GET", "/api/v1/disks", { token: operator.token });
    expect(all.items.map((disk) => disk.host)).toEqual(["host-a"]);
  });

  it("says of a host that has told nothing that it has not", async () => {
    await fixture.host("host-c");
    expect(await of("host-c")).toEqual({ host: "host-c", sizeBytes: 0, freeBytes: 0, cacheBytes: 0, bytes: 0, rows: [] });
  });
});

describe("cleaning a namespace's build cache", () => {
  const wanted = async () => (await fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: host.credential })).cleanCaches;

  it("tells every host, by a stamp that is new each time", async () => {
    expect(await wanted()).toEqual([]);
    const asked = await fixture.json("DELETE", `${NS}/build-cache`, { token: owner.token, status: 202 });
    expect(asked).toMatchObject({ bytes: 20_000, hosts: ["host-a"] });
    const [first] = (await wanted()) ?? [];
    expect(first?.namespaceUid).toBe(store.metadata.uid);
    expect((await mine()).cleanedAt).toBeDefined();
    await fixture.json("DELETE", `${NS}/build-cache`, { token: owner.token, status: 202 });
    const again = (await wanted()) ?? [];
    expect(again).toHaveLength(1);
    expect(again[0]?.stamp).not.toBe(first?.stamp);
  });
});
