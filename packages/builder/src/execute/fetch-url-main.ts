import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { pipeline } from "node:stream/promises";
import { rootCertificates } from "node:tls";
import type { FetchAnswer, FetchOrder } from "./fetch-url.ts";

/*
 * The program that downloads for ADD, started in the build's network. It is told what by its argument, gives up its privileges before it
 * says a word to anybody, and writes one line about the answer, then the content as it comes.
 */

const MAX_REDIRECTS = 10;
const MAX_ETAG = 200;

class Refused extends Error {}

function get(url: URL, order: FetchOrder, ca: readonly string[] | undefined): Promise<http.IncomingMessage> {
  const client = url.protocol === "https:" ? https : http;
  const { etag } = order;
  const headers = {
    "user-agent": "plimsoll-builder",
    accept: "*/*",
    "accept-encoding": "identity",
    ...(etag === undefined ? {} : { "if-none-match": etag }),
  };
  return new Promise((resolve, reject) => {
    const request = client.get(url, { headers, timeout: order.idleMs, ...(ca === undefined ? {} : { ca: [...ca] }) }, resolve);
    request.once("timeout", () => request.destroy(new Refused(`${url.host} said nothing for ${Math.round(order.idleMs / 1_000)} s`)));
    request.once("error", reject);
  });
}

async function follow(order: FetchOrder, ca: readonly string[] | undefined): Promise<http.IncomingMessage> {
  let url = new URL(order.url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await get(url, order, ca);
    const status = response.statusCode ?? 0;
    const location = response.headers.location;
    if ((status >= 200 && status < 300) || (status === 304 && order.etag !== undefined)) return response;
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) throw new Refused(`${url.host} answered ${status}`);
    url = new URL(location, url);
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new Refused(`it is redirected to ${url.protocol}, which is not followed`);
  }
  throw new Refused(`it is redirected more than ${MAX_REDIRECTS} times`);
}

function explain(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the name of its server is not known in the build's network";
  if (code === "") return "the transfer broke off";
  return `the transfer failed (${code})`;
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? "") as FetchOrder;
  const ca = order.certificates === undefined ? undefined : [...rootCertificates, readFileSync(order.certificates, "utf8")];
  process.setgroups?.([]);
  process.setgid?.(order.gid);
  process.setuid?.(order.uid);
  const say = (answer: FetchAnswer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  try {
    const response = await follow(order, ca);
    const modified = Date.parse(response.headers["last-modified"] ?? "");
    const { etag } = response.headers;
    // Some servers give a tag and do not look at ours (moby/buildkit, source/http/source.go): then it is compared here.
    const unchanged = response.statusCode === 304 || (etag !== undefined && etag === order.etag);
    say({
      ok: true,
      modifiedMs: Number.isFinite(modified) ? modified : 0,
      ...(etag === undefined || etag.length > MAX_ETAG ? {} : { etag }),
      ...(unchanged ? { unchanged } : {}),
    });
    if (unchanged) response.destroy();
    else await pipeline(response, process.stdout);
  } catch (error) {
    process.stderr.write(explain(error));
    process.exitCode = 1;
  }
}

await main();
