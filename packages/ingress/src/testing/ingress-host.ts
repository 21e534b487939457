import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { signalProcess, waitGone } from "@plimsoll/host";
import { type Load, type LoadOptions, startLoad } from "@plimsoll/testkit";
import { afterEach, beforeEach, expect } from "vitest";
import type { DesiredIngress, Endpoint } from "../desired.ts";
import { findMasters } from "../find-haproxy.ts";
import { Ingress, type IngressOptions } from "../ingress.ts";
import { parseProcesses, sendCommands } from "../runtime.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** For each test of the file a new one, that is cleared away after it. */
export function eachOnIngressHost(): IngressHost {
  const host = new IngressHost();
  beforeEach(() => host.begin());
  afterEach(() => host.end());
  return host;
}

/** A directory with an Ingress, a loopback address that it listens on, and instances behind it. */
export class IngressHost {
  dir = "";
  address = "";
  readonly port = 18_080;
  ingress = new Ingress("");
  servers: Server[] = [];

  begin(): void {
    this.dir = mkdtempSync(join(tmpdir(), "plim-ing-"));
    // Nobody else's, nor a port that connections to others leave from: what was free a moment ago may not be so any more.
    this.address = `127.${[0, 0, 0].map(() => 1 + Math.floor(Math.random() * 254)).join(".")}`;
    this.servers = [];
    this.ingress = new Ingress(this.dir);
  }

  async end(): Promise<void> {
    try {
      await this.ingress.stop();
    } finally {
      for (const leftover of await findMasters(this.at("haproxy.cfg"))) {
        signalProcess(leftover, "SIGKILL");
        await waitGone(leftover, 2_000);
      }
      for (const server of this.servers) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(this.dir, { recursive: true });
    }
  }

  at(name: string): string {
    return join(this.dir, name);
  }

  /** As when another agent has taken the place of ours. */
  nextIngress(options: IngressOptions = {}): void {
    this.ingress = new Ingress(this.dir, {}, options);
  }

  /** An instance: an HTTP server that says its name. */
  async instance(name: string, listener: RequestListener = (_, response) => response.end(name)): Promise<Endpoint> {
    const server = createServer(listener);
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return { id: name, address: "127.0.0.1", port: (server.address() as AddressInfo).port, state: "ready" };
  }

  async onSocket(name: string, listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    this.servers.push(server);
    const path = this.at(`${name}.sock`);
    await new Promise<void>((resolve) => server.listen({ path, writableAll: true }, () => resolve()));
    return path;
  }

  /** One app, b1 at a.localhost. */
  wish(
    endpoints: readonly Endpoint[],
    more: Partial<DesiredIngress> = {},
    state: "ready" | "deploying" | "empty" = "ready",
  ): DesiredIngress {
    return {
      listen: [{ address: this.address, port: this.port }],
      routes: [{ host: "a.localhost", backendId: "b1" }],
      backends: [{ id: "b1", state, endpoints }],
      ...more,
    };
  }

  /** On a connection of its own. */
  get(
    host: string,
    path = "/",
    options: { readonly method?: string; readonly headers?: Record<string, string>; readonly onData?: () => void } = {},
  ): Promise<Answer> {
    const { onData, ...more } = options;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: this.address, port: this.port, path, agent: false, ...more, headers: { host, ...options.headers } },
        (response) => {
          let body = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => {
            body += chunk;
            onData?.();
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
        },
      );
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  load(more: Partial<LoadOptions> = {}): Load {
    return startLoad({ address: this.address, port: this.port, host: "a.localhost", ...more });
  }

  masterPid(): number {
    return (JSON.parse(readFileSync(this.at("haproxy.process.json"), "utf8")) as { pid: number }).pid;
  }

  /** The master opens its socket some moments after its worker serves. */
  async showProc(): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      try {
        return (await sendCommands(this.at("master.sock"), ["show proc"]))[0] ?? "";
      } catch (error) {
        if (attempt === 500) throw error;
        await sleep(10);
      }
    }
  }

  async workers(): Promise<readonly number[]> {
    return parseProcesses(await this.showProc()).workers;
  }

  openWebSocket(): WebSocketOfTest {
    return openWebSocket(this.address, this.port);
  }
}

export const draining = (endpoint: Endpoint): Endpoint => ({ ...endpoint, state: "draining" });

/** The same and one app more: only a reload brings a backend. */
export const andBackend = (base: DesiredIngress, id: string): DesiredIngress => ({
  ...base,
  backends: [...base.backends, { id, state: "empty", endpoints: [] }],
});

/** A server's part of a WebSocket (RFC 6455, 4.2.2), after which it echoes bytes. HAProxy checks the handshake on both sides. */
export function echoUpgrades(server: Server | undefined): void {
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

interface WebSocketOfTest {
  readonly say: (text: string) => void;
  readonly hear: (text: string) => Promise<void>;
  readonly close: () => void;
}

function openWebSocket(address: string, port: number): WebSocketOfTest {
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
      for (let i = 0; i < 500 && !heard.includes(text); i++) await sleep(10);
      expect(heard).toContain(text);
    },
    close: () => socket.destroy(),
  };
}
