import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { ImageStore, imageDigest } from "@plimsoll/containers";
import type { Image, Resource } from "@plimsoll/core";
import { createBuild, createRelease, PLATFORM } from "@plimsoll/db";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestHost, TestUser } from "../../packages/api/src/testing/fixture.ts";
import { placeBuild } from "../../packages/api/src/testing/seed.ts";
import { importDirectory } from "../../packages/containers/src/base-images/registry.ts";
import { forge } from "./forge.ts";
import { archive, entry, ociImage } from "./oci-layout.ts";
import { type RegistryWorld, startRegistryWorld } from "./world.ts";

const MIB = 1024 ** 2;
const COMMIT = "4f2c1d9000000000000000000000000000000000";
const CONFIG: Image["config"] = {
  architecture: process.arch === "arm64" ? "arm64" : "amd64",
  os: "linux",
  env: ["A=b"],
  entrypoint: ["/bin/tool"],
  cmd: ["serve"],
  user: "1000",
  workingDir: "/srv",
  exposedPorts: ["8080/tcp"],
  labels: { purpose: "test" },
  onBuild: ["RUN true"],
  history: [{ createdBy: "COPY tool /bin/" }, { createdBy: "CMD serve", emptyLayer: true }],
};

describe("the registry", () => {
  let world: RegistryWorld;
  let team: Resource<"Team">;
  let store: Resource<"Namespace">;
  let lab: Resource<"Namespace">;
  let shop: Resource<"App">;
  let ana: TestUser;
  let eve: TestUser;
  let host: TestHost;
  let image: Image;
  let pushed: ReturnType<typeof ociImage>;

  beforeAll(async () => {
    const tag = { kind: "tag" as const, name: "spring", commit: COMMIT, subject: "s", author: "a", deployed: false };
    const git = { listRefs: async () => ({ refs: [tag], more: false }) };
    world = await startRegistryWorld({ namespaceBytes: 6 * MIB, git });
    const { fixture } = world;
    team = await fixture.team("acme");
    store = await fixture.namespace(team, "store");
    lab = await fixture.namespace(team, "lab");
    const rivals = await fixture.team("rivals");
    const theirs = await fixture.namespace(rivals, "store");
    ana = await fixture.user({ roles: { [team.metadata.uid]: "developer" } });
    eve = await fixture.user({ roles: { [rivals.metadata.uid]: "owner" } });
    shop = await createApp(store, "shop");
    await createApp(store, "cart");
    await createApp(lab, "shop");
    await createApp(theirs, "shop");
    host = await world.hostWithLayers("builder");
    pushed = ociImage(join(world.directory, "image"), "hello\n");
  });
  afterAll(() => world?.close());

  const createApp = (namespace: Resource<"Namespace">, name: string): Promise<Resource<"App">> =>
    world.fixture.commit(({ tx }) =>
      tx.objects.create({
        kind: "App",
        name,
        namespace,
        spec: { source: { kind: "git" }, processes: {}, env: {}, secrets: {} },
        status: { observedGeneration: 0, phase: "empty", urls: [], processes: {} },
      }),
    );
  const push = (user: TestUser, name: string, from = pushed.directory) =>
    world.skopeo(
      "copy",
      "--dest-tls-verify=false",
      "--dest-creds",
      `${user.email}:${user.token}`,
      `oci:${from}:latest`,
      `docker://${world.host}/${name}`,
    );
  const pull = (user: TestUser, name: string, to: string) =>
    world.skopeo(
      "copy",
      "--src-tls-verify=false",
      "--src-creds",
      `${user.email}:${user.token}`,
      `docker://${world.host}/${name}`,
      `dir:${to}`,
    );
  const tokenFor = async (user: TestUser | undefined, ...scopes: readonly string[]) => {
    const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
    const basic = Buffer.from(`${user?.email ?? ""}:${user?.token ?? ""}`).toString("base64");
    return fetch(`http://${world.host}/api/v1/registry/token?service=plimsoll-registry&${query}`, {
      headers: user === undefined ? {} : { authorization: `Basic ${basic}` },
    });
  };
  const bearer = async (user: TestUser, ...scopes: readonly string[]) => {
    const { token } = (await (await tokenFor(user, ...scopes)).json()) as { token: string };
    return { authorization: `Bearer ${token}` };
  };
  const accessOf = (headers: { readonly authorization: string }) =>
    (
      JSON.parse(Buffer.from(headers.authorization.split(".")[1] ?? "", "base64url").toString()) as {
        access: { name: string; actions: string[] }[];
      }
    ).access;
  /** curl sends a path as it is written; fetch would tidy it. */
  const raw = async (method: string, path: string, headers: Record<string, string> = {}, ...more: readonly string[]) => {
    const flags = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const { stdout } = await run(
      ["curl", "-s", "--path-as-is", "-D", "-", "-X", method, ...flags, ...more, `http://${world.host}${path}`],
      { okCodes: [0, 52, 55, 56] },
    );
    return { status: Number(/^HTTP\/1\.1 (\d+)(?![\s\S]*^HTTP\/1\.1 \d)/m.exec(stdout)?.[1]), text: stdout };
  };
  const repositoryDir = (name: string) => join(world.dataDir, "docker/registry/v2/repositories", name);

  it("gives nothing to nobody, and tells a client where tokens are had", async () => {
    const base = await raw("GET", "/v2/");
    expect(base.status).toBe(401);
    expect(base.text).toContain(`Bearer realm="http://${world.host}/api/v1/registry/token",service="plimsoll-registry"`);
    expect((await tokenFor(undefined, "repository:acme/store/shop:pull")).status).toBe(401);
    expect((await tokenFor({ ...ana, token: "plim_api_wrong" })).status).toBe(401);
    expect((await tokenFor({ ...ana, email: eve.email })).status).toBe(401);
    expect((await tokenFor(ana)).status).toBe(200);
    expect((await raw("GET", "/v2/", await bearer(ana))).status).toBe(200);
  });

  it("slows down whoever guesses, and nobody else", async () => {
    const from = (address: string, token: string) =>
      fetch(`http://${world.host}/api/v1/registry/token`, {
        headers: { authorization: `Basic ${Buffer.from(`token:${token}`).toString("base64")}`, "x-forwarded-for": address },
      });
    const statuses = new Set<number>();
    for (let guess = 0; guess < 40; guess++) statuses.add((await from("203.0.113.9", `plim_api_${guess}`)).status);
    expect([...statuses].sort()).toEqual([401, 429]);
    expect((await from("203.0.113.9", ana.token)).status).toBe(429);
    expect((await from("203.0.113.10", ana.token)).status).toBe(200);
  });

  it("takes what skopeo pushes, gives it back the same, lists, finds and deletes it", async () => {
    expect((await push(ana, "acme/store/shop:1.4")).stderr).toBe("");
    const copy = join(world.directory, "copy");
    expect((await pull(ana, "acme/store/shop:1.4", copy)).code).toBe(0);
    expect(readFileSync(join(copy, pushed.layer.slice(7)))).toEqual(
      readFileSync(join(pushed.directory, "blobs/sha256", pushed.layer.slice(7))),
    );

    const { token } = ana;
    const list = await world.fixture.json<{ items: object[]; usedBytes: number }>(
      "GET",
      "/api/v1/namespaces/acme/store/images?search=1.4",
      { token },
    );
    expect(list.items).toEqual([
      expect.objectContaining({
        app: "shop",
        tag: "1.4",
        kind: "pushed",
        digest: pushed.manifest,
        reference: `${world.host}/acme/store/shop:1.4`,
      }),
    ]);
    expect(list.usedBytes).toBeGreaterThan(0);
    const found = await world.fixture.json<{ items: object[] }>("GET", "/api/v1/images?search=SHOP:1", { token });
    expect(found.items).toMatchObject([{ team: "acme", namespace: "store", tag: "1.4" }]);
    expect(await world.fixture.json("GET", "/api/v1/images?search=1.4", { token: eve.token })).toEqual({ items: [] });

    expect((await push(ana, "acme/store/shop:by-tool")).code).toBe(0);
    const tool = ["delete", "--tls-verify=false", "--creds", `${ana.email}:${ana.token}`];
    expect((await world.skopeo(...tool, `docker://${world.host}/acme/store/shop:by-tool`)).stderr).toBe("");
    // With every tag of the same image.
    await world.fixture.json("DELETE", "/api/v1/namespaces/acme/store/apps/shop/images/1.4", { token, status: 404 });
    expect((await push(ana, "acme/store/shop:1.4")).code).toBe(0);
    await world.fixture.json("DELETE", "/api/v1/namespaces/acme/store/apps/shop/images/1.4", { token, status: 200 });
    expect((await pull(ana, "acme/store/shop:1.4", join(world.directory, "gone"))).stderr).toContain("manifest unknown");
    const trail = await world.fixture.db.platform.auditTrail({ objectUid: shop.metadata.uid });
    expect(trail.map(({ action, actor }) => `${action} ${actor}`)).toEqual([
      `images.delete user:${ana.id}`,
      `images.push user:${ana.id}`,
      `images.delete user:${ana.id}`,
      `images.push user:${ana.id}`,
      `images.push user:${ana.id}`,
    ]);
  });

  it("makes the app that is pushed to first, for whoever may make one", async () => {
    expect((await push(ana, "acme/store/fresh:1")).stderr).toBe("");
    const app = await world.fixture.db.objects(PLATFORM).getByName("App", store.metadata.uid, "fresh");
    const trail = await world.fixture.db.platform.auditTrail({ objectUid: app.metadata.uid });
    expect(trail.map(({ action, actor }) => `${action} ${actor}`)).toEqual([`images.push user:${ana.id}`, `apps.create user:${ana.id}`]);
    expect((await push(eve, "acme/store/hers:1")).code).toBe(1);
    expect((await push(ana, "acme/nowhere/fresh:1")).code).toBe(1);
  });

  it("keeps one tenant's images from another, whatever the path looks like", async () => {
    expect((await push(ana, "acme/store/shop:mine")).code).toBe(0);
    const refused = await pull(eve, "acme/store/shop:mine", join(world.directory, "stolen"));
    expect(refused.stderr).toContain("There is no app acme/store/shop whose images you may pull");
    expect((await push(eve, "acme/store/shop:planted")).stderr).toContain("403 (Forbidden)");
    expect(accessOf(await bearer(eve, "repository:acme/store/shop:pull,push,delete,*"))).toEqual([
      { type: "repository", name: "acme/store/shop", actions: [] },
    ]);
    expect(
      accessOf(
        await bearer(eve, "registry:catalog:*", "repository:rivals/store/../../acme/store/shop:pull", "repository:ACME/store/shop:pull"),
      ),
    ).toEqual([]);

    const hers = await bearer(eve, "repository:rivals/store/shop:pull,push,delete");
    const paths = [
      "/v2/acme/store/shop/manifests/mine",
      "/v2/rivals/store/shop/../../../acme/store/shop/manifests/mine",
      "/v2/rivals/store/shop/%2e%2e/%2e%2e/%2e%2e/acme/store/shop/manifests/mine",
      "/v2/rivals/store/shop/manifests/..%2f..%2f..%2facme/store/shop/manifests/mine",
      "/v2/ACME/store/shop/manifests/mine",
      "/v2//acme/store/shop/manifests/mine",
      "/v2/./acme/store/shop/manifests/mine",
      "/v2/acme/store/shop%00/manifests/mine",
      `/v2/acme/store/shop/blobs/${pushed.layer}`,
      "/v2/acme/store/shop/tags/list",
      "/v2/_catalog",
      "/v2/rivals/store/../../_catalog",
    ];
    for (const path of paths)
      expect([path, (await raw("GET", path, hers)).status]).toEqual([path, expect.toSatisfy((status) => [401, 404].includes(status))]);
    const mine = await bearer(ana, "repository:acme/store/shop:pull");
    expect((await raw("GET", paths[0] ?? "", { ...mine, accept: "application/vnd.oci.image.manifest.v1+json" })).status).toBe(200);
    // A namespace of the same team is another tenant to a build, not to its members.
    expect(accessOf(await bearer(ana, "repository:acme/lab/shop:pull"))[0]?.actions).toEqual(["pull"]);
  });

  it("mounts a blob of another repository for those alone who may pull there", async () => {
    const mount = (headers: Record<string, string>, into: string, from: string) =>
      raw("POST", `/v2/${into}/blobs/uploads/?mount=${pushed.layer}&from=${from}`, { ...headers, "content-length": "0" });
    const both = await bearer(ana, "repository:acme/store/cart:pull,push", "repository:acme/store/shop:pull");
    expect((await mount(both, "acme/store/cart", "acme/store/shop")).status).toBe(201);
    const hers = await bearer(eve, "repository:rivals/store/shop:pull,push", "repository:acme/store/shop:pull");
    // An upload begins as if she had asked for nothing: she has to have the bytes.
    expect((await mount(hers, "rivals/store/shop", "acme/store/shop")).status).toBe(202);
    expect((await raw("HEAD", `/v2/rivals/store/shop/blobs/${pushed.layer}`, hers, "-I")).status).toBe(404);
    // docker-registry itself refuses it as well.
    expect(await direct("POST", `/v2/rivals/store/shop/blobs/uploads/?mount=${pushed.layer}&from=acme/store/shop`, hers)).toBe(401);
  });

  const direct = async (method: string, path: string, headers: Record<string, string>) => {
    const flags = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const { stdout } = await run([
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "--unix-socket",
      world.socketPath,
      "-X",
      method,
      ...flags,
      `http://r${path}`,
    ]);
    return Number(stdout);
  };

  it("believes its own tokens alone, at the door and behind it", async () => {
    const claims = { name: "acme/store/shop", actions: ["pull"] };
    const path = "/v2/acme/store/shop/manifests/mine";
    const accept = { accept: "application/vnd.oci.image.manifest.v1+json" };
    const good = forge(world.privateKeyPem, claims);
    expect((await raw("GET", path, { authorization: `Bearer ${good}`, ...accept })).status).toBe(200);
    expect(await direct("GET", path, { authorization: `Bearer ${good}`, ...accept })).toBe(200);
    expect((await raw("GET", "/v2/acme/store/shop/tags/list", { authorization: `Bearer ${good}` })).status).toBe(200);
    const bad = {
      expired: forge(world.privateKeyPem, { ...claims, exp: Math.floor(Date.now() / 1_000) - 3_600 }),
      "of the future": forge(world.privateKeyPem, { ...claims, nbf: Math.floor(Date.now() / 1_000) + 3_600 }),
      "for another audience": forge(world.privateKeyPem, { ...claims, aud: "another-service" }),
      "of another issuer": forge(world.privateKeyPem, { ...claims, iss: "somebody" }),
      "signed by another key": forge(undefined, claims),
      "signed by another key that it brings along": forge(undefined, { ...claims, bringsKey: true }),
      unsigned: forge(world.privateKeyPem, { ...claims, alg: "none" }),
      "signed with the public key as a password": forge(world.privateKeyPem, { ...claims, alg: "HS256" }),
      changed: forge(world.privateKeyPem, { ...claims, name: "acme/lab/shop", changedTo: "acme/store/shop" }),
    };
    for (const [what, token] of Object.entries(bad)) {
      const headers = { authorization: `Bearer ${token}`, ...accept };
      expect([what, (await raw("GET", path, headers)).status, await direct("GET", path, headers)]).toEqual([what, 401, 401]);
      // The door answers this one alone.
      expect([what, (await raw("GET", "/v2/acme/store/shop/tags/list", headers)).status]).toEqual([what, 401]);
    }
  });

  it("gives a release by its number, commit and git tag, brought from its host when it is first asked for", async () => {
    const unpacked = archive(
      entry("bin", "", { type: "directory", mode: 0o755 }),
      entry("bin/tool", "#!/bin/sh\n", { mode: 0o4755, uid: 1000 }),
      entry("bin/.wh.old"),
      entry("srv", "", { type: "directory", mode: 0o755 }),
      entry("srv/.wh..wh..opq"),
    );
    const layer = await world.layers.importOciLayer(Readable.from([unpacked]), "application/vnd.oci.image.layer.v1.tar");
    image = { config: CONFIG, layers: [layer], digest: imageDigest(CONFIG, [layer]) };
    const source = { kind: "git" as const, commit: COMMIT, ref: "main", subject: "s", author: "a" };
    await world.fixture.commit(async ({ tx }) => {
      const app = await tx.objects.lock("App", shop.metadata.uid);
      await createRelease(tx, { namespace: store, app, image, builtOn: host.name, source, createdBy: "Ana" });
    });
    const dir = repositoryDir("acme/store/shop");
    const before = readdirSync(join(dir, "_layers/sha256")).length;
    const headers = await bearer(ana, "repository:acme/store/shop:pull,push");
    const tags = await raw("GET", "/v2/acme/store/shop/tags/list", headers);
    expect(tags.text).toContain(JSON.stringify({ name: "acme/store/shop", tags: [COMMIT, "mine", "spring", "v1"] }));
    // Listed, and nothing was moved for it.
    expect(readdirSync(join(dir, "_layers/sha256")).length).toBe(before);

    const copy = join(world.directory, "release");
    expect((await pull(ana, "acme/store/shop:v1", copy)).stderr).toBe("");
    expect(readdirSync(join(dir, "_layers/sha256")).length).toBe(before + 2);
    const images = new ImageStore(join(world.directory, "images"), world.layers);
    // Config, whiteouts and modes: it is the same image.
    expect((await importDirectory(copy, "shop:v1", { layers: world.layers, images })).digest).toBe(image.digest);
    for (const tag of [COMMIT, "spring"]) {
      const asked = await raw("GET", `/v2/acme/store/shop/manifests/${tag}`, {
        ...headers,
        accept: "application/vnd.docker.distribution.manifest.v2+json",
      });
      const digest = /^docker-content-digest: (\S+)/im.exec(asked.text)?.[1];
      expect(digest).toBe(await manifestOfRelease());
    }
    expect((await push(ana, "acme/store/shop:v2")).stderr).toContain("The tag v2 is a release's");
    expect((await push(ana, `acme/store/shop:${COMMIT}`)).stderr).toContain("is a release's");
    expect((await pull(ana, "acme/store/shop:v7", join(world.directory, "no"))).stderr).toContain("manifest unknown");
    const absent = await raw("GET", "/v2/acme/store/shop/manifests/v7", headers);
    expect(absent.text).toContain("has no release v7; the newest is v1");
    const refused = await world.fixture.request("DELETE", "/api/v1/namespaces/acme/store/apps/shop/images/v1", { token: ana.token });
    expect([refused.status, await refused.text()]).toEqual([expect.any(Number), expect.stringContaining("goes with the release")]);
  });

  const manifestOfRelease = async () =>
    (await world.fixture.db.objects(PLATFORM).getByName("Release", store.metadata.uid, "shop-v1")).status.registry?.manifest;

  it("has no door but the server's: no port, and a socket that other users of the machine do not reach", async () => {
    const sockets = readdirSync(`/proc/${world.registryPid()}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${world.registryPid()}/fd/${fd}`))?.[1] ?? []].flat();
      } catch {
        return [];
      }
    });
    const tcp = ["tcp", "tcp6"].flatMap((file) =>
      readFileSync(`/proc/${world.registryPid()}/net/${file}`, "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/)[9]),
    );
    expect(sockets.length).toBeGreaterThan(0);
    expect(sockets.filter((inode) => tcp.includes(inode))).toEqual([]);
    expect(statSync(`/proc/${world.registryPid()}`).uid).not.toBe(0);
    const ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", world.socketPath, "http://r/v2/"];
    expect((await run(ask)).stdout).toBe("401");
    const asNobody = () => run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", ...ask], { okCodes: [0, 7] });
    expect((await asNobody()).code).toBe(7);
    // With both of its modes opened he gets through.
    chmodSync(dirname(world.socketPath), 0o755);
    chmodSync(world.socketPath, 0o666);
    expect((await asNobody()).stdout).toBe("401");
    chmodSync(world.socketPath, 0o755);
    expect((await asNobody()).code).toBe(7);
    chmodSync(dirname(world.socketPath), 0o700);
  });

  it("refuses a manifest of enormous size, and an upload for which its namespace has no room", async () => {
    const headers = await bearer(ana, "repository:acme/lab/shop:pull,push");
    const type = { "content-type": "application/vnd.oci.image.manifest.v1+json" };
    const big = join(world.directory, "big");
    await run(["dd", "if=/dev/zero", `of=${big}`, "bs=1M", "count=5", "status=none"]);
    const announced = await raw("PUT", "/v2/acme/lab/shop/manifests/big", { ...headers, ...type }, "--data-binary", `@${big}`);
    const unannounced = await raw(
      "PUT",
      "/v2/acme/lab/shop/manifests/big",
      { ...headers, ...type, "transfer-encoding": "chunked" },
      "--data-binary",
      `@${big}`,
    );
    for (const { status, text } of [announced, unannounced])
      expect([status, text]).toEqual([400, expect.stringContaining("larger than 4 MiB")]);

    expect((await push(ana, "acme/lab/shop:fits", ociImage(join(world.directory, "fits"), "x", 3 * MIB).directory)).code).toBe(0);
    const full = await push(ana, "acme/lab/shop:more", ociImage(join(world.directory, "more"), "y", 7 * MIB).directory);
    expect(full.stderr).toMatch(/may have 6 MiB in the registry/);
    // What takes no room takes files.
    const crowd = async <T>(part: string, count: number, work: () => Promise<T>) => {
      const names = Array.from({ length: count }, (_, at) => join(repositoryDir("acme/store/shop"), part, `crowd-${at}`));
      for (const name of names) mkdirSync(name);
      return work().finally(() => {
        for (const name of names) rmSync(name, { recursive: true });
      });
    };
    const tagged = await crowd("_manifests/tags", 1_000, () => push(ana, "acme/store/shop:one-more"));
    expect(tagged.stderr).toContain("1000 tags, the most there may be");
    const mine = await bearer(ana, "repository:acme/store/shop:pull,push");
    const begin = () => raw("POST", "/v2/acme/store/shop/blobs/uploads/", { ...mine, "content-length": "0" });
    const begun = await crowd("_uploads", 200, begin);
    expect([begun.status, begun.text]).toEqual([403, expect.stringMatching(/has \d+ uploads under way/)]);
    expect((await begin()).status).toBe(202);
    // What another namespace has does not count here.
    expect((await push(ana, "acme/store/cart:fits", join(world.directory, "fits"))).code).toBe(0);
  });

  it("gives a host the images of the namespace that it builds for, and no others", async () => {
    const { fixture } = world;
    const ask = (namespace: Resource<"Namespace">, reference: string) => {
      const path = `/api/agent/v1/namespaces/${namespace.metadata.uid}/image-manifest?reference=${encodeURIComponent(`${world.host}/${reference}`)}`;
      return fixture.request("GET", path, { token: host.credential });
    };
    const asked = async (...[namespace, reference]: Parameters<typeof ask>) => {
      const response = await ask(namespace, reference);
      return [response.status, await response.text()] as const;
    };
    expect(await asked(store, "acme/store/shop:mine")).toEqual([404, expect.stringContaining("builds nothing for such a namespace")]);
    await fixture.commit(async ({ tx }) => {
      const source = { kind: "image" as const, reference: `${world.host}/acme/store/shop:mine` };
      await placeBuild(tx, await createBuild(tx, { namespace: store, app: shop, source, requestedBy: "Ana" }), host);
    });
    expect((await ask(store, "acme/store/shop:mine")).status).toBe(200);
    expect((await ask(store, "acme/store/shop:v1")).status).toBe(200);
    expect(await asked(store, "acme/lab/shop:fits")).toEqual([404, expect.stringContaining("reaches its own images only")]);
    expect((await ask(store, "acme/store/../lab/shop:fits")).status).toBe(422);
    expect((await asked(lab, "acme/lab/shop:fits"))[0]).toBe(404);
  });

  it("goes on after kill -9, and says so meanwhile", async () => {
    const headers = await bearer(ana, "repository:acme/store/shop:pull,push");
    const begun = await raw("POST", "/v2/acme/store/shop/blobs/uploads/", { ...headers, "content-length": "0" });
    const location = /^location: (\S+)/im.exec(begun.text)?.[1] ?? "";
    expect(location).toMatch(/^\/v2\/acme\/store\/shop\/blobs\/uploads\//);
    process.kill(world.registryPid(), "SIGKILL");
    let away = await raw("GET", "/v2/", headers);
    for (let tries = 0; away.status !== 503 && tries < 100; tries++) away = await raw("GET", "/v2/", headers);
    expect(away.text).toMatch(/^retry-after: /im);
    await world.restart();
    // The upload of before goes on.
    expect((await raw("PATCH", location, { ...headers, "content-type": "application/octet-stream" }, "--data-binary", "abc")).status).toBe(
      202,
    );
    expect((await push(ana, "acme/store/shop:after")).code).toBe(0);
  });

  it("sweeps what nobody needs once it is a day old, and nothing else", async () => {
    const registry = world.housekeeper;
    const dir = repositoryDir("acme/store/shop");
    const uploads = () => readdirSync(join(dir, "_uploads")).length;
    const kept = async () => [
      (await pull(ana, "acme/store/shop:mine", join(world.directory, "again"))).code,
      (await pull(ana, "acme/store/shop:v1", join(world.directory, "again-v1"))).code,
    ];
    expect(uploads()).toBeGreaterThan(0);
    await world.fixture.json("DELETE", "/api/v1/namespaces/acme/lab/apps/shop/images/fits", { token: ana.token, status: 200 });
    await world.fixture.commit(async ({ tx }) => tx.objects.delete(await tx.objects.getByName("App", store.metadata.uid, "cart")));
    const blobs = await registry.files.blobs();
    // All of it is young: only what is no app's any more goes.
    expect(await registry.sweep()).toEqual({ repositories: 1, manifests: 0, blobs: 0, uploads: 0 });
    expect(existsSync(repositoryDir("acme/store/cart"))).toBe(false);
    expect(await kept()).toEqual([0, 0]);

    const yesterday = new Date(Date.now() - 25 * 3_600_000);
    await age(join(world.dataDir, "docker"), yesterday);
    const swept = await registry.sweep();
    expect(swept).toMatchObject({ repositories: 0, manifests: 1 });
    expect(swept?.blobs).toBeGreaterThan(2);
    expect(swept?.uploads).toBeGreaterThan(0);
    expect(uploads()).toBe(0);
    expect((await registry.files.blobs()).length).toBe(blobs.length - (swept?.blobs ?? 0));
    expect(await kept()).toEqual([0, 0]);
    expect((await push(ana, "acme/lab/shop:fits", join(world.directory, "fits"))).code).toBe(0);
    expect(await registry.sweep()).toEqual({ repositories: 0, manifests: 0, blobs: 0, uploads: 0 });
  });

  it("keeps a release's image under a tag of people's own, and says of one that is not kept any more what to do", async () => {
    const { fixture } = world;
    const source = { kind: "git" as const, commit: COMMIT, ref: "main", subject: "s", author: "a" };
    await createApp(store, "long");
    const app = await fixture.db.objects(PLATFORM).getByName("App", store.metadata.uid, "long");
    const release = () =>
      fixture.commit(async ({ tx }) => {
        const locked = await tx.objects.lock("App", app.metadata.uid);
        return createRelease(tx, { namespace: store, app: locked, image, builtOn: host.name, source, createdBy: "Ana" });
      });
    // Two more than are kept by number: what is still there can be rolled back to, and so it can be pulled.
    for (let number = 1; number <= 12; number++) await release();
    expect((await pull(ana, "acme/store/long:v1", join(world.directory, "oldest"))).stderr).toBe("");
    const creds = `${ana.email}:${ana.token}`;
    const flags = ["--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", creds, "--dest-creds", creds];
    const at = (tag: string) => `docker://${world.host}/acme/store/long:${tag}`;
    expect((await world.skopeo("copy", ...flags, at("v2"), at("keep-2"))).stderr).toBe("");
    await fixture.commit(async ({ tx }) => {
      for (const number of [1, 2]) await tx.objects.delete(await tx.objects.getByName("Release", store.metadata.uid, `long-v${number}`));
    });
    await world.housekeeper.sweep(0);
    const { stderr } = await pull(ana, "acme/store/long:v2", join(world.directory, "gone"));
    expect(stderr).toContain("manifest unknown");
    const headers = await bearer(ana, "repository:acme/store/long:pull");
    expect((await raw("GET", "/v2/acme/store/long/manifests/v2", headers)).text).toContain("not kept any more, only v3 to v12 are");
    expect((await pull(ana, "acme/store/long:keep-2", join(world.directory, "kept"))).stderr).toBe("");
  });

  it("has nothing left of an app that was removed", async () => {
    await world.fixture.api.registry?.appDeleted(shop);
    expect(existsSync(repositoryDir("acme/store/shop"))).toBe(false);
    expect((await pull(ana, "acme/store/shop:mine", join(world.directory, "late"))).stderr).toMatch(/manifest unknown|name unknown/);
  });
});

/** Gives everything below a path a time of long ago. */
async function age(path: string, at: Date): Promise<void> {
  for (const found of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, found.name);
    if (found.isDirectory()) await age(below, at);
    utimesSync(below, at, at);
  }
}
