import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request as forward, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { onLoopback } from "./loopback.ts";
import { startPrivate, whenReady } from "./private-process.ts";
import { startTokenService } from "./registry-tokens.ts";

export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Debian's docker-registry on loopback, speaking plain HTTP, with storage of its own. */
export interface TestRegistry {
  /** `127.0.0.1:40123`: what image names begin with. */
  readonly host: string;
  /** What was asked of it since this was emptied: `GET /v2/…`. */
  readonly requests: string[];
  /** Puts a blob there and answers what manifests say of it. */
  putBlob(repository: string, content: Uint8Array, mediaType: string): Promise<BlobDescriptor>;
  /** Puts a manifest there and answers its digest. */
  putManifest(repository: string, tag: string, manifest: { readonly mediaType: string }): Promise<string>;
  /** Who may read from now on, with their passwords. */
  setUsers(users: Readonly<Record<string, string>>): Promise<void>;
  stop(): Promise<void>;
}

export interface TestRegistryOptions {
  /** `basic`: users with passwords; `token`: a token service beside it, as the distribution's token specification says. Default: anybody. */
  readonly auth?: "none" | "basic" | "token";
  /** A user of the token service reads what begins with its own name and a slash. */
  readonly users?: Readonly<Record<string, string>>;
  /** Where it listens: answers the host that image names then begin with. Default: a free port of loopback. */
  readonly listen?: (server: Server) => Promise<string>;
}

const READY_TIMEOUT_MS = 20_000;

/** Starts one; it ends with this process, also by kill -9. */
export async function startTestRegistry({
  auth = "none",
  users = {},
  listen = onLoopback,
}: TestRegistryOptions = {}): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "plimsoll-test-registry-"));
  const pusher = { name: `pusher-${randomBytes(4).toString("hex")}`, password: randomBytes(8).toString("hex") };
  let allowed: Readonly<Record<string, string>> = { ...users, [pusher.name]: pusher.password };
  const htpasswd = join(directory, "htpasswd");
  const writeUsers = async () => {
    const lines = await Promise.all(Object.entries(allowed).map(([name, password]) => htpasswdLine(name, password)));
    await writeFile(htpasswd, `${lines.join("\n")}\n`);
  };
  if (auth === "basic") await writeUsers();
  const tokens = auth === "token" ? await startTokenService(directory, () => allowed, pusher.name) : undefined;
  const requests: string[] = [];
  let behind = "";
  // What it is asked is seen here; it listens behind a port that it does not get from anybody else.
  const front = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const { method, headers, url: path } = request;
    const onward = forward({ socketPath: behind, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  const host = await listen(front);
  behind = join(directory, "registry.sock");
  const config = join(directory, "config.yml");
  await writeFile(config, configOf(directory, auth, tokens?.config ?? {}));
  const registry = await startPrivate(directory, ["setpriv"], ["docker-registry", "serve", config], "TERM");
  const url = `http://${host}`;
  const answers = async () => {
    if ((await fetch(`${url}/v2/`)).status >= 500) throw new Error("not yet");
  };
  await whenReady(answers, registry, READY_TIMEOUT_MS);
  requests.length = 0;

  const send = async (
    method: string,
    address: string,
    repository: string,
    body?: Uint8Array | string,
    type = "application/octet-stream",
  ) => {
    const authorization =
      tokens === undefined
        ? `Basic ${Buffer.from(`${pusher.name}:${pusher.password}`).toString("base64")}`
        : `Bearer ${tokens.issue(pusher.name, [{ type: "repository", name: repository, actions: ["pull", "push"] }])}`;
    const response = await fetch(address, {
      method,
      headers: { ...(auth === "none" ? {} : { authorization }), "content-type": type },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${await response.text()}\n${registry.output()}`);
    return response;
  };
  return {
    host,
    requests,
    async putBlob(repository, content, mediaType) {
      const digest = digestOf(content);
      const begun = await send("POST", `${url}/v2/${repository}/blobs/uploads/`, repository);
      const location = new URL(begun.headers.get("location") ?? "", url);
      location.searchParams.set("digest", digest);
      await send("PUT", location.href, repository, content);
      return { mediaType, digest, size: content.length };
    },
    async putManifest(repository, tag, manifest) {
      const text = JSON.stringify(manifest);
      await send("PUT", `${url}/v2/${repository}/manifests/${tag}`, repository, text, manifest.mediaType);
      return digestOf(Buffer.from(text));
    },
    async setUsers(next) {
      allowed = { ...next, [pusher.name]: pusher.password };
      if (auth === "basic") await writeUsers();
    },
    async stop() {
      front.closeAllConnections();
      front.close();
      await tokens?.close();
      await registry.dispose("SIGTERM");
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function configOf(directory: string, auth: string, tokens: object): string {
  // YAML takes JSON.
  return JSON.stringify({
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, "storage") } },
    http: { net: "unix", addr: join(directory, "registry.sock"), relativeurls: true, secret: "of a test" },
    ...(auth === "basic" ? { auth: { htpasswd: { realm: "test", path: join(directory, "htpasswd") } } } : {}),
    ...(auth === "token" ? { auth: { token: tokens } } : {}),
  });
}

/** bcrypt by libcrypt, which Debian's Perl reaches. */
async function htpasswdLine(name: string, password: string): Promise<string> {
  const salt = `$2y$04$${randomBytes(11).toString("hex")}`;
  const { stdout } = await run(["perl", "-e", "print crypt(<STDIN>, $ARGV[0])", salt], { stdin: password });
  return `${name}:${stdout}`;
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
