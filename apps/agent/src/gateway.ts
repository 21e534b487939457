import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { createHash, webcrypto, X509Certificate } from "node:crypto";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { connect } from "node:tls";
import * as x509 from "@peculiar/x509";
import { AppError } from "@plimsoll/core";
import { Agent as Dispatcher, request } from "undici";
import { refused } from "./api-client.ts";
import type { Identity } from "./identity.ts";

const QUEUE_PROTOCOL = "plimsoll-queue";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** An enrolment token of a remote host: the secret, and whom to trust. */
export interface JoinToken {
  readonly secret: string;
  readonly fingerprint: string;
}

/** `<secret>.<sha256 of the authority's certificate>`; AppError `invalid` when it is neither. */
export function parseJoinToken(token: string): JoinToken {
  const match = /^(.+)\.([0-9a-f]{64})$/.exec(token);
  if (match?.[1] === undefined || match[2] === undefined)
    throw new AppError("invalid", "The enrolment token is not whole; copy the command again from `plim host add` or the portal.");
  return { secret: match[1], fingerprint: match[2] };
}

/**
 * Asks the gateway for the authority's certificate over a connection that is not trusted yet, and believes it only when its hash is
 * the one in the token: whoever sits between cannot pass for the platform.
 */
export async function fetchAuthority(api: string, fingerprint: string): Promise<string> {
  const dispatcher = new Dispatcher({ connect: { rejectUnauthorized: false, timeout: 5_000 } });
  try {
    const response = await request(`${api}/gateway/v1/authority`, { dispatcher });
    const pem = await response.body.text();
    const hash = createHash("sha256").update(new X509Certificate(pem).raw).digest("hex");
    if (hash !== fingerprint)
      throw new AppError(
        "forbidden",
        `What answers at ${api} is not the platform that made this token; check the address and the network between.`,
      );
    return pem;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError(
      "unavailable",
      `Nothing that speaks for the platform answers at ${api}; is the server's PLIMSOLL_AGENT_LISTEN set and reachable?`,
      {
        cause: error,
      },
    );
  } finally {
    await dispatcher.close();
  }
}

/** A key made here and the certificate that the gateway signs for it, for an enrolled host. */
export async function requestCertificate(api: string, authorityPem: string, credential: string): Promise<NonNullable<Identity["tls"]>> {
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=host", keys, signingAlgorithm: ALGORITHM });
  const dispatcher = new Dispatcher({ connect: { ca: authorityPem, servername: "plimsoll-server", timeout: 5_000 } });
  try {
    const response = await request(`${api}/gateway/v1/certificate`, {
      dispatcher,
      method: "POST",
      headers: { authorization: `Bearer ${credential}` },
      body: csr.toString("pem"),
    });
    const text = await response.body.text();
    if (response.statusCode !== 200) throw refused(response.statusCode, text);
    const keyPem = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
    return { authorityPem, certificatePem: text, keyPem };
  } finally {
    await dispatcher.close();
  }
}

/** The same Redis user by way of a unix socket on this host, wherever the server itself finds Redis. Pure. */
export function throughSocket(redisUrl: string, socketPath: string): string {
  const url = new URL(redisUrl);
  const unix = url.protocol === "unix:";
  const through = new URL(`unix://${socketPath}`);
  through.searchParams.set("user", unix ? (url.searchParams.get("user") ?? "") : decodeURIComponent(url.username));
  through.searchParams.set("password", unix ? (url.searchParams.get("password") ?? "") : decodeURIComponent(url.password));
  const database = unix ? url.searchParams.get("db") : url.pathname.slice(1);
  if (database) through.searchParams.set("db", database);
  return through.href;
}

/** A unix socket on this host whose connections go to the platform's Redis through the gateway, each by mutual TLS. */
export async function openQueueTunnel(
  api: string,
  tls: NonNullable<Identity["tls"]>,
  socketPath: string,
): Promise<{ close(): Promise<void> }> {
  const { hostname, port } = new URL(api);
  await rm(socketPath, { force: true });
  const server = createServer((inner) => {
    const outer = connect({
      host: hostname,
      port: Number(port || 443),
      servername: "plimsoll-server",
      ca: tls.authorityPem,
      cert: tls.certificatePem,
      key: tls.keyPem,
      ALPNProtocols: [QUEUE_PROTOCOL],
    });
    inner.pipe(outer);
    outer.pipe(inner);
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    inner.on("close", () => outer.destroy());
    outer.on("close", () => inner.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}
