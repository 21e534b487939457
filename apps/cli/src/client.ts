import { Problem } from "@plimsoll/contracts";
import { AppError, type ErrorCode, type Kind, type Resource } from "@plimsoll/core";
import type { Login } from "./config.ts";

/** One event of a server-sent stream. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** The HTTP API as the commands use it. Refusals are AppErrors with the server's own sentence. */
export interface Client {
  readonly url: string;
  get<T>(path: string): Promise<T>;
  send<T>(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T>;
  list<K extends Kind>(path: string): Promise<readonly Resource<K>[]>;
  stream(path: string, signal?: AbortSignal): AsyncIterable<StreamEvent>;
}

export function createClient(login: Pick<Login, "url"> & { readonly token?: string }): Client {
  const base = new URL("/api/v1", login.url).href;

  async function call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const headers = new Headers({ accept: "application/json, text/event-stream" });
    if (login.token !== undefined) headers.set("authorization", `Bearer ${login.token}`);
    if (body !== undefined) headers.set("content-type", "application/json");
    const init: RequestInit = {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    };
    const response = await fetch(`${base}${path}`, init).catch((cause: unknown) => {
      throw new AppError(
        "unavailable",
        `Nothing answers at ${login.url}; is the platform running (npm run status), is the address right?`,
        { cause },
      );
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  return {
    url: login.url,
    get: async <T>(path: string) => (await (await call("GET", path)).json()) as T,
    send: async (method, path, body) => {
      const text = await (await call(method, path, body)).text();
      return text === "" ? undefined : JSON.parse(text);
    },
    async list<K extends Kind>(path: string) {
      const items: Resource<K>[] = [];
      let next: string | undefined;
      do {
        const mark = path.includes("?") ? "&" : "?";
        const page = await call("GET", next === undefined ? path : `${path}${mark}continue=${encodeURIComponent(next)}`);
        const body = (await page.json()) as { items: Resource<K>[]; continue?: string };
        items.push(...body.items);
        next = body.continue;
      } while (next !== undefined);
      return items;
    },
    async *stream(path, signal) {
      const response = await call("GET", path, undefined, signal);
      if (response.body !== null) yield* parseEvents(response.body.pipeThrough(new TextDecoderStream()));
    },
  };
}

/** Events of a `text/event-stream` (WHATWG HTML, server-sent events): fields `event` and `data`, comments skipped. */
export async function* parseEvents(chunks: AsyncIterable<string>): AsyncGenerator<StreamEvent> {
  let rest = "";
  let event = "message";
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0 || event !== "message") yield { event, data: data.join("\n") };
        event = "message";
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      else if (line.startsWith("event:")) event = line.slice(6).trim();
    }
  }
}

async function refusal(response: Response): Promise<AppError> {
  const text = await response.text();
  try {
    const problem = Problem.parse(JSON.parse(text));
    const fields = problem.fields?.map(({ path, message }) => `\n  ${path}: ${message}`).join("") ?? "";
    return new AppError(problem.code as ErrorCode, problem.detail + fields);
  } catch {
    return new AppError("unavailable", `The platform answered ${response.status} without saying why; look at npm run status.`);
  }
}
