import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRemote } from "./registry.ts";
import { Skopeo } from "./skopeo.ts";

const CREDENTIAL = { username: "ana", password: "correct horse" };
const BASIC = `Basic ${Buffer.from("ana:correct horse").toString("base64")}`;

describe("a registry's token service", () => {
  let dir: string;
  const servers: http.Server[] = [];
  /** `Authorization` of whatever came, by server. */
  const seen = { registry: [] as string[], service: [] as string[] };

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-token-service-"));
    const names = "subjectAltName=IP:127.0.0.1,IP:127.0.0.2";
    const request = ["-subj", "/CN=test", "-addext", names, "-keyout", join(dir, "key"), "-out", join(dir, "crt")];
    await run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", ...request]);
    // What skopeo trusts, and so do we.
    process.env.SSL_CERT_FILE = join(dir, "crt");
    seen.registry = [];
    seen.service = [];
  });
  afterEach(() => {
    delete process.env.SSL_CERT_FILE;
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(dir, { recursive: true, force: true });
  });

  const listen = async (isTls: boolean, address: string, answer: http.RequestListener) => {
    const tls = { key: readFileSync(join(dir, "key")), cert: readFileSync(join(dir, "crt")) };
    const server = isTls ? https.createServer(tls, answer) : http.createServer(answer);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    return `${address}:${(server.address() as AddressInfo).port}`;
  };
  const startService = (isTls: boolean, address: string) =>
    listen(isTls, address, (request, response) => {
      seen.service.push(request.headers.authorization ?? "");
      response.end(JSON.stringify({ token: "of-the-service" }));
    });
  const startRegistry = (isTls: boolean, challenge: string) =>
    listen(isTls, "127.0.0.1", (request, response) => {
      seen.registry.push(request.headers.authorization ?? "");
      const known = request.headers.authorization !== undefined;
      const errors = [{ code: known ? "MANIFEST_UNKNOWN" : "UNAUTHORIZED", message: known ? "manifest unknown" : "no token" }];
      const headers = { "content-type": "application/json", ...(known ? {} : { "www-authenticate": challenge }) };
      response.writeHead(known ? 404 : 401, headers).end(JSON.stringify({ errors }));
    });
  /** Says whether the image is there, which needs a token: it never is. */
  const ask = async (registry: string, plainHttp: readonly string[]) => {
    const source = { registry, repository: `${registry}/app`, suffix: ":1", isMirror: false, isPrivate: true, credential: CREDENTIAL };
    const reference = { registry, name: "app", suffix: ":1", familiar: `${registry}/app:1`, full: `${registry}/app:1`, pinned: false };
    const skopeo = new Skopeo({ secretDir: join(dir, "secret"), plainHttp });
    return readRemote(skopeo, reference as never, source, { timeoutMs: 60_000 }).catch((error: Error) => error.message);
  };
  const bearer = (isTls: boolean, service: string) => `Bearer realm="${isTls ? "https" : "http"}://${service}/token",service="r"`;

  it("gets the credential by TLS, at another host too (control of what follows)", async () => {
    const service = await startService(true, "127.0.0.2");
    const registry = await startRegistry(true, bearer(true, service));
    expect(await ask(registry, [])).toContain("There is no image");
    expect(seen.service).toEqual([BASIC]);
    expect(seen.registry).not.toContain(BASIC);
  });

  it("gets none without TLS where the registry has it", async () => {
    const service = await startService(false, "127.0.0.1");
    const registry = await startRegistry(true, bearer(false, service));
    expect(await ask(registry, [])).toMatch(`The registry ${registry} names a token service without TLS (http://${service}/token)`);
    expect([seen.service, seen.registry]).toEqual([[], [""]]);
  });

  it("gets none at another host where neither has TLS, as the operator has allowed for the registry", async () => {
    const service = await startService(false, "127.0.0.2");
    const registry = await startRegistry(false, bearer(false, service));
    expect(await ask(registry, [registry])).toContain("without TLS at another host");
    expect([seen.service, seen.registry.filter((one) => one !== "")]).toEqual([[], []]);
  });

  it("gets none where the registry cannot be asked, and that is told as ever", async () => {
    const registry = await startRegistry(true, "");
    const isGone = await listen(false, "127.0.0.1", () => undefined);
    expect(await ask(isGone, [])).toContain("speaks plain HTTP");
    process.env.SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt";
    expect(await ask(registry, [])).toContain("is not trusted by this host");
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await ask(registry, [])).toContain("cannot be reached from this host");
    expect(seen.registry).toEqual([]);
  });
});
