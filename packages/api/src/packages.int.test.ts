import { RETENTION } from "@plimsoll/config";
import type { BuildClaim, DesiredState, ImagePackages } from "@plimsoll/contracts";
import type { PackageList, Resource } from "@plimsoll/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Fixture, startFixture, type TestHost, type TestUser } from "./testing/fixture.ts";
import { placeBuild, releaseApp, testImage } from "./testing/seed.ts";

const NS = "/api/v1/namespaces/acme/store";
const LIST: PackageList = {
  distribution: "Debian GNU/Linux 12 (bookworm)",
  packages: [
    { type: "deb", name: "bash", version: "5.2", purl: "pkg:deb/debian/bash@5.2", paths: ["var/lib/dpkg/status"] },
    {
      type: "npm",
      name: "@a/b",
      version: "1.0.0",
      purl: "pkg:npm/%40a/b@1.0.0",
      license: "MIT",
      paths: ["app/node_modules/@a/b/package.json"],
    },
    { type: "maven", name: "org.example:lib", version: "", paths: ["app/a.jar!b.jar"], morePaths: 3 },
  ],
  notes: ["It has an rpm database, which is not read."],
};

let fixture: Fixture;
let store: Resource<"Namespace">;
let owner: TestUser;
let stranger: TestUser;
let host: TestHost;
let other: TestHost;

beforeAll(async () => {
  fixture = await startFixture();
  const team = await fixture.team("acme");
  const foreign = await fixture.team("other");
  store = await fixture.namespace(team, "store");
  owner = await fixture.user({ roles: { [team.metadata.uid]: "owner" } });
  stranger = await fixture.user({ roles: { [foreign.metadata.uid]: "owner" } });
  host = await fixture.host("host-a");
  other = await fixture.host("host-b");
  await fixture.json("POST", `${NS}/apps`, { token: owner.token, body: { name: "shop" } });
});
afterAll(() => fixture.close());

const image = testImage("shop:1").digest;
const wantedBy = async (of: TestHost) =>
  (await fixture.json<DesiredState>("GET", "/api/agent/v1/desired", { token: of.credential })).listPackages;
const tell = (of: TestHost, list: PackageList, digest: string = image) =>
  fixture.json("PUT", `/api/agent/v1/images/${digest}/packages`, { token: of.credential, body: { list }, status: 204 });
const read = (path: string, token = owner.token) => fixture.json<ImagePackages>("GET", `${NS}/${path}`, { token });

/** A build of the image, as its host tells of it. */
async function buildOn(on: TestHost, digestOf = "shop:1"): Promise<Resource<"Build">> {
  const body = { reference: digestOf };
  const build = await fixture.json<Resource<"Build">>("POST", `${NS}/apps/shop/deploy`, { token: owner.token, body });
  await fixture.commit(({ tx }) => placeBuild(tx, build, on));
  const path = `/api/agent/v1/builds/${build.metadata.uid}`;
  const { epoch } = await fixture.json<BuildClaim>("POST", `${path}/claim`, { token: on.credential });
  const result = { outcome: "succeeded", image: testImage(digestOf), newBytes: 1 };
  await fixture.json("POST", `${path}/result`, { token: on.credential, body: { epoch, result }, status: 204 });
  return build;
}

