import { createServer as createHttpServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { problemOf } from "@plimsoll/api";
import type { Logger } from "@plimsoll/config";
import { AppError, PLATFORM_SCOPE, toAppError } from "@plimsoll/core";
import { asUnavailable, type Database } from "@plimsoll/db";
import { type Authority, fingerprintOf } from "./authority.ts";

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
  /** Where Redis is; agents get in with their own confined user. */
  readonly redisUrl: string;
  readonly log: Logger;
}

/**
 * The door for agents of other hosts: mutual TLS under the platform's own authority, nothing else listens off loopback for them.
 * Without a host's certificate only the authority's certificate, enrolment and the signing of a request can be had; with the one that a
 * host was given last, the agent API, fetches of git, and (by ALPN) a tunnel to Redis, where the host's own user is confined to its own
 * queue. A removed host's connections are cut.
 */
export async function openAgentGateway(options: GatewayOptions): Promise<{ close(): Promise<void> }> {
  const { listen, authority, log } = options;
  const sockets = new Set<TLSSocket>();
  /** Let in once: cut when their host is removed. All others are answered in words by what refuses them. */
  const admitted = new Set<TLSSocket>();
  const admit = async (socket: TLSSocket): Promise<boolean> => {
    if (!(await isCurrentHost(options, socket))) return false;
    if (admitted.has(socket)) return true;
    admitted.add(socket);
    // Removed between the question and here: nobody else would cut it.
    if (await isCurrentHost(options, socket)) return true;
    admitted.delete(socket);
    return false;
  };
  const leaf = await authority.issueServer(["plimsoll-server", listen.host]);
  // One TLS server in front, so that a tunnel's bytes never reach the HTTP parser.
  const http = createHttpServer((request, response) => void handle(options, admit, request, response));
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
      socket.on("close", () => {
        sockets.delete(socket);
        admitted.delete(socket);
      });
      socket.on("error", () => socket.destroy());
      if (socket.alpnProtocol !== QUEUE_PROTOCOL) http.emit("connection", socket);
      else
        void admit(socket).then(
          (current) => (current ? tunnel(socket, connectQueue(options.redisUrl)) : socket.destroy()),
          () => socket.destroy(),
        );
    },
  );
  server.on("tlsClientError", (error) => log.debug("a TLS client was refused", { error }));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const cutRemoved = async () => {
    // A database that is away says nothing about a host: whoever it removed meanwhile is cut when it is back.
    for (const socket of admitted) if (!(await isCurrentHost(options, socket).catch(() => true))) socket.destroy();
  };
  const removals = options.db.listen(["plimsoll_changes"], (_channel, scope) => {
    if (scope === undefined || scope === PLATFORM_SCOPE) void cutRemoved();
  });
  return {
    async close() {
      await removals.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    },
  };
}

/** Whether the other end has shown the certificate that a host of this platform was given last. Throws while the database is away. */
async function isCurrentHost({ db }: GatewayOptions, socket: TLSSocket): Promise<boolean> {
  if (!socket.authorized || socket.destroyed) return false;
  const { subject, raw } = socket.getPeerCertificate();
  return typeof subject?.CN === "string" && db.hosts.isCurrent(subject.CN, fingerprintOf(raw));
}

async function handle(
  options: GatewayOptions,
  admit: (socket: TLSSocket) => Promise<boolean>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "/").split("?")[0] ?? "/";
  if (request.method === "GET" && path === "/gateway/v1/authority") return answer(response, 200, options.authority.certificatePem);
  if (request.method === "POST" && path === "/gateway/v1/certificate") return sign(options, request, response);
  try {
    if (path !== "/api/agent/v1/enroll" && !(await admit(request.socket as TLSSocket)))
      throw new AppError(
        "unauthenticated",
        "This is not the certificate of a host of this platform, or of one that was removed; enroll it.",
      );
    if (!AGENT_PATHS.some((pattern) => pattern.test(path))) throw new AppError("not_found", "Only the agent's API is served here.");
    forward(options.apiSocket, request, response);
  } catch (error) {
    refuse(options, response, error);
  }
}

/** A host that holds a credential gets its key certified; the certificate's name is its uid, whatever it asked for. */
async function sign(options: GatewayOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const credential = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const token = credential === undefined ? undefined : await options.db.identities.findToken(credential, ["host"]);
    if (token?.subject === undefined) throw notAHost();
    const body = await readBody(request);
    if (body === undefined) throw new AppError("invalid", "The certificate request is too large.");
    const { pem, fingerprint } = await options.authority.signHost(body, token.subject);
    if (!(await options.db.hosts.setCertificate(token.subject, fingerprint))) throw notAHost();
    answer(response, 200, pem);
  } catch (error) {
    refuse(options, response, error);
  }
}

function notAHost(): AppError {
  return new AppError("unauthenticated", "This credential is not that of a host; enroll it again.");
}

function forward(apiSocket: string, request: IncomingMessage, response: ServerResponse): void {
  const { connection: _connection, "transfer-encoding": _chunked, ...headers } = request.headers;
  const onward = httpRequest({ socketPath: apiSocket, path: request.url, method: request.method, headers }, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(response);
  });
  onward.on("error", () => {
    if (response.headersSent) response.destroy();
    else answerProblem(response, new AppError("unavailable", "The API does not answer; try again."));
  });
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

/** A connection to Redis that nobody has logged in on. The URL was good enough for our own. */
function connectQueue(redisUrl: string): Socket {
  const { protocol, hostname, port, pathname } = new URL(redisUrl);
  if (protocol === "unix:") return connect(decodeURIComponent(pathname));
  const host = hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1";
  const at = { host, port: Number(port || 6379) };
  // A server name is a name (RFC 6066 3): none is sent for an address.
  return protocol === "rediss:" ? connectTls({ ...at, ...(isIP(host) === 0 ? { servername: host } : {}) }) : connect(at);
}

function tunnel(outer: Socket, inner: Socket): void {
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

function refuse({ log }: GatewayOptions, response: ServerResponse, error: unknown): void {
  const known = toAppError(asUnavailable(error));
  if (known.code === "internal") log.error("a request of a host failed", { error: known });
  answerProblem(response, known);
}

function answerProblem(response: ServerResponse, error: AppError): void {
  const problem = problemOf(error);
  response.writeHead(problem.status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
