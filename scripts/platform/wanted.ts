import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson, writeJson } from "./json-file.ts";
import type { Layout } from "./layout.ts";
import { isBooted, usesSystemd, withDelegatedCgroup } from "./systemd.ts";

/** What the operator asked for with the last start. The supervisor reads it on every look. */
const Wanted = z.object({
  /** "stores" while the schema is made ready: the server must not see an older one. "agent" on a host that joined another's. */
  processes: z.enum(["none", "stores", "all", "agent"]),
  mode: z.enum(["production", "development"]),
  httpPort: z.int().min(1).max(65_535),
  sshPort: z.int().min(1).max(65_535),
  /** Present when the operator brings a database; then none is started. */
  databaseUrl: z.string().optional(),
  redisUrl: z.string().optional(),
  hostName: z.string(),
  /** Where the server is, on a host that joined it. */
  server: z.string().optional(),
  /** Of the operator's environment, what the programs get: their own settings, and how to reach the world. */
  settings: z.record(z.string(), z.string()),
  /** For the agent's first start. */
  enrollToken: z.string().optional(),
  /** Fingerprints of the source code that the processes are to run. */
  code: z.string(),
  portalCode: z.string(),
});
export type Wanted = z.infer<typeof Wanted>;

/** How the world is reached from here. */
const PASSED_ON = new Set([
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
  ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"],
]);
/** Made anew by each start, or told in fields of their own. */
const NOT_SETTINGS = new Set([
  ...["PLIMSOLL_CODE", "PLIMSOLL_PORTAL_CODE", "PLIMSOLL_DATA_DIR", "PLIMSOLL_BIN_DIR"],
  ...["PLIMSOLL_HTTP_PORT", "PLIMSOLL_SSH_PORT"],
]);

/**
 * What is wanted after one more start: the operator's environment first, then what the last start was told, then the defaults. An
 * empty variable forgets what an earlier start was told. Pure.
 */
export function wantedBy(environment: NodeJS.ProcessEnv, last: Wanted | undefined, mode: Wanted["mode"]): Wanted {
  const named = Object.entries(environment).filter(
    ([name]) => PASSED_ON.has(name) || (name.startsWith("PLIMSOLL_") && !name.startsWith("PLIMSOLL_TEST_") && !NOT_SETTINGS.has(name)),
  );
  const settings = { ...last?.settings, ...(Object.fromEntries(named) as Record<string, string>) };
  const url = (name: string, before: string | undefined) => (environment[name] ?? before) || undefined;
  const databaseUrl = url("DATABASE_URL", last?.databaseUrl);
  const redisUrl = url("REDIS_URL", last?.redisUrl);
  return {
    processes: last?.processes ?? "none",
    mode,
    httpPort: Number(environment.PLIMSOLL_HTTP_PORT || last?.httpPort || 8080),
    sshPort: Number(environment.PLIMSOLL_SSH_PORT || last?.sshPort || 2222),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(redisUrl === undefined ? {} : { redisUrl }),
    hostName: environment.PLIMSOLL_HOST_NAME || last?.hostName || "this-host",
    ...(last?.server === undefined ? {} : { server: last.server }),
    settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== "")),
    ...(last?.enrollToken === undefined ? {} : { enrollToken: last.enrollToken }),
    code: environment.PLIMSOLL_CODE ?? "",
    portalCode: environment.PLIMSOLL_PORTAL_CODE ?? "",
  };
}

/** The environment that a start is told by: the operator's, and on a first start with systemd where our cgroups go. */
export function startEnvironment(last: Wanted | undefined): NodeJS.ProcessEnv {
  return withDelegatedCgroup(process.env, {
    first: last === undefined,
    systemd: usesSystemd(process.env, isBooted()),
    unified: existsSync("/sys/fs/cgroup/cgroup.controllers"),
  });
}

export function readWanted(layout: Layout): Wanted | undefined {
  return readJson(wantedPath(layout), Wanted);
}

export function writeWanted(layout: Layout, wanted: Wanted): void {
  writeJson(wantedPath(layout), wanted);
}

/** Changes when what is wanted is written anew. */
export function wantedVersion(layout: Layout): string {
  const found = statSync(wantedPath(layout), { throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.ino} ${found.mtimeMs}`;
}

function wantedPath(layout: Layout): string {
  return join(layout.runDir, "wanted.json");
}
