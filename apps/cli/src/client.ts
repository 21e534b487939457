import type { ClientRequest, IncomingMessage } from "node:http";
import type { ApiRoutes } from "@plimsoll/contracts";
import type { Kind, Resource } from "@plimsoll/core";
import { AppError } from "@plimsoll/core/errors";
import type { Login } from "./config.ts";
import { OPENED, parseEvents, problemOf, type ServerEvent } from "./event-stream.ts";

type RouteName = keyof ApiRoutes;
type RouteInput<R extends RouteName> = Omit<ApiRoutes[R], "answer">;
type ListRoute = { [R in RouteName]: ApiRoutes[R]["answer"] extends { items: Resource<Kind>[]; version: number } ? R : never }[RouteName];
type ItemOf<R extends ListRoute> = ApiRoutes[R]["answer"]["items"][number];

export interface EventOptions {
  /** Where an earlier stream ended. */
  readonly lastEventId?: string | undefined;
  /** Ends the stream, beside the client's own signal. */
  readonly signal?: AbortSignal;
}

/** A whole list, all pages of it. */
export interface Listed<T> {
  readonly items: readonly T[];
  /** Of the scope before it was read: a watch from here misses nothing. */
  readonly version: number;
}

/**
 * The HTTP API as the commands use it, with the routes' own types. Refusals are AppErrors with the server's own sentence, `unavailable`
 * when nothing (or something else) answers. Not fetch: loading it costs as much time as all the rest of a command.
 */
export interface Client {
  readonly url: string;
  readonly token: string | undefined;
  call<R extends RouteName>(route: R, input: RouteInput<R>): Promise<ApiRoutes[R]["answer"]>;
  /** All pages, or of long lists at most `most` objects. */
  list<R extends ListRoute>(route: R, input: RouteInput<R>, most?: number): Promise<Listed<ItemOf<R>>>;
  events<R extends RouteName>(route: R, input: RouteInput<R>, options?: EventOptions): AsyncGenerator<ServerEvent>;
}

/** The server sends a comment every 15 s: three missed ones mean that the connection is dead, although nobody said so. */
const STALL_MS = 45_000;
const ANSWER_MS = 60_000;
const PAGE = 200;

export function createClient(login: Pick<Login, "url"> & { readonly token?: string }, signal: AbortSignal): Client {
  async function send(route: string, input: object, headers: Record<string, string> = {}, until = signal): Promise<IncomingMessage> {
    const { params = {}, query = {}, body } = input as { params?: Record<string, string>; query?: Record<string, unknown>; body?: unknown };
    const [method = "GET", template = ""] = route.split(" ");
    const path = template.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const answer = await exchange(
      new URL(`${login.url}${path}${search(query)}`),
      { method, payload, until },
      {
        accept: "application/json, text/event-stream",
        ...(login.token === undefined ? {} : { authorization: `Bearer ${login.token}` }),
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
    );
    const { statusCode = 500 } = answer;
    if (statusCode >= 200 && statusCode <= 299) return answer;
    throw refusal(statusCode, await textOf(answer));
  }

  function exchange(
    url: URL,
    { method, payload, until }: { method: string; payload: string | undefined; until: AbortSignal },
    headers: Record<string, string>,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) =>
        reject(
          new AppError("unavailable", `Nothing answers at ${login.url}; is the platform running (npm run status), is the address right?`, {
            cause,
          }),
        );
      const asked = requester(url)(url, { method, headers, signal: until });
      asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error("no answer in time")));
      asked.once("error", fail);
      asked.once("response", resolve);
      asked.end(payload);
    });
  }

  const call = async (route: string, input: object) => {
    const text = await textOf(await send(route, input));
    return text === "" ? null : JSON.parse(text);
  };

  return {
    url: login.url,
    token: login.token,
    call: call as Client["call"],
    async list(route, input, most = Number.POSITIVE_INFINITY) {
      const items: unknown[] = [];
      let version: number | undefined;
      let next: string | undefined;
      do {
        const { query = {} } = input as { query?: object };
        const limit = Math.min(PAGE, most - items.length);
        const page = await call(route, { ...input, query: { ...query, limit, ...(next === undefined ? {} : { continue: next }) } });
        items.push(...page.items);
        version ??= page.version;
        next = page.continue;
      } while (next !== undefined && items.length < most);
      return { items, version: version ?? 0 } as never;
    },
    async *events(route, input, { lastEventId, signal: own } = {}) {
      const until = own === undefined ? signal : AbortSignal.any([signal, own]);
      const answer = await send(route, input, lastEventId === undefined ? {} : { "last-event-id": lastEventId }, until);
      answer.socket.setTimeout(STALL_MS, () => answer.destroy(new Error("silent for too long")));
      try {
        yield OPENED;
        yield* parseEvents(answer.setEncoding("utf8") as AsyncIterable<string>);
      } catch (cause) {
        throw cause instanceof AppError ? cause : new AppError("unavailable", "The connection to the platform broke.", { cause });
      } finally {
        answer.destroy();
      }
    },
  };
}

type Requester = (url: URL, options: { method: string; headers: Record<string, string>; signal: AbortSignal }) => ClientRequest;

/** Not imported: an import touches every export of node:http, and some of them load undici, which takes longer than most commands. */
export function requester({ protocol }: URL): Requester {
  return process.getBuiltinModule(protocol === "https:" ? "node:https" : "node:http").request;
}

export async function textOf(answer: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const chunk of answer.setEncoding("utf8") as AsyncIterable<string>) text += chunk;
  } catch (cause) {
    throw new AppError("unavailable", "The connection to the platform broke.", { cause });
  }
  return text;
}

function refusal(status: number, text: string): AppError {
  if (!text.trimStart().startsWith("{"))
    return new AppError(
      "unavailable",
      `The platform answered ${status} without saying why; is the address right? Look at npm run status there.`,
    );
  const problem = problemOf(text);
  if (problem.code !== "unauthenticated") return problem;
  return new AppError("unauthenticated", `${problem.message}\nplim login with a password or a token gives this machine a new one.`);
}

function search(query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) parameters.append(name, String(one));
  return parameters.size === 0 ? "" : `?${parameters}`;
}
