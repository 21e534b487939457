import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run, start } from "@plimsoll/exec";
import { identifyProcess, signalProcess, waitGone } from "@plimsoll/host";
import { startLoad } from "@plimsoll/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DesiredIngress, Endpoint } from "./desired.ts";
import { findMasters } from "./find-haproxy.ts";
import { HaproxyProcess } from "./haproxy-process.ts";
import { Ingress } from "./ingress.ts";
import { parseProcesses, sendCommands } from "./runtime.ts";
import { WorkerSession } from "./worker-session.ts";

let dir: string;
/** Nobody else's, nor a port that connections to others leave from: what was free a moment ago may not be so any more. */
let address: string;
const port = 18_080;
let ingress: Ingress;
let servers: Server[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "plim-ing-"));
  address = `127.${[0, 0, 0].map(() => 1 + Math.floor(Math.random() * 254)).join(".")}`;
  servers = [];
  ingress = new Ingress(dir);
});
afterEach(async () => {
  await ingress.stop();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(dir, { recursive: true });
});

/** An instance: an HTTP server that says its name. */
async function instance(name: string, listener: RequestListener = (_, response) => response.end(name)): Promise<Endpoint> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return { id: name, address: "127.0.0.1", port: (server.address() as AddressInfo).port, state: "ready" };
}

async function onSocket(name: string, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  const path = join(dir, `${name}.sock`);
  await new Promise<void>((resolve) => server.listen({ path, writableAll: true }, () => resolve()));
  return path;
}

const draining = (endpoint: Endpoint): Endpoint => ({ ...endpoint, state: "draining" });

function wish(
  endpoints: readonly Endpoint[],
  more: Partial<DesiredIngress> = {},
  state: "ready" | "deploying" | "empty" = "ready",
): DesiredIngress {
  return {
    listen: [{ address, port }],
    routes: [{ host: "a.localhost", backendId: "b1" }],
    backends: [{ id: "b1", state, endpoints }],
    ...more,
  };
}

/** The same and one app more: only a reload brings a backend. */
const andBackend = (base: DesiredIngress, id: string): DesiredIngress => ({
  ...base,
  backends: [...base.backends, { id, state: "empty", endpoints: [] }],
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

function get(
  host: string,
  path = "/",
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: address, port, path, agent: false, ...options, headers: { host, ...options.headers } }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

const load = (more = {}) => startLoad({ address, port, host: "a.localhost", ...more });
const configPath = () => join(dir, "haproxy.cfg");
/** Started as if we did not know of one that runs already: the note is about this one then. */
const anotherHaproxy = () =>
  new HaproxyProcess(
    {
      config: configPath(),
      masterSocket: join(dir, "master.sock"),
      identity: join(dir, "haproxy.process.json"),
      log: join(dir, "haproxy.log"),
    },
    { marks: {}, netns: undefined },
  ).start();
/** A program that looks like our HAProxy, and runs that Perl code. */
function inItsArguments(code: string, uid: number): ReturnType<typeof start> {
  chmodSync(dir, 0o755);
  const program = join(dir, "haproxy");
  if (!existsSync(program)) symlinkSync("/usr/bin/perl", program);
  const env = { PROGRAM: program, W: "-W", E: "-e", CODE: code, END: "--", F: "-f", CONFIG: configPath() };
  return start(Object.values(env), { uid, env });
}
const masterPid = () => (JSON.parse(readFileSync(join(dir, "haproxy.process.json"), "utf8")) as { pid: number }).pid;
/** The master opens its socket some moments after its worker serves. */
async function showProc(): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return (await sendCommands(join(dir, "master.sock"), ["show proc"]))[0] ?? "";
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(10);
    }
  }
}
const processes = async () => parseProcesses(await showProc());

/** A server's part of a WebSocket (RFC 6455, 4.2.2), after which it echoes bytes. HAProxy checks the handshake on both sides. */
function echoUpgrades(server: Server | undefined): void {
  server?.on("upgrade", (incoming, socket) => {
    const accept = createHash("sha1")
      .update(`${incoming.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    const head = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Accept: ${accept}`];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.on("data", (chunk: Buffer) => socket.write(`echo ${chunk}`));
    socket.on("end", () => socket.end());
    socket.on("error", () => undefined);
  });
}

