import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Image, RegistryAccess } from "@plimsoll/core";
import { run, start as spawn } from "@plimsoll/exec";
import { hostLayout } from "@plimsoll/host";
import { startTestRegistry, type TestRegistry, type TestRegistryOptions } from "@plimsoll/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageStore } from "../image-store.ts";
import { LayerStore } from "../layer-store.ts";
import { BaseImages, type BaseImagesOptions } from "./base-images.ts";

const OCI = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
};
const DOCKER = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  index: "application/vnd.docker.distribution.manifest.list.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar",
};
const OURS = process.arch === "arm64" ? "arm64" : "amd64";
const OTHER = OURS === "amd64" ? "arm64" : "amd64";

describe("images of registries", () => {
  let dir: string;
  let stores: { layers: LayerStore; images: ImageStore };
  const registries: TestRegistry[] = [];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-registries-"));
    stores = openStores();
  });
  afterEach(async () => {
    for (const registry of registries.splice(0)) await registry.stop();
    await stores.layers.settled();
    rmSync(dir, { recursive: true, force: true });
  });

  const layout = () => hostLayout({ name: "test", dataDir: dir });
  function openStores() {
    const layers = new LayerStore(layout().layersDir);
    return { layers, images: new ImageStore(layout().imagesDir, layers) };
  }
  const start = async (options?: TestRegistryOptions) => {
    const registry = await startTestRegistry(options);
    registries.push(registry);
    return registry;
  };
  /** A host of which nothing is known but what the stores have. */
  const baseImages = (more: BaseImagesOptions["registries"] = {}) => {
    const plainHttp = registries.map(({ host }) => host);
    return new BaseImages({ layout: { ...layout(), bundlesDir: join(dir, "secret") }, ...stores, registries: { plainHttp, ...more } });
  };
  const ask = (base: BaseImages, reference: string, registries: RegistryAccess = {}, namespaceUid = "ns-a") =>
    base.resolve(reference, { puller: { namespaceUid, registries } });

  async function layer(text: string): Promise<Buffer> {
    const root = mkdtempSync(join(dir, "root-"));
    writeFileSync(join(root, "file"), text);
    await run(["tar", "-C", root, "--mtime=@0", "-cf", `${root}.tar`, "./file"]);
    return readFileSync(`${root}.tar`);
  }
  interface Pushed {
    readonly form?: typeof OCI;
    readonly packed?: "gzip" | "zstd";
    readonly architecture?: string;
  }
  /** A tag, or a manifest without one (`tag` undefined), of one layer that holds `text`. */
  async function push(registry: TestRegistry, repository: string, tag: string, text: string, options: Pushed = {}) {
    const { form = OCI, packed = "gzip", architecture = OURS } = options;
    const tar = await layer(text);
    const config = await registry.putBlob(repository, Buffer.from(JSON.stringify({ architecture, os: "linux" })), form.config);
    const bytes = packed === "gzip" ? gzipSync(tar) : zstdCompressSync(tar);
    const packedAs = form === DOCKER ? `${form.layer}.${packed}` : `${form.layer}+${packed}`;
    const one = await registry.putBlob(repository, bytes, packedAs);
    const manifest = { schemaVersion: 2, mediaType: form.manifest, config, layers: [one] };
    const digest = await registry.putManifest(repository, tag, manifest);
    return { mediaType: form.manifest, digest, size: JSON.stringify(manifest).length, platform: { os: "linux", architecture } };
  }
  const content = (image: Image) => readFileSync(join(stores.layers.dirOf(image.layers[0]?.digest ?? "sha256:"), "file"), "utf8");
  const blobs = ({ requests }: TestRegistry) => requests.filter((line) => line.startsWith("GET") && line.includes("/blobs/")).length;

  describe("by form", () => {
    it.each([
      ["an OCI image, gzip", { form: OCI, packed: "gzip" }],
      ["an OCI image, zstd", { form: OCI, packed: "zstd" }],
      ["an image of Docker's form, gzip", { form: DOCKER, packed: "gzip" }],
    ] as const)("%s", async (_, form) => {
      const registry = await start();
      const { digest } = await push(registry, "team/app", "1", "content", form);
      const { image, sourceDigest } = await ask(baseImages(), `${registry.host}/team/app:1`);
      expect(content(image)).toBe("content");
      expect(sourceDigest).toBe(digest);
    });

    it.each([
      ["an OCI index", OCI],
      ["a manifest list of Docker's", DOCKER],
    ])("%s: the image for this host is taken, and what was asked for is the list", async (_, form) => {
      const registry = await start();
      const others = await push(registry, "app", "other", "other", { form, architecture: OTHER });
      const ours = await push(registry, "app", "ours", "ours", { form });
      const list = { schemaVersion: 2, mediaType: form.index, manifests: [others, ours] };
      const digest = await registry.putManifest("app", "1", list);
      const { image, sourceDigest } = await ask(baseImages(), `${registry.host}/app:1`);
      expect([content(image), sourceDigest]).toEqual(["ours", digest]);
      const pinned = await ask(baseImages(), `${registry.host}/app@${digest}`);
      expect(pinned.image.digest).toBe(image.digest);
    });

    it("says which platforms there are where none is this host's, of lists and of single images", async () => {
      const registry = await start();
      const others = await push(registry, "app", "other", "other", { architecture: OTHER });
      await registry.putManifest("app", "1", { schemaVersion: 2, mediaType: OCI.index, manifests: [others] } as never);
      await expect(ask(baseImages(), `${registry.host}/app:1`)).rejects.toMatchObject({
        code: "unsupported",
        message: `${registry.host}/app:1 has no image for linux/${OURS}, which this host runs; it has linux/${OTHER}.`,
      });
      await expect(ask(baseImages(), `${registry.host}/app:other`)).rejects.toThrow(`is for linux/${OTHER}; this host runs linux/${OURS}`);
    });
  });

  describe.each(["basic", "token"] as const)("with credentials (%s)", (auth) => {
    const RIGHT = { username: "ana", password: "correct horse" };
    const access = (registry: TestRegistry, credential = RIGHT): RegistryAccess => ({ [registry.host]: { credential } });
    const open = async () => {
      const registry = await start({ auth, users: { ana: RIGHT.password, bo: "battery" } });
      await push(registry, "ana/app", "1", "private");
      return { registry, name: `${registry.host}/ana/app:1` };
    };

    it("gives to who shows the right one, and tells others what to do", async () => {
      const { registry, name } = await open();
      const base = baseImages();
      expect(content((await ask(base, name, access(registry))).image)).toBe("private");
      await expect(ask(base, name, access(registry, { ...RIGHT, password: "wrong" }), "ns-b")).rejects.toMatchObject({
        code: "forbidden",
        message: expect.stringMatching(`refused user ana .* plim registries set ${registry.host} --user ana$`),
      });
      await expect(ask(base, name, {}, "ns-c")).rejects.toMatchObject({
        code: "forbidden",
        message: expect.stringMatching(`plim registries set ${registry.host} --user NAME$`),
      });
    });

    it("gives nobody what another namespace has pulled, neither by tag nor by digest, until it shows a credential of its own", async () => {
      const { registry, name } = await open();
      const base = baseImages();
      const { image, sourceDigest } = await ask(base, name, access(registry));
      const pinned = `${registry.host}/ana/app@${sourceDigest}`;
      for (const reference of [name, pinned]) {
        await expect(ask(base, reference, {}, "ns-b")).rejects.toMatchObject({ code: "forbidden" });
        await expect(base.resolve(reference)).rejects.toMatchObject({ code: "forbidden" });
        // After a restart of the agent as well.
        await expect(ask(baseImages(), reference, {}, "ns-b")).rejects.toMatchObject({ code: "forbidden" });
      }
      registry.requests.length = 0;
      const theirs = await ask(base, pinned, access(registry), "ns-b");
      expect(theirs.image.digest).toBe(image.digest);
      expect(blobs(registry)).toBe(0);
    });

    it("is shown anew each time: what was revoked there gives nothing here any more", async () => {
      const { registry, name } = await open();
      const base = baseImages();
      await ask(base, name, access(registry));
      await registry.setUsers({ bo: "battery" });
      await expect(ask(base, name, access(registry))).rejects.toMatchObject({ code: "forbidden" });
      await registry.setUsers({ ana: "another", bo: "battery" });
      await expect(ask(base, name, access(registry))).rejects.toMatchObject({ code: "forbidden" });
      expect(content((await ask(base, name, access(registry, { ...RIGHT, password: "another" }))).image)).toBe("private");
    });

    it("leaves no credential behind: no file, no argument", async () => {
      const { registry, name } = await open();
      await ask(baseImages(), name, access(registry));
      await ask(baseImages(), name, access(registry, { ...RIGHT, password: "wrong one" })).catch(() => undefined);
      expect(readdirSync(join(dir, "secret"))).toEqual([]);
      const found = await run(
        ["grep", "-rlaE", `${RIGHT.password}|${Buffer.from("ana:correct horse").toString("base64")}|wrong one`, dir],
        {
          okCodes: [0, 1],
        },
      );
      expect(found.stdout).toBe("");
    });
  });

  it("to know a private image's manifest is not to have access: from another registry it names layers that are not there", async () => {
    const registry = await start({ auth: "basic", users: { ana: "a" } });
    await push(registry, "app", "1", "private");
    const mine = { [registry.host]: { credential: { username: "ana", password: "a" } } };
    const { sourceDigest } = await ask(baseImages(), `${registry.host}/app:1`, mine);
    const authorization = `Basic ${Buffer.from("ana:a").toString("base64")}`;
    const leaked = await (
      await fetch(`http://${registry.host}/v2/app/manifests/${sourceDigest}`, { headers: { authorization, accept: OCI.manifest } })
    ).text();
    const evil = createServer((request, response) => {
      if (request.url === "/v2/") response.end("{}");
      else if (request.url?.includes("/manifests/")) response.writeHead(200, { "content-type": OCI.manifest }).end(leaked);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => evil.listen(0, "127.0.0.1", () => resolve()));
    const host = `127.0.0.1:${(evil.address() as AddressInfo).port}`;
    try {
      const base = baseImages({ plainHttp: [registry.host, host] });
      for (const reference of [`${host}/app:1`, `${host}/app@${sourceDigest}`]) {
        await expect(ask(base, reference, {}, "ns-b")).rejects.toMatchObject({ code: "not_found" });
      }
      // The control: what says so is the place that they are of, for here they are.
      expect(content((await ask(base, `${registry.host}/app:1`, mine)).image)).toBe("private");
    } finally {
      evil.closeAllConnections();
      evil.close();
    }
  });

  describe("a registry that never ends its answer", () => {
    /** It is asked, and says nothing more. */
    const stalling = async () => {
      const asked = Promise.withResolvers<void>();
      const server = createServer((request, response) => {
        if (request.url === "/v2/") return void response.end("{}");
        response.writeHead(200, { "content-type": OCI.manifest }).write("{");
        asked.resolve();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const close = () => {
        server.closeAllConnections();
        server.close();
      };
      return { host, asked: asked.promise, close };
    };
    const askers = (host: string) =>
      readdirSync("/proc").filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`docker://${host}/`);
        } catch {
          return false;
        }
      });

    it("is left when nobody waits for it any more, and holds up only who asked it", async () => {
      const [slow, other] = [await stalling(), await start()];
      await push(other, "app", "1", "of another");
      const base = baseImages({ plainHttp: [slow.host, other.host] });
      const stop = new AbortController();
      const puller = { namespaceUid: "ns-a", registries: {} };
      const waits = Array.from({ length: 4 }, (_, i) => base.resolve(`${slow.host}/app:${i}`, { puller, signal: stop.signal }));
      const ended = Promise.allSettled(waits);
      await slow.asked;
      // What another namespace wants is had meanwhile, also where the first one waits for it in its own turn.
      const theirs = base.resolve(`${other.host}/app:1`, { puller, signal: stop.signal }).catch(() => undefined);
      expect(content((await ask(base, `${other.host}/app:1`, {}, "ns-b")).image)).toBe("of another");
      stop.abort(new Error("cancelled"));
      for (const result of await ended) expect(result).toMatchObject({ status: "rejected", reason: { message: "cancelled" } });
      await theirs;
      await expect.poll(() => askers(slow.host), { timeout: 10_000 }).toEqual([]);
      slow.close();
    });

    it("leaves nothing of a pull whose process was killed: no program, no credential, no file", async () => {
      const slow = await stalling();
      const program = fileURLToPath(new URL("../test-pull-main.ts", import.meta.url));
      const child = await spawn([process.execPath, program, dir, slow.host, `${slow.host}/app:1`]);
      await slow.asked;
      expect(askers(slow.host)).not.toEqual([]);
      expect(readdirSync(join(dir, "secret"))).not.toEqual([]);
      child.kill("SIGKILL");
      await expect.poll(() => askers(slow.host), { timeout: 10_000 }).toEqual([]);
      baseImages();
      expect(readdirSync(join(dir, "secret"))).toEqual([]);
      slow.close();
    });
  });

  it("a token for one repository opens no other", async () => {
    const registry = await start({ auth: "token", users: { ana: "a", bo: "b" } });
    await push(registry, "bo/app", "1", "of bo");
    const access = { [registry.host]: { credential: { username: "ana", password: "a" } } };
    await expect(ask(baseImages(), `${registry.host}/bo/app:1`, access)).rejects.toMatchObject({ code: "forbidden" });
  });

  it("one without TLS is spoken to where the operator has said so, and nowhere else", async () => {
    const registry = await start();
    await push(registry, "app", "1", "plain");
    await expect(ask(baseImages({ plainHttp: [] }), `${registry.host}/app:1`)).rejects.toThrow(
      `${registry.host} speaks plain HTTP; the platform's operator can allow that (PLIMSOLL_REGISTRIES_PLAIN_HTTP).`,
    );
    expect(registry.requests).not.toContain("GET /v2/app/manifests/1");
  });

  describe("mirrors", () => {
    const open = async () => {
      const [origin, mirror] = [await start(), await start()];
      await push(origin, "app", "1", "of the origin");
      await push(mirror, "hub/app", "1", "of the mirror");
      return { origin, mirror, name: `${origin.host}/app:1`, mirrors: [`${mirror.host}/hub`] };
    };

    it("of a namespace are asked before the registry, which then is not asked at all", async () => {
      const { origin, mirror, name, mirrors } = await open();
      origin.requests.length = 0;
      const { image, notes } = await ask(baseImages(), name, { [origin.host]: { mirrors } });
      expect([content(image), notes, origin.requests]).toEqual(["of the mirror", [], []]);
      expect(mirror.requests.length).toBeGreaterThan(0);
    });

    it("that do not have it, do not answer or refuse are passed over, and each is said with its reason", async () => {
      const { origin, name } = await open();
      const locked = await start({ auth: "basic", users: { ana: "x" } });
      const gone = await start();
      const mirrors = [gone.host, locked.host, `${origin.host}/elsewhere`];
      const base = baseImages();
      await gone.stop();
      const { image, notes } = await ask(base, name, { [origin.host]: { mirrors } });
      expect(content(image)).toBe("of the origin");
      expect(notes).toEqual([
        `mirror passed over: The registry ${gone.host} cannot be reached from this host.`,
        expect.stringMatching(`mirror passed over: .*plim registries set ${locked.host} --user NAME$`),
        expect.stringMatching(`mirror passed over: There is no image ${name}`),
      ]);
    });

    it("of one namespace change nothing for another: what it says an image is, is so for itself alone", async () => {
      const { origin, name, mirrors } = await open();
      const base = baseImages();
      const mine = { [origin.host]: { mirrors } };
      expect(content((await ask(base, name, mine, "ns-a")).image)).toBe("of the mirror");
      expect(content((await ask(base, name, {}, "ns-b")).image)).toBe("of the origin");
      expect(content((await base.resolve(name)).image)).toBe("of the origin");
      expect(content((await ask(base, name, mine, "ns-a")).image)).toBe("of the mirror");
    });

    it("of the platform are for everybody, after a namespace's own", async () => {
      const { origin, mirror, name, mirrors } = await open();
      await push(mirror, "own/app", "1", "of its own");
      const base = baseImages({ mirrors: { [origin.host]: mirrors } });
      expect(content((await ask(base, name, {}, "ns-b")).image)).toBe("of the mirror");
      expect(content((await ask(base, name, { [origin.host]: { mirrors: [`${mirror.host}/own`] } })).image)).toBe("of its own");
    });
  });

  it("a tag is looked for again when that is asked for, and costs no bytes when it is the same", async () => {
    const registry = await start();
    await push(registry, "app", "1", "first");
    const base = baseImages();
    const first = await base.resolve(`${registry.host}/app:1`);
    registry.requests.length = 0;
    expect((await base.resolve(`${registry.host}/app:1`, { fresh: true })).image.digest).toBe(first.image.digest);
    expect(blobs(registry)).toBe(0);
    await push(registry, "app", "1", "second");
    // Builds go on with what is known.
    expect((await base.resolve(`${registry.host}/app:1`)).image.digest).toBe(first.image.digest);
    expect(content((await base.resolve(`${registry.host}/app:1`, { fresh: true })).image)).toBe("second");
  });
});
