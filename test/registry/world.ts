import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createLogger, systemClock } from "@plimsoll/config";
import { LayerStore } from "@plimsoll/containers";
import { type ChildProcess, minimalEnv, run, start } from "@plimsoll/exec";
import { createServerApi } from "../../apps/agent/src/api-client.ts";
import { StreamAnswers } from "../../apps/agent/src/streams.ts";
import { ensureRegistryKey, readRegistryKey } from "../../apps/server/src/registry-key.ts";
import type { ApiPorts } from "../../packages/api/src/context.ts";
import { Registry } from "../../packages/api/src/registry/registry.ts";
import { type Fixture, startFixture, type TestHost } from "../../packages/api/src/testing/fixture.ts";
import { layoutOf } from "../../scripts/platform/layout.ts";
import { ensureRegistryFiles, registrySpec } from "../../scripts/platform/registry.ts";
import type { Wanted } from "../../scripts/platform/wanted.ts";

/** The real docker-registry as the supervisor runs it, the API with its door on a port of loopback, and a host's real answers to streams. */
export interface RegistryWorld {
  readonly fixture: Fixture;
  /** `localhost:40123` */
  readonly host: string;
  readonly socketPath: string;
  readonly dataDir: string;
  readonly directory: string;
  readonly layers: LayerStore;
  readonly privateKeyPem: string;
  /** What the server runs every half hour. */
  readonly housekeeper: Registry;
  readonly registryPid: () => number;
  /** Starts docker-registry again after it was killed. */
  restart(): Promise<void>;
  /** A host that has what is in `layers`, and answers what it is asked. */
  hostWithLayers(name: string): Promise<TestHost>;
  /** Runs skopeo; never throws for its exit code. */
  skopeo(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  close(): Promise<void>;
}

export async function startRegistryWorld(options: {
  readonly namespaceBytes: number;
  /** Of the git front door, what the registry asks of it. */
  readonly git: Pick<NonNullable<ApiPorts["git"]>, "listRefs">;
}): Promise<RegistryWorld> {
  const directory = mkdtempSync(join(tmpdir(), "plimsoll-registry-"));
  const layout = layoutOf(resolve(import.meta.dirname, "../.."), directory);
  await ensureRegistryKey(layout.secretsDir);
  await ensureRegistryFiles(layout);
  const privateKeyPem = (await readRegistryKey(layout.secretsDir)) ?? "";
  const http: Server = createServer();
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const { port } = http.address() as AddressInfo;
  const host = `localhost:${port}`;

  const spec = registrySpec(layout, { httpPort: port, settings: {} } as unknown as Wanted);
  let registry: ChildProcess | undefined;
  const begin = async () => {
    const descriptors = (spec.directories ?? []).map((path) => openSync(path, "r"));
    const stdio = ["ignore", "ignore", "ignore", ...descriptors] as const;
    registry = await start(["setpriv", "--pdeathsig=TERM", "--", ...spec.argv], {
      cwd: "/",
      env: spec.env,
      uid: spec.uid,
      gid: spec.gid,
      stdio,
    } as never);
    for (const descriptor of descriptors) closeSync(descriptor);
    const listens = async () =>
      (await run(["curl", "-s", "-o", "/dev/null", "--unix-socket", layout.registrySocket, "http://r/v2/"], { okCodes: [0, 7] })).code ===
      0;
    for (let waited = 0; !(await listens()); waited += 20) {
      if (waited > 20_000) throw new Error("docker-registry does not listen");
      await sleep(20);
    }
  };
  const clean = () => {
    for (const path of [directory, layout.socketsDir]) rmSync(path, { recursive: true, force: true });
  };
  const giveUp = (error: unknown): never => {
    registry?.kill("SIGKILL");
    http.close();
    clean();
    throw error;
  };
  await begin().catch(giveUp);

  const settings = {
    platformOrigin: `http://${host}`,
    platformDomain: "localhost",
    appsDomain: "localhost",
    network: "10.64.0.0/10",
    sourceNetwork: "100.64.0.0/16",
  };
  const dataDir = join(layout.registryDir, "data");
  const registryAt = { socketPath: layout.registrySocket, dataDir, privateKeyPem, namespaceBytes: options.namespaceBytes };
  const git = options.git as NonNullable<ApiPorts["git"]>;
  const ports = { git, settings: { ...settings, hostCommand: (token: string) => token }, registryAt };
  const fixture = await startFixture(ports).catch(giveUp);
  const { db, streams } = fixture;
  const housekeeper = new Registry(
    { ...ports, db, streams, clock: systemClock, logger: createLogger("test", { write: () => undefined }) },
    registryAt,
  );
  http.on("request", (request, response) => {
    if (request.url?.startsWith("/v2")) fixture.api.registry?.door(request, response);
    else void answer(fixture, request, response);
  });
  const layers = new LayerStore(join(directory, "layers"));
  const stops: (() => Promise<void>)[] = [];

  return {
    fixture,
    host,
    socketPath: layout.registrySocket,
    dataDir,
    directory,
    layers,
    privateKeyPem,
    housekeeper,
    registryPid: () => registry?.pid ?? 0,
    async restart() {
      await begin();
    },
    async hostWithLayers(name) {
      const made = await fixture.host(name);
      const api = createServerApi(`http://127.0.0.1:${port}`, { credential: made.credential } as never);
      const answers = new StreamAnswers({ api, layers, log: createLogger("test", { write: () => undefined }) } as never);
      let ended = false;
      const look = async () => {
        await api.report({ instances: [] });
        answers.apply((await api.desired()).streams);
      };
      const loop = (async () => {
        while (!ended) {
          // As an agent does: what fails is looked at again.
          await look().catch(() => undefined);
          await sleep(30);
        }
      })();
      stops.push(async () => {
        ended = true;
        await loop;
        await api.close();
      });
      return made;
    },
    async skopeo(...args) {
      // Its home is empty: nothing that somebody has logged in to counts.
      const env = { ...minimalEnv, HOME: directory, XDG_RUNTIME_DIR: directory };
      return run(["skopeo", ...args], { env, timeoutMs: 60_000, okCodes: [0, 1, 2] });
    },
    async close() {
      for (const stop of stops) await stop();
      housekeeper.close();
      await fixture.close();
      http.closeAllConnections();
      await new Promise((closed) => http.close(closed));
      const gone = new Promise((exit) => registry?.once("close", exit));
      if (registry?.exitCode === null && registry.signalCode === null) {
        registry.kill("SIGTERM");
        await gone;
      }
      await layers.settled();
      clean();
    },
  };
}

/** One request of the API; its body is streamed. */
async function answer(fixture: Fixture, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    typeof value === "string" ? [[name, value] as [string, string]] : [],
  );
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const body = hasBody ? { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: "half" as const } : {};
  const answered = await fixture.api.fetch(
    new Request(`http://${request.headers.host}${request.url}`, { method: request.method ?? "GET", headers, ...body }),
  );
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  for await (const chunk of answered.body ?? []) response.write(chunk);
  response.end();
}