function openWebSocket(): {
  readonly say: (text: string) => void;
  readonly hear: (text: string) => Promise<void>;
  readonly close: () => void;
} {
  const socket = connect(port, address);
  let heard = "";
  socket.on("data", (chunk: Buffer) => {
    heard += chunk.toString();
  });
  const head = ["GET / HTTP/1.1", "Host: a.localhost", "Connection: Upgrade", "Upgrade: websocket"];
  socket.write(`${[...head, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="].join("\r\n")}\r\n\r\n`);
  return {
    say: (text) => void socket.write(text),
    hear: async (text) => {
      for (let i = 0; i < 200 && !heard.includes(text); i++) await sleep(10);
      expect(heard).toContain(text);
    },
    close: () => socket.destroy(),
  };
}

describe("routing", () => {
  it("goes by host name, whatever its case, port and final dot", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    await ingress.apply(
      wish([one], {
        routes: [
          { host: "a.localhost", backendId: "b1" },
          { host: "b.localhost", backendId: "b2" },
        ],
        backends: [
          { id: "b1", state: "ready", endpoints: [one] },
          { id: "b2", state: "ready", endpoints: [two] },
        ],
      }),
    );
    expect((await get("a.localhost")).body).toBe("one");
    expect((await get(`B.LocalHost.:${port}`)).body).toBe("two");
    expect((await get("[::1]:80")).status).toBe(404);
  });

  it("tells the instance who asked, and nobody can claim otherwise", async () => {
    const echo = await instance("echo", (incoming, response) => response.end(JSON.stringify(incoming.headers)));
    await ingress.apply(wish([echo]));
    const { body } = await get("a.localhost", "/", {
      headers: { "x-forwarded-for": "1.2.3.4", forwarded: "for=1.2.3.4", "x-forwarded-proto": "https" },
    });
    const seen = JSON.parse(body) as Record<string, string>;
    expect(seen).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "a.localhost" });
    expect(seen.forwarded).toBeUndefined();
  });

  it("follows a new endpoint, a new route and a moved route without a reload", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    const both = [
      { id: "b1", state: "ready" as const, endpoints: [one] },
      { id: "b2", state: "ready" as const, endpoints: [two] },
    ];
    await ingress.apply(wish([], { backends: both }));
    const { workers } = await processes();
    await ingress.apply(
      wish([], {
        backends: both,
        routes: [
          { host: "a.localhost", backendId: "b2" },
          { host: "new.localhost", backendId: "b1" },
        ],
      }),
    );
    expect([(await get("a.localhost")).body, (await get("new.localhost")).body]).toEqual(["two", "one"]);
    await ingress.apply(wish([], { backends: both, routes: [] }));
    expect((await get("a.localhost")).status).toBe(404);
    expect((await processes()).workers).toEqual(workers);
  });

  it("sends portal, API and git to their sockets on the platform's domain", async () => {
    const portalSocket = await onSocket("portal", (incoming, response) => response.end(`portal ${incoming.url}`));
    const apiSocket = await onSocket("api", (incoming, response) => response.end(`api ${incoming.url}`));
    await run(["chmod", "755", dir]);
    await ingress.apply(wish([], { platform: { domain: "plim.localhost", portalSocket, apiSocket } }));
    const answers = await Promise.all(
      ["/", "/claim/AB", "/apiary", "/api", "/api/v1/x", "/git/t/n/a.git"].map((path) => get("plim.localhost", path)),
    );
    expect(answers.map(({ body }) => body)).toEqual([
      "portal /",
      "portal /claim/AB",
      "portal /apiary",
      "api /api",
      "api /api/v1/x",
      "api /git/t/n/a.git",
    ]);
  });

  it("passes WebSocket upgrades in both directions, and answers that stream", async () => {
    let endStream = () => {};
    const echo = await instance("ws", (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: first\n\n");
      endStream = () => response.end("data: second\n\n");
    });
    echoUpgrades(servers.at(-1));
    await ingress.apply(wish([echo]));
    const socket = openWebSocket();
    await socket.hear("101 Switching");
    socket.say("ping");
    await socket.hear("echo ping");
    socket.close();

    // The second part is sent only after the first has come through.
    const parts = await new Promise<readonly string[]>((resolve, reject) => {
      const heard: string[] = [];
      const outgoing = request({ host: address, port, agent: false, headers: { host: "a.localhost" } }, (response) => {
        response.on("data", (chunk: Buffer) => {
          heard.push(chunk.toString());
          endStream();
        });
        response.on("end", () => resolve(heard));
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
    expect(parts).toEqual(["data: first\n\n", "data: second\n\n"]);
  });
});

describe("pages", () => {
  it("say that a host is unknown, that nothing is ready, that an app is being deployed", async () => {
    await ingress.apply(wish([], {}, "empty"));
    const unknown = await get("nobody.localhost");
    expect([unknown.status, unknown.headers["content-type"]]).toEqual([404, "text/html; charset=utf-8"]);
    expect(unknown.body).toContain("Nothing lives at this address");
    const empty = await get("a.localhost");
    expect([empty.status, empty.headers["retry-after"], empty.headers["cache-control"]]).toEqual([503, "2", "no-store"]);
    expect(empty.body).toContain('<body class="empty">');
    await ingress.apply(wish([], {}, "deploying"));
    expect((await get("a.localhost")).body).toContain('<body class="deploying">');
  });

  it("say that an app broke a request off", async () => {
    await ingress.apply(wish([await instance("bad", (incoming) => incoming.socket.destroy())]));
    const { status, body } = await get("a.localhost", "/", { method: "POST" });
    expect(status).toBe(502);
    expect(body).toContain("The app does not answer");
  });

  it("say that portal or API are away: a page to people, problem details to programs", async () => {
    await ingress.apply(wish([], { platform: { domain: "plim.localhost", portalSocket: join(dir, "no1"), apiSocket: join(dir, "no2") } }));
    const [portal, api] = await Promise.all([get("plim.localhost"), get("plim.localhost", "/api/v1/x")]);
    expect([portal.status, portal.headers["content-type"]]).toEqual([503, "text/html; charset=utf-8"]);
    expect([api.status, api.headers["content-type"]]).toEqual([503, "application/problem+json"]);
    expect(JSON.parse(api.body)).toMatchObject({ code: "unavailable", status: 503 });
  }, 15_000);
});

describe("under load over keep-alive connections", () => {
  it("ten rolling deploys fail no request", async () => {
    let current = await instance("v0");
    await ingress.apply(wish([current]));
    const meter = load();
    for (let version = 1; version <= 10; version++) {
      const next = await instance(`v${version}`);
      await ingress.apply(wish([current, next]));
      await ingress.apply(wish([draining(current), next]));
      await sleep(20);
      await ingress.apply(wish([next]));
      await sleep(30);
      // Acknowledged and drained: stopping it may cost nothing.
      const gone = servers.shift();
      gone?.closeAllConnections();
      gone?.close();
      current = next;
    }
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect(report.requests).toBeGreaterThan(200);
    expect(report.bodies.size).toBeGreaterThan(8);
  }, 20_000);

  it("the meter sees an instance that is stopped without being drained", async () => {
    const [old, next] = [await instance("old", (_, response) => void setTimeout(() => response.end("old"), 5)), await instance("next")];
    await ingress.apply(wish([old]));
    const meter = load({ method: "POST" });
    await sleep(100);
    servers[0]?.closeAllConnections();
    servers[0]?.close();
    await sleep(200);
    await ingress.apply(wish([next]));
    await sleep(100);
    const report = await meter.stop();
    expect(report.failures.length + (report.longestGapMs > 190 ? 1 : 0)).toBeGreaterThan(0);
  });

  it("reloads fail no request, new apps and WebSockets of replaced workers included", async () => {
    let desired = wish([await instance("one")]);
    echoUpgrades(servers[0]);
    await ingress.apply(desired);
    const socket = openWebSocket();
    await socket.hear("101 Switching");
    const meter = load();
    await sleep(100);
    const { workers } = await processes();
    for (let i = 0; i < 3; i++) {
      desired = andBackend(desired, `new${i}`);
      await ingress.apply(desired);
      await sleep(100);
    }
    socket.say("still there");
    await socket.hear("echo still there");
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    expect((await processes()).workers[0]).not.toBe(workers[0]);
    socket.close();
  }, 20_000);

  it("an instance that closes kept connections whenever it likes costs no GET", async () => {
    const hasty = await instance("hasty");
    const server = servers[0];
    if (server !== undefined) server.keepAliveTimeout = 1;
    await ingress.apply(wish([hasty]));
    const meter = load({ pauseMs: 3 });
    await sleep(1_000);
    expect((await meter.stop()).failures).toEqual([]);
  });

  it.each([
    ["the Ingress that replaced it", () => ingress],
    ["the next one", () => new Ingress(dir)],
  ])(
    "a withdrawal is acknowledged by %s only when a replaced worker's idle connections cannot reach the endpoint any more",
    async (_, after) => {
      const [old, next] = [await instance("old"), await instance("next")];
      let desired = wish([old]);
      await ingress.apply(desired);
      // An idle connection from before the reload.
      const socket = connect(port, address);
      const ask = () =>
        new Promise<string>((resolve) => {
          socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
          socket.once("close", () => resolve("closed"));
          socket.write("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n");
        });
      expect(await ask()).toContain("old");
      desired = andBackend(desired, "another");
      await ingress.apply(desired);
      ingress = after();
      const startedMs = performance.now();
      let isAcknowledged = false;
      const withdrawn = ingress
        .apply({ ...desired, backends: desired.backends.map((b) => (b.id === "b1" ? { ...b, endpoints: [next] } : b)) })
        .then(() => {
          isAcknowledged = true;
        });
      await sleep(500);
      // The replaced worker still routes by what it knew: that is why the answer waits.
      expect(isAcknowledged).toBe(false);
      expect(await ask()).toContain("old");
      // That was its last request; nobody can come by the old way now.
      await withdrawn;
      expect(performance.now() - startedMs).toBeLessThan(11_000);
      expect((await get("a.localhost")).body).toBe("next");
      socket.destroy();
    },
    20_000,
  );
});

describe("traffic", () => {
  const requests = async () => (await ingress.traffic()).find(({ backendId }) => backendId === "b1")?.requests ?? 0;
  /** An answer is counted a moment after it has gone out. */
  const untilCounted = (count: number) =>
    vi.waitFor(async () => expect(await requests()).toBeGreaterThanOrEqual(count), { timeout: 10_000, interval: 20 });
  const untilAlone = () => vi.waitFor(async () => expect((await processes()).workers).toHaveLength(1), { timeout: 10_000, interval: 20 });

  it("is counted to the last answer, also by workers that are replaced in a burst, and none twice", async () => {
    ingress = new Ingress(dir, {}, { reloadPauseMs: 50 });
    let desired = wish([await instance("one")]);
    await ingress.apply(desired);
    const meter = load();
    await sleep(200);
    for (let i = 0; i < 5; i++) {
      desired = andBackend(desired, `new${i}`);
      await ingress.apply(desired);
    }
    await sleep(200);
    const report = await meter.stop();
    expect(report.failures).toEqual([]);
    await untilAlone();
    await untilCounted(report.requests);
    expect(await requests()).toBe(report.requests);
  }, 30_000);

  it("of a replaced worker counts while it lives, stays when it ends, and keeps it no longer than that", async () => {
    let answer = () => {};
    const slowly: RequestListener = (_, response) => {
      answer = () => response.end("slow");
    };
    const desired = wish([await instance("slow", slowly)]);
    await ingress.apply(desired);
    const slow = get("a.localhost");
    await vi.waitFor(async () => expect((await ingress.traffic())[0]?.sessions).toBe(1), { timeout: 10_000, interval: 20 });
    await ingress.apply(andBackend(desired, "b2"));
    expect((await processes()).workers).toHaveLength(2);
    expect((await ingress.traffic())[0]).toMatchObject({ requests: 0, sessions: 1 });
    answer();
    expect((await slow).body).toBe("slow");
    await untilAlone();
    expect((await ingress.traffic())[0]).toMatchObject({ requests: 1, sessions: 0 });
  });

  it("goes on with the next Ingress, and over a kill of HAProxy", async () => {
    const desired = wish([await instance("one")]);
    echoUpgrades(servers[0]);
    await ingress.apply(desired);
    for (let i = 0; i < 5; i++) await get("a.localhost");
    const socket = openWebSocket();
    await socket.hear("101 Switching");
    await ingress.apply(andBackend(desired, "b2"));
    ingress = new Ingress(dir);
    await untilCounted(5);
    socket.close();
    await untilAlone();
    await untilCounted(5);
    await get("a.localhost");
    await untilCounted(6);
    process.kill(masterPid(), "SIGKILL");
    await vi.waitFor(async () => expect(await ingress.ensureRunning()).toBe(true), { timeout: 10_000, interval: 20 });
    await get("a.localhost");
    await untilCounted(7);
    expect(await requests()).toBeLessThanOrEqual(8); // The WebSocket may have been seen.
  });

  it("keeps a replaced worker with it only while somebody is there to count", async () => {
    const desired = wish([await instance("one")]);
    await ingress.apply(desired);
    const session = await WorkerSession.open(join(dir, "haproxy.sock"));
    const { workers } = await processes();
    await ingress.apply(andBackend(desired, "b2"));
    const isThere = async () => (await processes()).workers.includes(workers[0] ?? 0);
    for (let i = 0; i < 20; i++, await sleep(20)) expect(await isThere()).toBe(true);
    // As the kernel does when its program is killed.
    session.close();
    await untilAlone();
    expect(await isThere()).toBe(false);
  });
});

describe("the process", () => {
  it("runs its worker without privileges, its files for root only", async () => {
    await ingress.apply(wish([await instance("one")]));
    const { workers } = await processes();
    const status = readFileSync(`/proc/${workers[0]}/status`, "utf8");
    expect(/^Uid:\s+(\d+)/m.exec(status)?.[1]).not.toBe("0");
    expect((await run(["readlink", `/proc/${workers[0]}/root`])).stdout.trim()).toBe(join(dir, "empty"));
    for (const name of ["haproxy.cfg", "hosts.map", "haproxy.sock", "master.sock"]) expect(statSync(join(dir, name)).mode & 0o77).toBe(0);
  });

  it("serves again within a second after its master was killed, with all that was changed at run time", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    await ingress.apply(wish([one]));
    await ingress.apply(wish([two]));
    expect(await ingress.ensureRunning()).toBe(false);
    // As the agent does.
    const watch = setInterval(() => void ingress.ensureRunning(), 200);
    try {
      process.kill(masterPid(), "SIGKILL");
      const killedMs = performance.now();
      let body = "";
      while (body === "" && performance.now() - killedMs < 3_000) {
        body = await get("a.localhost").then(
          (answer) => answer.body,
          () => "",
        );
        await sleep(10);
      }
      expect(body).toBe("two");
      expect(performance.now() - killedMs).toBeLessThan(1_000);
    } finally {
      clearInterval(watch);
    }
  });

  it("heals when its worker was killed", async () => {
    await ingress.apply(wish([await instance("one")]));
    const { workers } = await processes();
    process.kill(workers[0] ?? 0, "SIGKILL");
    const killedMs = performance.now();
    while (!(await ingress.ensureRunning()) && performance.now() - killedMs < 3_000) await sleep(20);
    expect((await get("a.localhost")).body).toBe("one");
    expect(performance.now() - killedMs).toBeLessThan(1_000);
  });

  it("goes on without us and is adopted by the next Ingress, also when its note was lost", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    await ingress.apply(wish([one]));
    const master = masterPid();
    ingress = new Ingress(dir);
    expect(await ingress.ensureRunning()).toBe(false);
    await ingress.apply(wish([two]));
    expect([masterPid(), (await get("a.localhost")).body]).toEqual([master, "two"]);
    rmSync(join(dir, "haproxy.process.json"));
    ingress = new Ingress(dir);
    await ingress.apply(wish([one]));
    expect([masterPid(), (await get("a.localhost")).body]).toEqual([master, "one"]);
  });

  it("is adopted while its master does not answer: there are never two on the port", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    await ingress.apply(wish([one]));
    const master = masterPid();
    for (const lost of ["haproxy.process.json", "master.sock"]) rmSync(join(dir, lost), { force: true });
    ingress = new Ingress(dir);
    expect(await ingress.ensureRunning()).toBe(false);
    rmSync(join(dir, "haproxy.process.json"));
    ingress = new Ingress(dir);
    await ingress.apply(wish([two]));
    expect([masterPid(), (await get("a.localhost")).body]).toEqual([master, "two"]);
    expect((await findMasters(configPath())).map(({ pid }) => pid)).toEqual([master]);
  });

  it("is adopted while it is starting, and serves then", async () => {
    const [one, two] = [await instance("one"), await instance("two")];
    await ingress.apply(wish([one]));
    const former = { pid: masterPid(), startTicks: identifyProcess(masterPid())?.startTicks ?? 0 };
    signalProcess(former, "SIGKILL");
    await waitGone(former, 2_000);
    await anotherHaproxy();
    const master = masterPid();
    rmSync(join(dir, "haproxy.process.json"));
    ingress = new Ingress(dir);
    await ingress.apply(andBackend(wish([two]), "b2"));
    expect([masterPid(), (await get("a.localhost")).body]).toEqual([master, "two"]);
  });

  it("is found at every moment of its start and of its reloads", async () => {
    let desired = wish([await instance("one")]);
    const seen = new Set<string>();
    let isOver = false;
    const looking = (async () => {
      for (; !isOver; await sleep(0)) seen.add((await findMasters(configPath())).map(({ pid }) => pid).join());
    })();
    for (let i = 0; i < 4; i++) {
      await ingress.apply(desired);
      desired = andBackend(desired, `new${i}`);
    }
    isOver = true;
    await looking;
    seen.delete(""); // Before it was started.
    expect([...seen]).toEqual([`${masterPid()}`]);
  });

  it("is nothing that another user calls so", async () => {
    const claimed = async (uid: number) => {
      const child = await inItsArguments("sleep 60", uid);
      try {
        const shown = () => readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
        await vi.waitFor(() => expect(shown()).toContain(configPath()), { timeout: 10_000, interval: 5 });
        return (await findMasters(configPath())).some(({ pid }) => pid === child.pid);
      } finally {
        child.kill("SIGKILL");
      }
    };
    expect([await claimed(65_534), await claimed(0)]).toEqual([false, true]);
  });

  it("is found although it shows no arguments while it executes itself", async () => {
    const child = await inItsArguments("exec @ENV{qw(PROGRAM W E CODE END F CONFIG)}", 0);
    try {
      await vi.waitFor(async () => expect(await findMasters(configPath())).toHaveLength(1), { timeout: 10_000, interval: 5 });
      for (let i = 0; i < 200; i++) expect((await findMasters(configPath())).map(({ pid }) => pid)).toEqual([child.pid]);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("comes back with what it had when it was killed while we were away", async () => {
    await ingress.apply(wish([await instance("one")]));
    const master = masterPid();
    process.kill(master, "SIGKILL");
    ingress = new Ingress(dir);
    while (!(await ingress.ensureRunning())) await sleep(20);
    expect((await get("a.localhost")).body).toBe("one");
  });

  it("applies only the newest of many wishes that wait, and gathers reloads", async () => {
    let desired = wish([await instance("one")]);
    await ingress.apply(desired);
    const { workers: before } = await processes();
    const wishes: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      desired = andBackend(desired, `n${i}`);
      wishes.push(ingress.apply(desired));
    }
    await Promise.all(wishes);
    expect(Number(/master\s+(\d+)/.exec(await showProc())?.[1])).toBeLessThanOrEqual(2);
    expect((await processes()).workers[0]).not.toBe(before[0]);
  });

  it("stops, also with requests under way, and leaves no process", async () => {
    const slow = await instance("slow", (_, response) => void setTimeout(() => response.end("slow"), 300));
    await ingress.apply(wish([slow]));
    const answer = get("a.localhost");
    await sleep(50);
    const { workers } = await processes();
    await ingress.stop(2_000);
    expect((await answer).body).toBe("slow");
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow();
    await ingress.stop();
    expect(await ingress.ensureRunning()).toBe(false);
  });

  it("says that its port is taken", async () => {
    const taken = createTcpServer();
    await new Promise<void>((resolve) => taken.listen(port, address, () => resolve()));
    await expect(ingress.apply(wish([]))).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/port taken.*cannot bind/is),
    });
    await new Promise((resolve) => taken.close(resolve));
    await ingress.apply(wish([await instance("one")]));
    expect((await get("a.localhost")).body).toBe("one");
  });
});
