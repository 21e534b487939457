import { createServer as createHttpServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Logger } from "@plimsoll/config";
import type { Database } from "@plimsoll/db";
import type { Authority } from "./authority.ts";

/** What a host's tunnel to its queue calls itself in the TLS handshake (ALPN). */
export const QUEUE_PROTOCOL = "plimsoll-queue";
const MAX_REQUEST_BYTES = 64 * 1024;
/** All that agents may reach through here. */
const AGENT_PATHS = [/^\/api\/agent\/v1\//, /^\/git\/[a-z0-9-]+\/[a-z0-9-]+\/[a-z0-9-]+\.git\/git-upload-pack$/];

export interface GatewayOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly authority: Authority;
  readonly db: Database;
  /** Unix socket of the API. */
  readonly apiSocket: string;
  /** Unix socket of Redis; agents get in with their own confined user. */
  readonly queueSocket: string;
  readonly log: Logger;
}

/**
 * The door for agents of other hosts: mutual TLS under the platform's own authority, nothing else listens off loopback for them.
 * Without a host's certificate only the authority's certificate, enrolment and the signing of a request can be had; with one, the agent
 * API, fetches of git, and (by ALPN) a tunnel to Redis, where the host's own user is confined to its own queue.
 */
export async function openAgentGateway(options: GatewayOptions): Promise<{ close(): Promise<void> }> {
  const { listen, authority, log } = options;
  const sockets = new Set<TLSSocket>();
  const leaf = await authority.issueServer(["plimsoll-server", listen.host]);
  // One TLS server in front, so that a tunnel's bytes never reach the HTTP parser.
  const http = createHttpServer((request, response) => void handle(options, request, response));
  const server = createTlsServer(
    {
      key: leaf.keyPem,
      cert: leaf.certificatePem,
      ca: authority.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.3",
      ALPNProtocols: [QUEUE_PROTOCOL, "http/1.1"],
      handshakeTimeout: 10_000,
    },
    (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      if (socket.alpnProtocol !== QUEUE_PROTOCOL) http.emit("connection", socket);
      else if (socket.authorized) tunnel(socket, options.queueSocket);
      else socket.destroy();
    },
  );
  server.on("tlsClientError", (error) => log.debug("a TLS client was refused", { error }));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function handle(options: GatewayOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  if (request.method === "GET" && path === "/gateway/v1/authority") return answer(response, 200, options.authority.certificatePem);
  if (request.method === "POST" && path === "/gateway/v1/certificate") return sign(options, request, response);
  const authorized = (request.socket as TLSSocket).authorized || path === "/api/agent/v1/enroll";
  if (!authorized) return answer(response, 401, "This host has no certificate of this platform; enroll it again.\n");
  if (!AGENT_PATHS.some((pattern) => pattern.test(path))) return answer(response, 404, "Only the agent's API is served here.\n");
  forward(options.apiSocket, request, response);
}

/** A host that holds a credential gets its key certified; the certificate's name is its uid, whatever it asked for. */
async function sign(options: GatewayOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const credential = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  const token = credential === undefined ? undefined : await options.db.identities.findToken(credential, ["host"]);
  if (token?.subject === undefined) return answer(response, 401, "This credential is not that of a host; enroll it again.\n");
  const body = await readBody(request);
  if (body === undefined) return answer(response, 413, "The certificate request is too large.\n");
  try {
    answer(response, 200, await options.authority.signHost(body, token.subject));
  } catch (error) {
    options.log.warn("a certificate request was refused", { host: token.subject, error });
    answer(response, 422, "The certificate request cannot be used; enroll again with this version's agent.\n");
  }
}

function forward(apiSocket: string, request: IncomingMessage, response: ServerResponse): void {
  const { connection: _connection, "transfer-encoding": _chunked, ...headers } = request.headers;
  const onward = httpRequest({ socketPath: apiSocket, path: request.url, method: request.method, headers }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(response);
  });
  onward.on("error", () => {
    if (response.headersSent) response.destroy();
    else answer(response, 503, "The API does not answer; try again.\n");
  });
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

function tunnel(outer: Socket, socketPath: string): void {
  const inner = connect(socketPath);
  inner.pipe(outer);
  outer.pipe(inner);
  for (const [one, other] of [
    [inner, outer],
    [outer, inner],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
