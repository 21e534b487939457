import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HostLoad, Me } from "@plimsoll/contracts";
import type { BuildEvent, Kind, Resource } from "@plimsoll/core";

const PLURALS: Record<string, Kind> = {
  apps: "App",
  builds: "Build",
  releases: "Release",
  deployments: "Deployment",
  instances: "Instance",
  routes: "Route",
  events: "Event",
};

/** What a route of the script answers: a body for 200, a status and a body, or nothing for 204. */
type Answer = object | undefined | readonly [status: number, body: object];
type Action = (match: Record<string, string>, body: never) => Answer | Promise<Answer>;

interface Watcher {
  readonly scopes: Set<string>;
  readonly response: ServerResponse;
}

/**
 * The API as far as the portal's tests need it, and the ingress in front of both: /api is answered here, all else is passed on to the
 * portal's socket, so that both have one origin as in production. Objects are put in by the test; watchers hear of every change.
 */
export class FakeApi {
  readonly objects = new Map<string, Resource>();
  readonly buildLogs = new Map<string, BuildEvent[]>();
  readonly instanceLogs = new Map<string, { stream: "stdout" | "stderr"; at: string; text: string }[]>();
  me: Me | undefined;
  sshKeys: { id: string; name: string; fingerprint: string; createdAt: string }[] = [];
  tokens: { id: string; name: string; createdAt: string; expiresAt?: string; lastUsedAt?: string }[] = [];
  loads: HostLoad[] = [];
  /** Every request to the API, as "GET /me". */
  readonly requests: string[] = [];
  /** Answers nothing any more: connections are refused with an ingress page. */
  down = false;
  readonly watchers = new Set<Watcher>();
  readonly #streams = new Set<{ readonly key: string; readonly response: ServerResponse; sent: number }>();
  readonly #history: { scope: string; version: number; type: string; object: Resource }[] = [];
  /** Changes up to this version of any scope are no longer known. */
  forgottenUpTo = 0;
  readonly #actions: { method: string; pattern: URLPattern; act: Action }[] = [];
  readonly #server: Server;
  readonly #portalSocket: string | undefined;
  #version = 100;

