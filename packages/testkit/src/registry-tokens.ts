import { createPrivateKey, randomBytes, sign, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { onLoopback } from "./loopback.ts";

export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** The service that a registry sends its clients to for a token. */
export interface TokenService {
  /** What the registry is told of it (`auth.token` of its configuration). */
  readonly config: object;
  issue(subject: string, access: readonly Access[]): string;
  close(): Promise<void>;
}

const SERVICE = "registry.test";
const ISSUER = "plimsoll tests";

/**
 * Starts one as the distribution's token specification has it (docs/spec/auth/token.md): who shows user and password gets a token for what
 * it asks and may; nobody else gets one for anything.
 */
export async function startTokenService(
  directory: string,
  users: () => Readonly<Record<string, string>>,
  privileged: string,
): Promise<TokenService> {
  const [keyFile, certificateFile] = [join(directory, "token.key"), join(directory, "token.crt")];
  const subject = ["-subj", "/CN=plimsoll-test", "-days", "2"];
  await run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", keyFile, "-out", certificateFile, ...subject]);
  const key = createPrivateKey(await readFile(keyFile));
  const chain = [new X509Certificate(await readFile(certificateFile)).raw.toString("base64")];
  const issue: TokenService["issue"] = (sub, access) => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: ISSUER, sub, aud: SERVICE, nbf: now - 30, iat: now, exp: now + 60, jti: randomBytes(8).toString("hex"), access };
    const head = { typ: "JWT", alg: "RS256", x5c: chain };
    const signed = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  };
  const server = createServer((request, response) => {
    const [, encoded = ""] = /^Basic (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    const [user = "", password = ""] = Buffer.from(encoded, "base64").toString().split(":", 2);
    if (password === "" || users()[user] !== password) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] }));
      return;
    }
    const scopes = new URL(request.url ?? "", "http://tokens").searchParams.getAll("scope");
    const access = scopes.map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      const allowed = user === privileged ? actions.split(",") : actions.split(",").filter((action) => action === "pull");
      return { type, name, actions: user === privileged || name.startsWith(`${user}/`) ? allowed : [] };
    });
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ token: issue(user, access), expires_in: 60 }));
  });
  const realm = `http://${await onLoopback(server)}/token`;
  return {
    config: { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: certificateFile },
    issue,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