describe("the packages of an image", () => {
  let build: Resource<"Build">;

  it("are asked of the host that built it until it has told them, and of no other", async () => {
    expect(await wantedBy(host)).toEqual([]);
    build = await buildOn(host);
    await releaseApp(fixture, store, "shop", "shop:1");
    expect(await wantedBy(host)).toEqual([image]);
    expect(await wantedBy(other)).toEqual([]);
    expect(await read(`builds/${build.metadata.name}/packages`)).toMatchObject({ state: "pending", packages: [], image });
    // A host that was not asked says nothing about it.
    await tell(other, { packages: [], notes: ["forged"] });
    expect(await wantedBy(host)).toEqual([image]);
    await tell(host, LIST);
    expect(await wantedBy(host)).toEqual([]);
    // Said again, or by one who thinks otherwise: the first word counts.
    await tell(host, { packages: [], notes: [] });
    const seen = await read("releases/shop-v1/packages");
    expect(seen).toMatchObject({ ...LIST, state: "listed", image, listedAt: expect.any(String) });
    expect(seen.counts).toEqual([
      { type: "deb", count: 1 },
      { type: "npm", count: 1 },
      { type: "maven", count: 1 },
    ]);
    expect(await read(`builds/${build.metadata.name}/packages`)).toEqual(seen);
  });

  it("are known at once where an equal image was listed before, by whatever host it was built", async () => {
    const again = await buildOn(other);
    expect(await wantedBy(other)).toEqual([]);
    expect((await read(`builds/${again.metadata.name}/packages`)).packages).toHaveLength(3);
  });

  it("are listed by the later host where the first has not done it", async () => {
    await buildOn(host, "shop:2");
    await buildOn(other, "shop:2");
    expect([await wantedBy(host), await wantedBy(other)]).toEqual([[], [testImage("shop:2").digest]]);
    await tell(host, LIST, testImage("shop:2").digest);
    expect(await wantedBy(other)).toHaveLength(1);
  });

  it("are asked for again by a new build where the host did not have the image any more, and by nobody before", async () => {
    const digest = testImage("shop:4").digest;
    const made = await buildOn(host, "shop:4");
    const tellNothing = (of: TestHost) =>
      fixture.json("PUT", `/api/agent/v1/images/${digest}/packages`, { token: of.credential, body: {}, status: 204 });
    await tellNothing(other);
    expect(await wantedBy(host)).toContain(digest);
    await tellNothing(host);
    expect(await wantedBy(host)).not.toContain(digest);
    expect(await read(`builds/${made.metadata.name}/packages`)).toMatchObject({ state: "unknown", packages: [] });
    await buildOn(other, "shop:4");
    expect(await wantedBy(other)).toContain(digest);
    // A list that is there is not given up.
    await tell(other, LIST, digest);
    await tellNothing(other);
    expect(await read(`builds/${made.metadata.name}/packages`)).toMatchObject({ state: "listed" });
  });

  it("are a CycloneDX document for who asks for one", async () => {
    const path = `${NS}/releases/shop-v1/packages`;
    const byHeader = await fixture.request("GET", path, { token: owner.token, headers: { accept: "application/vnd.cyclonedx+json" } });
    expect(byHeader.headers.get("content-type")).toBe("application/vnd.cyclonedx+json; version=1.6");
    const document = (await byHeader.json()) as { components: object[]; serialNumber: string };
    expect(document).toMatchObject({
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      serialNumber: expect.stringMatching(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      metadata: { component: { type: "container", name: "shop-v1", version: image } },
    });
    expect(document.components).toMatchObject([
      { type: "library", name: "bash", version: "5.2", purl: "pkg:deb/debian/bash@5.2" },
      {
        group: "@a",
        name: "b",
        licenses: [{ license: { name: "MIT" } }],
        evidence: { occurrences: [{ location: LIST.packages[1]?.paths[0] }] },
      },
      { group: "org.example", name: "lib" },
    ]);
    const byQuery = await fixture.request("GET", `${path}?format=cyclonedx`, { token: owner.token });
    expect(await byQuery.json()).toEqual(document);
    expect((await fixture.request("GET", `${path}?format=spdx`, { token: owner.token })).status).toBe(422);
    const pending = await buildOn(host, "shop:3");
    expect(
      (await fixture.request("GET", `${NS}/builds/${pending.metadata.name}/packages?format=cyclonedx`, { token: owner.token })).status,
    ).toBe(503);
  });

  it("are no concern of other teams, and of nobody without a login", async () => {
    for (const path of ["releases/shop-v1/packages", `builds/${build.metadata.name}/packages`]) {
      expect((await fixture.request("GET", `${NS}/${path}`, { token: stranger.token })).status).toBe(404);
      expect((await fixture.request("GET", `${NS}/${path}`)).status).toBe(401);
      // The control: who may see the app sees them.
      expect((await fixture.request("GET", `${NS}/${path}`, { token: owner.token })).status).toBe(200);
    }
    expect(
      (await fixture.request("PUT", `/api/agent/v1/images/${image}/packages`, { token: owner.token, body: { list: LIST } })).status,
    ).toBe(401);
  });

  it("are refused where they are more than a list may have", async () => {
    const many = { ...LIST, packages: Array.from({ length: 20_001 }, () => LIST.packages[0]) };
    const answer = await fixture.request("PUT", `/api/agent/v1/images/${image}/packages`, { token: host.credential, body: { list: many } });
    expect(answer.status).toBe(422);
  });

  it("are not waited for from a host that was removed", async () => {
    const removed = await fixture.host("host-removed");
    const made = await buildOn(removed, "shop:5");
    const state = async () => (await read(`builds/${made.metadata.name}/packages`)).state;
    await fixture.db.prune(RETENTION);
    expect(await state()).toBe("pending");
    await fixture.commit(async ({ tx }) => tx.objects.delete(await tx.objects.lock("Host", removed.uid)));
    await fixture.db.prune(RETENTION);
    expect(await state()).toBe("unknown");
  });

  it("go when nothing names the image any more", async () => {
    await fixture.db.prune(RETENTION);
    expect(await fixture.db.packages.find(image)).toBeDefined();
    await fixture.commit(async ({ tx }) => {
      for (const kind of ["Build", "Release"] as const)
        for (const object of await tx.objects.list(kind, {})) await tx.objects.delete(object);
    });
    await fixture.db.prune(RETENTION);
    expect(await fixture.db.packages.find(image)).toBeUndefined();
  });
});