  constructor(portalSocket?: string) {
    this.#portalSocket = portalSocket;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(port, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** Creates or replaces an object; watchers of its scope hear of it. */
  put<K extends Kind>(object: Resource<K>): Resource<K> {
    const version = ++this.#version;
    const next = { ...object, metadata: { ...object.metadata, version } };
    const type = this.objects.has(object.metadata.uid) ? "updated" : "created";
    this.objects.set(object.metadata.uid, next);
    this.#tell(type, next, version);
    return next;
  }

  /** Changes an object's status (and spec) in place. */
  change<K extends Kind>(
    object: Resource<K>,
    status: Partial<Resource<K>["status"]>,
    spec: Partial<Resource<K>["spec"]> = {},
  ): Resource<K> {
    const now = (this.objects.get(object.metadata.uid) ?? object) as Resource<K>;
    return this.put({ ...now, status: { ...now.status, ...status }, spec: { ...now.spec, ...spec } });
  }

  remove(object: Resource): void {
    const version = ++this.#version;
    this.objects.delete(object.metadata.uid);
    this.#tell("deleted", { ...object, metadata: { ...object.metadata, version } }, version);
  }

  /** Adds to a log; those who follow it hear of it. */
  log(name: string, ...entries: (BuildEvent | { stream: "stdout" | "stderr"; at: string; text: string })[]): void {
    if (entries[0] && "type" in entries[0]) this.buildLogs.set(name, [...(this.buildLogs.get(name) ?? []), ...(entries as BuildEvent[])]);
    else this.instanceLogs.set(name, [...(this.instanceLogs.get(name) ?? []), ...(entries as never[])]);
    this.#pump(name);
  }

  /** Ends a build's log. */
  endLog(name: string): void {
    for (const stream of this.#streams) if (stream.key === name) stream.response.end("event: end\ndata: {}\n\n");
  }

  /** A build begins anew, as after the loss of its host: its log so far is void. */
  restartLog(name: string): void {
    this.buildLogs.set(name, []);
    for (const stream of this.#streams) {
      if (stream.key !== name) continue;
      stream.sent = 0;
      stream.response.write("event: restart\ndata: {}\n\n");
    }
  }

  /** Cuts every open stream, as a restart of the server does. */
  cut(): void {
    for (const { response } of [...this.watchers, ...this.#streams]) response.destroy();
  }

  /** Answers requests that change something, or replaces an answer. The latest one wins. Pattern as in URLPattern, below /api/v1. */
  on(method: string, pathname: string, act: Action): void {
    this.#actions.unshift({ method, pattern: new URLPattern({ pathname: `/api/v1${pathname}` }), act });
  }

  #tell(type: string, object: Resource, version: number): void {
    const { kind, teamUid = "", namespaceUid = "" } = object.metadata;
    const scope = kind === "Namespace" ? teamUid : kind === "Team" || kind === "Host" ? "platform" : namespaceUid;
    this.#history.push({ scope, version, type, object });
    for (const watcher of this.watchers)
      if (watcher.scopes.has(scope)) watcher.response.write(changeEvent({ scope, version, type, object }));
  }

  #pump(name: string): void {
    for (const stream of this.#streams) {
      if (stream.key !== name) continue;
      const entries: readonly object[] = this.buildLogs.get(name) ?? this.instanceLogs.get(name) ?? [];
      for (; stream.sent < entries.length; stream.sent++) {
        const entry = entries[stream.sent];
        const build = this.buildLogs.has(name);
        stream.response.write(
          build
            ? `id: ${stream.sent}\ndata: ${JSON.stringify({ seq: stream.sent, event: entry })}\n\n`
            : `data: ${JSON.stringify(entry)}\n\n`,
        );
      }
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url ?? "/", "http://here");
    if (!url.pathname.startsWith("/api/")) return this.#toPortal(request, response);
    this.requests.push(`${request.method} ${url.pathname.slice("/api/v1".length)}${url.search}`);
    if (this.down) return response.writeHead(503, { "content-type": "text/html" }).end("<h1>503</h1>");
    const body = await readBody(request);
    for (const { method, pattern, act } of this.#actions) {
      const match = request.method === method && pattern.exec({ pathname: url.pathname });
      if (!match) continue;
      const answer = await act(match.pathname.groups as Record<string, string>, body);
      return reply(response, answer);
    }
    const path = url.pathname.slice("/api/v1".length);
    if (!this.me && !path.startsWith("/claim")) return problem(response, 401, "unauthenticated", "Sign in first.");
    const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
    if (path === "/me") return reply(response, this.me);
    if (path === "/ssh-keys") return reply(response, { items: this.sshKeys });
    if (path === "/tokens") return reply(response, { items: this.tokens });
    if (path === "/watch") return this.#watch(url, request, response);
    if (path === "/hosts" || path === "/host-loads") return this.#hosts(path, response);
    if (parts[0] === "teams") return this.#team(parts, response);
    if (parts[0] === "namespaces") return this.#namespace(parts, url, request, response);
    return problem(response, 404, "not_found", "There is no such address.");
  }

  #toPortal(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#portalSocket) {
      response.writeHead(404).end();
      return;
    }
    const onward = forward(
      { socketPath: this.#portalSocket, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.writeHead(502).end());
    request.pipe(onward);
  }

  #hosts(path: string, response: ServerResponse): unknown {
    const hosts = [...this.objects.values()].filter((one): one is Resource<"Host"> => one.metadata.kind === "Host");
    if (path === "/hosts") return reply(response, { items: hosts, version: this.#version });
    return reply(response, { items: this.loads.filter((load) => hosts.some((one) => one.metadata.name === load.host)) });
  }

  #team(parts: string[], response: ServerResponse): unknown {
    const team = [...this.objects.values()].find((one) => one.metadata.kind === "Team" && one.metadata.name === parts[1]);
    if (!team) return problem(response, 404, "not_found", `There is no team ${parts[1]}, or you may not see it.`);
    if (parts.length === 2) return reply(response, team);
    const items = [...this.objects.values()].filter(
      (one) => one.metadata.kind === "Namespace" && one.metadata.teamUid === team.metadata.uid,
    );
    return reply(response, { items, version: this.#version });
  }

  #namespace(parts: string[], url: URL, request: IncomingMessage, response: ServerResponse): unknown {
    const [, team, name, plural = "", object, log] = parts;
    const found = [...this.objects.values()].find(
      (one) => one.metadata.kind === "Namespace" && one.metadata.name === name && one.metadata.team === team,
    );
    if (!found) return problem(response, 404, "not_found", `There is no namespace ${name} in team ${team}, or you may not see it.`);
    if (parts.length === 3) return reply(response, found);
    const kind = PLURALS[plural];
    const own = [...this.objects.values()].filter((one) => one.metadata.kind === kind && one.metadata.namespaceUid === found.metadata.uid);
    if (log === "log" && object) return this.#follow(object, request, response);
    if (object) {
      const one = own.find((candidate) => candidate.metadata.name === object);
      return one ? reply(response, one) : problem(response, 404, "not_found", `There is no ${plural} ${object} here.`);
    }
    const app = url.searchParams.get("app");
    const items = own
      .filter((one) => app === null || ("app" in one.spec && one.spec.app === app))
      .sort((a, b) => b.metadata.createdAt.localeCompare(a.metadata.createdAt));
    const limit = Number(url.searchParams.get("limit") ?? 100);
    const from = Number(url.searchParams.get("continue") ?? 0);
    const more = from + limit < items.length ? { continue: `${from + limit}` } : {};
    return reply(response, { items: items.slice(from, from + limit), version: this.#version, ...more });
  }

  #watch(url: URL, request: IncomingMessage, response: ServerResponse): void {
    const positions = url.searchParams.getAll("scope").map((one) => one.split(":"));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 1000\n: watching\n\n");
    const scopes = new Set<string>();
    for (const [scope = "", after = "0"] of positions) {
      if (Number(after) < this.forgottenUpTo) {
        response.write(`event: gone\ndata: ${JSON.stringify({ scope })}\n\n`);
        continue;
      }
      scopes.add(scope);
      for (const change of this.#history) if (change.scope === scope && change.version > Number(after)) response.write(changeEvent(change));
    }
    const watcher: Watcher = { scopes, response };
    // A reader may have left before it was served: then nothing closes any more.
    if (response.closed || response.destroyed || request.socket.destroyed) return;
    this.watchers.add(watcher);
    response.on("close", () => this.watchers.delete(watcher));
    request.socket.on("close", () => this.watchers.delete(watcher));
  }

  #follow(name: string, request: IncomingMessage, response: ServerResponse): void {
    const object = [...this.objects.values()].find((one) => one.metadata.name === name);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": following\n\n");
    const resumed = request.headers["last-event-id"];
    const stream = { key: name, response, sent: typeof resumed === "string" ? Number(resumed) + 1 : 0 };
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
    this.#pump(name);
    const over =
      object?.metadata.kind === "Build" &&
      ["succeeded", "failed", "cancelled", "superseded"].includes((object as Resource<"Build">).status.phase);
    if (over) response.end("event: end\ndata: {}\n\n");
  }
}

function changeEvent(change: { scope: string; version: number; type: string; object: Resource }): string {
  return `id: ${change.scope}:${change.version}\ndata: ${JSON.stringify(change)}\n\n`;
}

function reply(response: ServerResponse, answer: Answer): ServerResponse {
  if (answer === undefined) return response.writeHead(204).end();
  const [status, body] = Array.isArray(answer) ? (answer as unknown as [number, object]) : [200, answer];
  const type = status >= 400 ? "application/problem+json" : "application/json";
  return response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, detail: string): ServerResponse {
  return reply(response, [status, { type: "about:blank", title: code, status, code, detail }]);
}

/** A refusal, as an action's answer. */
export function refusal(status: number, code: string, detail: string): Answer {
  return [status, { type: "about:blank", title: code, status, code, detail }];
}

async function readBody(request: IncomingMessage): Promise<never> {
  let text = "";
  for await (const piece of request) text += piece;
  return JSON.parse(text || "{}") as never;
}
