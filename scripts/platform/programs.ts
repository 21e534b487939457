import { join } from "node:path";
import { minimalEnv } from "@plimsoll/exec";
import { compileCacheOf } from "../bootstrap/checkout.mjs";
import type { Layout } from "./layout.ts";
import { postgresSpec, postgresUrl } from "./postgres.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { redisSpec, redisUrl } from "./redis.ts";
import { hasRegistryFiles, registrySpec } from "./registry.ts";
import type { Wanted } from "./wanted.ts";

/**
 * Node 24 takes twice what our programs need when it is not told how much that is. The agent starts other programs, and a fork takes
 * the longer the more memory it has.
 */
const HEAP = {
  server: ["--max-semi-space-size=8", "--max-old-space-size=512"],
  portal: ["--max-semi-space-size=8", "--max-old-space-size=192"],
  agent: ["--max-semi-space-size=4", "--max-old-space-size=256"],
} as const;

export const SERVER_PROGRAM = "apps/server/src/main.ts";
export const AGENT_PROGRAM = "apps/agent/src/main.ts";
const PORTAL_DIRECTORY = "apps/portal";

/** Every process that should run, in the order of a start. */
export function wantedSpecs(layout: Layout, wanted: Wanted): readonly ProcessSpec[] {
  if (wanted.processes === "none") return [];
  const ours = { cwd: layout.root, stopSignal: "SIGTERM", graceMs: 15_000 } as const;
  const hotReload = wanted.mode === "development" ? ["--watch-preserve-output", "--watch"] : [];
  // What reloads itself on a change is not to be replaced on one.
  const code = wanted.mode === "development" ? "reloads itself" : wanted.code;
  const agent: ProcessSpec = {
    ...ours,
    name: "agent",
    argv: [process.execPath, ...HEAP.agent, ...hotReload, AGENT_PROGRAM],
    env: agentEnvironment(layout, wanted),
    code,
  };
  if (wanted.processes === "agent") return [agent];
  const stores = [
    ...(wanted.databaseUrl === undefined ? [postgresSpec(layout)] : []),
    ...(wanted.redisUrl === undefined ? [redisSpec(layout)] : []),
  ];
  if (wanted.processes === "stores") return stores;
  return [
    ...stores,
    ...(hasRegistryFiles(layout) ? [registrySpec(layout, wanted)] : []),
    {
      ...ours,
      name: "server",
      argv: [process.execPath, ...HEAP.server, ...hotReload, SERVER_PROGRAM],
      env: serverEnvironment(layout, wanted),
      code,
    },
    {
      ...ours,
      name: "portal",
      argv: [process.execPath, ...HEAP.portal, "server.ts", ...(wanted.mode === "development" ? ["--dev"] : [])],
      cwd: join(layout.root, PORTAL_DIRECTORY),
      env: {
        ...baseEnvironment(layout, wanted),
        NODE_ENV: wanted.mode,
        NEXT_TELEMETRY_DISABLED: "1",
        PLIMSOLL_API: `unix:${layout.apiSocket}`,
        PLIMSOLL_PORTAL_SOCKET: layout.portalSocket,
      },
      code: wanted.mode === "development" ? "reloads itself" : wanted.portalCode,
    },
    agent,
  ];
}

/** Also of `setup`, which prepares a first start. */
export function serverEnvironment(layout: Layout, wanted: Wanted): Record<string, string> {
  return {
    ...baseEnvironment(layout, wanted),
    DATABASE_URL: wanted.databaseUrl ?? postgresUrl(layout),
    REDIS_URL: wanted.redisUrl ?? redisUrl(layout),
    PLIMSOLL_HTTP_PORT: String(wanted.httpPort),
    PLIMSOLL_SSH_PORT: String(wanted.sshPort),
    PLIMSOLL_API_SOCKET: layout.apiSocket,
    PLIMSOLL_REGISTRY_SOCKET: layout.registrySocket,
  };
}

/** Also of `teardown`, which removes everything of this host. */
export function agentEnvironment(layout: Layout, wanted: Wanted): Record<string, string> {
  return {
    ...baseEnvironment(layout, wanted),
    PLIMSOLL_HOST_NAME: wanted.hostName,
    ...(wanted.server === undefined
      ? { PLIMSOLL_API: `unix:${layout.apiSocket}`, PLIMSOLL_API_SOCKET: layout.apiSocket, PLIMSOLL_PORTAL_SOCKET: layout.portalSocket }
      : { PLIMSOLL_API: wanted.server }),
    PLIMSOLL_HTTP_PORT: String(wanted.httpPort),
    ...(wanted.enrollToken === undefined ? {} : { PLIMSOLL_ENROLL_TOKEN: wanted.enrollToken }),
  };
}

function baseEnvironment(layout: Layout, wanted: Wanted): Record<string, string> {
  return {
    ...minimalEnv,
    NODE_ENV: "production",
    NODE_COMPILE_CACHE: compileCacheOf(layout.root),
    ...wanted.settings,
    PLIMSOLL_DATA_DIR: layout.dataDir,
  };
}
