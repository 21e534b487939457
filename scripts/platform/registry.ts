import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { minimalEnv } from "@plimsoll/exec";
import type { Layout } from "./layout.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { systemUser } from "./system-user.ts";
import type { Wanted } from "./wanted.ts";

const USER = "docker-registry";
/** As descriptors, for the same reason as PostgreSQL's. */
const DATA = "/proc/self/fd/3";
const SOCKETS = "/proc/self/fd/4";
/** Who the server's token service says it is, and whom its tokens are for. */
const ISSUER = "plimsoll";
const SERVICE = "plimsoll-registry";

/** True once the server's set-up has made the key of its tokens, and ensureRegistryFiles was run. */
export function hasRegistryFiles(layout: Layout): boolean {
  return existsSync(join(layout.registryDir, "config.yml"));
}

/**
 * Its directories, the certificate that it knows the server's tokens by, and its configuration with a secret of its own. Does nothing
 * before the server's set-up has made the certificate. Idempotent.
 */
export async function ensureRegistryFiles(layout: Layout): Promise<void> {
  const certificate = join(layout.secretsDir, "registry.crt");
  if (!existsSync(certificate)) return;
  const { uid, gid } = systemUser(USER);
  for (const path of [layout.registryDir, join(layout.registryDir, "data"), dirname(layout.registrySocket)]) {
    await mkdir(path, { recursive: true });
    await chown(path, uid, gid);
    await chmod(path, 0o700);
  }
  const write = async (name: string, text: string) => {
    const path = join(layout.registryDir, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await chown(`${path}.new`, uid, gid);
    await rename(`${path}.new`, path);
  };
  await write("tokens.crt", readFileSync(certificate, "utf8"));
  await write("config.yml", configuration(secretOf(layout) ?? randomBytes(32).toString("hex")));
}

/**
 * The private registry: Debian's docker-registry on a unix socket that only it and the server reach, so that no instance, build or other
 * user of the machine can. It believes nothing but the server's tokens.
 */
export function registrySpec(layout: Layout, wanted: Wanted): ProcessSpec {
  return {
    name: "registry",
    argv: ["/usr/bin/docker-registry", "serve", `${DATA}/config.yml`],
    env: {
      ...minimalEnv,
      HOME: "/nonexistent",
      REGISTRY_AUTH_TOKEN_REALM: `${platformOrigin(wanted)}/api/v1/registry/token`,
      // Blobs are streamed: it needs no more, and is to give memory back early.
      GOMEMLIMIT: "48MiB",
      GOGC: "50",
    },
    cwd: "/",
    ...systemUser(USER),
    directories: [layout.registryDir, dirname(layout.registrySocket)],
    stopSignal: "SIGTERM",
    graceMs: 15_000,
  };
}

/** As the server derives it from the same settings. */
function platformOrigin({ httpPort, settings }: Wanted): string {
  const domain = settings.PLIMSOLL_PLATFORM_DOMAIN || "localhost";
  return domain === "localhost" ? `http://localhost:${httpPort}` : `https://${domain}`;
}

/** Upload sessions are signed with it: one that is under way goes on after a restart. */
function secretOf(layout: Layout): string | undefined {
  if (!hasRegistryFiles(layout)) return undefined;
  return /^ {2}secret: ([0-9a-f]{64})$/m.exec(readFileSync(join(layout.registryDir, "config.yml"), "utf8"))?.[1];
}

/**
 * What does not change. No cache of blobs: the server removes what nobody needs below it, and a cache would go on answering. The server also
 * ends abandoned uploads (uploadpurging off). `realm` comes by environment, as the platform's address may change.
 */
function configuration(secret: string): string {
  return `# Written by Plimsoll.
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${DATA}/data
    maxthreads: 25
  delete:
    enabled: true
  redirect:
    disable: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  net: unix
  addr: ${SOCKETS}/registry.sock
  relativeurls: true
  secret: ${secret}
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  token:
    realm: http://localhost/
    service: ${SERVICE}
    issuer: ${ISSUER}
    rootcertbundle: ${DATA}/tokens.crt
`;
}
