import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { BaseImages, ImageStore, LayerStore, type OutwardNetwork } from "@plimsoll/containers";
import type { RegistryAccess } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { hostLayout, inNetworkNamespace } from "@plimsoll/host";
import { attachBuild, freeAddress } from "@plimsoll/network";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createWiredHosts, type WiredHosts } from "./index.ts";

/** A registry that a tenant names can be anybody's: what it may not make the platform do. */

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
/** What a pull that is let nowhere may take before it is given up. */
const PATIENCE_MS = 3_000;
const CONTROL_MS = 30_000;
const CREDENTIAL = { username: "ana", password: "of-ana-1f0c" };
const BASIC = `Basic ${Buffer.from("ana:of-ana-1f0c").toString("base64")}`;

describe("a registry of a tenant's", () => {
  let hosts: WiredHosts;
  let dir: string;
  let outward: OutwardNetwork;
  /** The protection off: the host's own network. */
  let unguarded: OutwardNetwork;
  const servers: Server[] = [];
  /** What came in inside the platform. */
  let reached: string[] = [];

  beforeAll(async () => {
    hosts = await createWiredHosts(2, { vnis: [7] });
    dir = mkdtempSync(join(tmpdir(), "plimsoll-registry-attacks-"));
    const [host] = hosts.hosts;
    if (host === undefined) throw new Error("no host");
    const address = freeAddress(host.net.plan, host.net.index, [], undefined) ?? "";
    const { netnsPath } = await attachBuild(host.net, { buildId: "registries", address });
    outward = { acquire: async () => ({ path: netnsPath, nameservers: [] }) };
    unguarded = { acquire: async () => ({ path: host.machine.netns, nameservers: [] }) };
    const inside: RequestListener = (request, response) => {
      reached.push(`${request.headers.host} ${request.url}`);
      response.writeHead(404).end();
    };
    for (const { machine } of hosts.hosts) await listen(inside, 5_000, machine.netns);
    const instance = await hosts.instance(host, 7, "victim", victimAddress());
    await listen(inside, 5_000, instance);
  });
  afterAll(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await hosts?.remove();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    reached = [];
  });

  const victimAddress = () => freeAddress(hosts.plan, 0, ["10.64.0.2"], "10.64.0.40") ?? "";

  function listen(handler: RequestListener, port: number, netns?: string): Promise<Server> {
    const server = createServer(handler);
    servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      const begin = () => server.listen(port, () => resolve(server));
      if (netns === undefined) begin();
      else inNetworkNamespace(netns, begin);
    });
  }
  const portOf = (server: Server) => (server.address() as { port: number }).port;

  /** A registry out in the world: this machine, as the hosts see it. */
  async function world(handler: RequestListener): Promise<string> {
    return `${hosts.run.gateway}:${portOf(await listen(handler, 0))}`;
  }

  let sequence = 0;
  function baseImages(network: OutwardNetwork, plainHttp: readonly string[], pullTimeoutMs = 30_000, onHost: readonly string[] = []) {
    const layout = { ...hostLayout({ name: "attacked", dataDir: join(dir, `${sequence++}`) }) };
    const layers = new LayerStore(layout.layersDir);
    const bundlesDir = join(layout.stateDir, "secret");
    mkdirSync(bundlesDir, { recursive: true });
    const images = new ImageStore(layout.imagesDir, layers);
    const base = new BaseImages({
      layout: { ...layout, bundlesDir },
      layers,
      images,
      network,
      registries: { plainHttp, onHost },
      pullTimeoutMs,
    });
    return { base, layers, bundlesDir, scratch: join(layout.stateDir, "scratch") };
  }
  const pull = (base: BaseImages, reference: string, registries: RegistryAccess = {}) =>
    base.resolve(reference, { puller: { namespaceUid: "ns", registries } });

  const sha = (bytes: Uint8Array | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const CONFIG = JSON.stringify({ architecture: process.arch === "arm64" ? "arm64" : "amd64", os: "linux" });
  /** A registry with one image of one layer. `blob` answers for the layer, `before` for anything. */
  function registry(
    layer: { readonly digest: string; readonly size: number },
    blob: RequestListener,
    before: (request: IncomingMessage, response: Parameters<RequestListener>[1]) => boolean = () => false,
  ): RequestListener {
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha(CONFIG), size: CONFIG.length };
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [{ mediaType: LAYER, ...layer }] });
    return (request, response) => {
      if (before(request, response)) return;
      const path = request.url ?? "";
      if (path === "/v2/") response.end("{}");
      else if (path.includes("/manifests/")) response.writeHead(200, { "content-type": MANIFEST }).end(manifest);
      else if (path.endsWith(config.digest)) response.end(CONFIG);
      else blob(request, response);
    };
  }

  const insideAddresses = () => [
    "127.0.0.1:5000",
    ...hosts.hosts.map(({ machine }) => `${machine.address}:5000`),
    `${victimAddress()}:5000`,
    "169.254.1.1:5000",
  ];

  it("is not looked for on the host, on its peers, in the overlay or on link-local addresses; control: in the host's network it is", async () => {
    const attack = (network: OutwardNetwork, addresses: readonly string[], patienceMs: number) =>
      Promise.all(
        addresses.map((host) =>
          pull(baseImages(network, addresses, patienceMs).base, `${host}/app:1`).catch(({ code }: { code: string }) => code),
        ),
      );
    const codes = await attack(outward, insideAddresses(), PATIENCE_MS);
    expect(codes.every((code) => code === "unavailable" || code === "timeout")).toBe(true);
    expect(reached).toEqual([]);
    const onHosts = insideAddresses().slice(0, 3);
    expect(await attack(unguarded, onHosts, CONTROL_MS)).toEqual(["not_found", "not_found", "not_found"]);
    expect(reached).toEqual(expect.arrayContaining(onHosts.map((host) => `${host} /v2/`)));
  });

  it("sends nobody there: neither by a blob's redirect nor for a token; control: in the host's network it does", async () => {
    const target = `http://${hosts.hosts[0]?.machine.address}:5000`;
    const redirecting = await world(
      registry({ digest: sha("x"), size: 1 }, (_, response) => void response.writeHead(307, { location: `${target}/stolen-blob` }).end()),
    );
    const asking = await world((_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="${target}/stolen-token",service="s"` }).end();
    });
    const credential = { [asking]: { credential: CREDENTIAL } };
    const attack = async (network: OutwardNetwork, patienceMs: number, access?: typeof credential) => {
      const { base } = baseImages(network, [redirecting, asking], patienceMs);
      await Promise.all([redirecting, asking].map((host) => pull(base, `${host}/app:1`, access).catch(() => undefined)));
    };
    await attack(outward, PATIENCE_MS, credential);
    await attack(outward, PATIENCE_MS);
    expect(reached).toEqual([]);
    // Without a credential: with one, the token service would be refused before it is asked (token-service.host.test.ts).
    await attack(unguarded, CONTROL_MS);
    expect(reached.map((line) => line.replace(/\?.*/, "").split(" ")[1])).toEqual(
      expect.arrayContaining(["/stolen-blob", "/stolen-token"]),
    );
  });

  it("is reached on the host's own loopback where the operator says that it is his, and only then", async () => {
    const own = createServer(registry({ digest: sha("x"), size: 1 }, (_, response) => void response.writeHead(404).end()));
    servers.push(own);
    await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", () => resolve()));
    const host = `127.0.0.1:${portOf(own)}`;
    await expect(pull(baseImages(outward, [host]).base, `${host}/app:1`)).rejects.toMatchObject({ code: "unavailable" });
    // Its manifest is read; there is no more to have.
    await expect(pull(baseImages(outward, [host], CONTROL_MS, [host]).base, `${host}/app:1`)).rejects.toMatchObject({ code: "not_found" });
  });

  it("gets its own credential and passes on none of it: not to where it redirects, and never another registry's", async () => {
    const seen: { readonly at: string; readonly authorization: string | undefined }[] = [];
    const elsewhere = await world((request, response) => {
      seen.push({ at: "elsewhere", authorization: request.headers.authorization });
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    });
    const first = await world(
      registry(
        { digest: sha("x"), size: 1 },
        (_, response) => void response.writeHead(307, { location: `http://${elsewhere}/blob` }).end(),
        (request, response) => {
          seen.push({ at: "first", authorization: request.headers.authorization });
          if (request.headers.authorization !== undefined) return false;
          response.writeHead(401, { "www-authenticate": 'Basic realm="first"' }).end();
          return true;
        },
      ),
    );
    const access = { [first]: { credential: CREDENTIAL }, [elsewhere]: { credential: { username: "bo", password: "of-bo-77aa" } } };
    await pull(baseImages(outward, [first, elsewhere]).base, `${first}/app:1`, access).catch(() => undefined);
    expect(seen.some(({ at, authorization }) => at === "first" && authorization === BASIC)).toBe(true);
    expect(seen.filter(({ at }) => at === "elsewhere").length).toBeGreaterThan(0);
    expect(seen.filter(({ at, authorization }) => at === "elsewhere" && authorization !== undefined)).toEqual([]);
  });

  it("gets nothing of another registry's credential by naming that one's token service", async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await world((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ token: "t" }));
    });
    const asking = await world((request, response) => {
      if (request.headers.authorization !== undefined) seen.push(`asking: ${request.headers.authorization}`);
      response
        .writeHead(401, { "www-authenticate": `Bearer realm="http://${elsewhere}/token",service="s",scope="repository:app:pull"` })
        .end();
    });
    const access = { [elsewhere]: { credential: CREDENTIAL } };
    await expect(pull(baseImages(outward, [asking, elsewhere]).base, `${asking}/app:1`, access)).rejects.toMatchObject({
      code: "forbidden",
    });
    expect(seen.length).toBeGreaterThan(0);
    const shown = () => seen.filter((one) => one?.includes(BASIC.slice("Basic ".length)));
    expect(shown()).toEqual([]);
    // The control: its own it may send where it likes, as the specification of tokens has it.
    await pull(baseImages(outward, [asking, elsewhere]).base, `${asking}/app:1`, { [asking]: { credential: CREDENTIAL } }).catch(
      () => undefined,
    );
    expect(shown().length).toBeGreaterThan(0);
  });

  it("finds a credential in no argument and no environment of a program, in a file of root's alone, and nothing of root's own logins", async () => {
    const seen: {
      readonly shown: boolean;
      readonly modes: readonly number[];
      readonly held: boolean;
      readonly homes: readonly string[];
    }[] = [];
    let bundlesDir = "";
    const host = await world((request, response) => {
      if (request.headers.authorization === BASIC) {
        const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
        const programs = pids.map((pid) => [readIfThere(`/proc/${pid}/cmdline`), readIfThere(`/proc/${pid}/environ`)] as const);
        const asking = programs.filter(([cmdline]) => cmdline.startsWith("skopeo\0") && cmdline.includes(host));
        const authfiles = readdirSync(bundlesDir, { recursive: true })
          .map((name) => join(bundlesDir, String(name)))
          .filter((file) => file.endsWith("auth.json"));
        seen.push({
          shown: programs.some((texts) => texts.some((text) => text.includes(CREDENTIAL.password) || text.includes(BASIC.slice(6)))),
          modes: authfiles.map((file) => statSync(file).mode & 0o777),
          held: authfiles.some((file) => readFileSync(file, "utf8").includes(BASIC.slice(6))),
          homes: asking.map(([, environ]) => /(?:^|\0)HOME=([^\0]*)/.exec(environ)?.[1] ?? ""),
        });
      }
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    });
    const asked = baseImages(outward, [host]);
    bundlesDir = asked.bundlesDir;
    await expect(pull(asked.base, `${host}/app:1`, { [host]: { credential: CREDENTIAL } })).rejects.toMatchObject({ code: "forbidden" });
    expect(seen.length).toBeGreaterThan(0);
    for (const { homes, ...one } of seen) {
      expect(one).toEqual({ shown: false, modes: [0o600], held: true });
      expect(homes).toEqual([expect.stringContaining(bundlesDir)]);
    }
    expect(readdirSync(bundlesDir)).toEqual([]);
    // The control: from another home it would have taken what is there.
    const home = mkdtempSync(join(dir, "home-"));
    mkdirSync(join(home, ".docker"));
    writeFileSync(join(home, ".docker/config.json"), JSON.stringify({ auths: { [host]: { auth: BASIC.slice("Basic ".length) } } }));
    const before = seen.length;
    await run(["skopeo", "inspect", "--tls-verify=false", `docker://${host}/app:1`], {
      env: { PATH: process.env.PATH ?? "", HOME: home },
      okCodes: [1],
    });
    expect(seen.length).toBeGreaterThan(before);
  });

  describe("cannot fill the host", () => {
    it("by a manifest without end", async () => {
      let sent = 0;
      const host = await world((request, response) => {
        if (request.url === "/v2/") return void response.end("{}");
        response.writeHead(200, { "content-type": MANIFEST });
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 32))) sent += 65_536;
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      });
      await expect(pull(baseImages(outward, [host]).base, `${host}/app:1`)).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("more than a manifest may have"),
      });
      expect(sent).toBeLessThan(64 * 1024 ** 2);
    });

    it("by a layer without end: no file grows beyond what the manifest said, and nothing of it stays", async () => {
      const chunk = Buffer.alloc(1024 * 1024);
      const endless: RequestListener = (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(chunk));
          if (!response.destroyed) response.once("drain", more);
        };
        more();
      };
      const attack = async (size: number) => {
        const host = await world(registry({ digest: sha("never"), size }, endless));
        const { base, layers, scratch } = baseImages(outward, [host]);
        let largest = 0;
        const look = setInterval(() => {
          for (const name of readdirSync(scratch, { recursive: true }))
            largest = Math.max(largest, sizeIfThere(join(scratch, String(name))));
        }, 5);
        await expect(pull(base, `${host}/app:1`)).rejects.toThrow(/sent more for/);
        clearInterval(look);
        expect([layers.list(), readdirSync(scratch)]).toEqual([[], []]);
        return largest;
      };
      const bound = 64 * 1024 ** 2;
      expect(await attack(5)).toBeLessThanOrEqual(bound);
      // The control: it is the limit that ends it, which is as large as what the manifest says.
      expect(await attack(2 * bound)).toBeGreaterThan(bound);
    });

    it("by a layer that is not what its digest says", async () => {
      const host = await world(registry({ digest: sha("good"), size: 4 }, (_, response) => void response.end("evil")));
      const { base, layers } = baseImages(outward, [host]);
      await expect(pull(base, `${host}/app:1`)).rejects.toThrow(/sent something else/);
      expect(layers.list()).toEqual([]);
    });

    it("by a layer that unpacks to more than an image may have, by more layers, or by sizes beyond all measure", async () => {
      const bomb = gzipSync(tarHeader("bomb", 21 * 1024 ** 3));
      const bombs = await world(registry({ digest: sha(bomb), size: bomb.length }, (_, response) => void response.end(bomb)));
      await expect(pull(baseImages(outward, [bombs]).base, `${bombs}/app:1`)).rejects.toThrow(/unpacks to more than/);
      const giant = await world(registry({ digest: sha("x"), size: 30 * 1024 ** 3 }, (_, response) => void response.end()));
      await expect(pull(baseImages(outward, [giant]).base, `${giant}/app:1`)).rejects.toThrow(/30 GiB of layers; 20 GiB are taken at most/);
    });
  });
});

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function sizeIfThere(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The head of a file in an archive that says it is that large. */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  // Sizes beyond 8 GiB are binary (GNU tar's base-256).
  header.writeUInt8(0x80, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
