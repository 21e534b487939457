import { type IncomingHttpHeaders, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Platform } from "./platform.ts";

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const TIMEOUT_MS = 30_000;
const SERVING_TIMEOUT_MS = 60_000;

/** One request to the API on its own socket, as the first operator. Rejects only where the server does not answer at all. */
export function callApi(
  platform: Platform,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${platform.token}` },
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const asked = request(
      {
        socketPath: platform.layout.apiSocket,
        method,
        path,
        headers: { ...headers, ...(payload === undefined ? {} : { "content-type": "application/json" }) },
        timeout: TIMEOUT_MS,
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
        answer.once("error", reject);
      },
    );
    asked.once("timeout", () => asked.destroy(new Error(`${method} ${path} was not answered within ${TIMEOUT_MS} ms`)));
    asked.once("error", reject);
    asked.end(payload);
  });
}

/** As callApi; throws with the problem's text unless the answer is one of 2xx, and gives its JSON. */
export async function api<T = unknown>(platform: Platform, method: string, path: string, body?: unknown): Promise<T> {
  const { status, text } = await callApi(platform, method, path, body);
  if (status < 200 || status > 299) throw new Error(`${method} ${path} answered ${status}: ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Below the namespace that every platform begins with. */
export function inDemo(path: string): string {
  return `/api/v1/namespaces/demo/demo${path}`;
}

/** Waits until API and database answer. */
export async function untilServing(platform: Platform): Promise<void> {
  const deadline = performance.now() + SERVING_TIMEOUT_MS;
  for (;;) {
    const status = await callApi(platform, "GET", "/api/v1/healthz").then(
      (answer) => answer.status,
      () => undefined,
    );
    if (status === 200) return;
    if (performance.now() > deadline) throw new Error(`the server does not serve within ${SERVING_TIMEOUT_MS} ms`);
    await sleep(100);
  }
}

/** What a stream of events says until it ends, or within `forMs`. */
export function readStream(platform: Platform, path: string, forMs: number): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${platform.token}`, accept: "text/event-stream" };
    const asked = request({ socketPath: platform.layout.apiSocket, path, headers }, (answer) => {
      let text = "";
      const done = () => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        asked.destroy();
      };
      const timer = setTimeout(done, forMs);
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.once("end", done);
      answer.once("error", done);
    });
    asked.once("error", reject);
    asked.end();
  });
}
