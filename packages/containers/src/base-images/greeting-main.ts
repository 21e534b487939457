import { lookup } from "node:dns/promises";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { hostOf, type RegistryGreeting, realmsOf } from "./token-service.ts";

/*
 * Asks a registry for its first page, as clients do before anything else, and prints what it says of tokens: `<registry> <true: without TLS>`.
 * Started where registries are reached from; it knows no credential.
 */

const TIMEOUT_MS = 20_000;
const MAX_REDIRECTS = 5;
/** Docker Hub's name is not where it answers. */
const ANSWERS_AT: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };
/** In the words of registry clients, which are read for people. */
const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host",
  EAI_AGAIN: "server misbehaving",
  ECONNREFUSED: "connection refused",
  ENETUNREACH: "network is unreachable",
  EHOSTUNREACH: "no route to host",
  ECONNRESET: "connection reset",
  ETIMEDOUT: "i/o timeout",
  EPROTO: "http: server gave HTTP response to HTTPS client",
};

/** Those that skopeo trusts: this machine's and those of one registry (containers-certs.d(5)). */
function authorities(registry: string): string[] {
  const system = process.env.SSL_CERT_FILE ?? "/etc/ssl/certs/ca-certificates.crt";
  const all = existsSync(system) ? [readFileSync(system, "utf8")] : [...rootCertificates];
  for (const directory of ["/etc/containers/certs.d", "/etc/docker/certs.d"].map((one) => join(one, registry))) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) if (name.endsWith(".crt")) all.push(readFileSync(join(directory, name), "utf8"));
  }
  return all;
}

function get(url: URL, ca: string[], isPlain: boolean): Promise<http.IncomingMessage> {
  const options = { timeout: TIMEOUT_MS, headers: { "user-agent": "plimsoll" } };
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === "https:"
        ? https.get(url, { ...options, ca, rejectUnauthorized: !isPlain }, resolve)
        : http.get(url, options, resolve);
    request.once("timeout", () => request.destroy(new Error("i/o timeout")));
    request.once("error", reject);
  });
}

async function follow(start: URL, ca: string[], isPlain: boolean): Promise<http.IncomingMessage> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await get(url, ca, isPlain);
    response.destroy();
    const { location } = response.headers;
    if ((response.statusCode ?? 0) < 300 || (response.statusCode ?? 0) >= 400 || location === undefined) return response;
    url = new URL(location, url);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error("unsupported protocol scheme");
  }
  throw new Error(`stopped after ${MAX_REDIRECTS} redirects`);
}

function wordsFor(error: unknown): string {
  const { code = "", message } = error as { code?: string; message: string };
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return `x509: certificate is not trusted (${code})`;
  return WORDS[code] ?? message;
}

async function main([registry = "", plain]: readonly string[]): Promise<void> {
  const isPlain = plain === "true";
  const host = ANSWERS_AT[registry] ?? registry;
  const ca = authorities(registry);
  // As clients: with TLS first, also where none is demanded.
  const response = await follow(new URL(`https://${host}/v2/`), ca, isPlain).catch((error: unknown) => {
    if (isPlain) return follow(new URL(`http://${host}/v2/`), ca, isPlain);
    throw error;
  });
  const challenge = response.headers["www-authenticate"] ?? "";
  const addresses: Record<string, readonly string[]> = {};
  for (const name of [hostOf(`https://${registry}`), ...realmsOf(challenge).map(hostOf)]) {
    if (name === undefined) continue;
    // Not known here: a proxy knows it, and what is within cannot be reached by it.
    addresses[name] = await lookup(ANSWERS_AT[name] ?? name, { all: true }).then(
      (found) => found.map(({ address }) => address),
      () => [],
    );
  }
  process.stdout.write(JSON.stringify({ challenge, addresses } satisfies RegistryGreeting));
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(wordsFor(error));
  process.exitCode = 1;
});
