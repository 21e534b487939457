import { createHash } from "node:crypto";
import { join } from "node:path";

/** Where everything of one installation lies. Derived from the data directory alone. */
export interface Layout {
  readonly root: string;
  readonly dataDir: string;
  readonly postgresDir: string;
  readonly redisDir: string;
  readonly registryDir: string;
  readonly logsDir: string;
  /** Records of what runs and what should; root only. */
  readonly runDir: string;
  readonly secretsDir: string;
  /** The sample app's checkout and the key that pushes it. */
  readonly sampleDir: string;
  /** Gone after a reboot, like what listened in it. */
  readonly socketsDir: string;
  readonly postgresSocketDir: string;
  readonly redisSocket: string;
  readonly registrySocket: string;
  readonly apiSocket: string;
  readonly portalSocket: string;
}

/**
 * The same data directory always gives the same layout; sockets are below /run: names must be short (sun_path holds 108 bytes,
 * unix(7)), and the ingress, which runs as a user of its own, must reach the API's and the portal's whoever may read the data directory.
 */
export function layoutOf(root: string, dataDir: string): Layout {
  const runDir = join(dataDir, "run");
  const socketsDir = `/run/plimsoll-${createHash("sha256").update(dataDir).digest("hex").slice(0, 10)}`;
  return {
    root,
    dataDir,
    postgresDir: join(dataDir, "postgres"),
    redisDir: join(dataDir, "redis"),
    registryDir: join(dataDir, "registry"),
    logsDir: join(dataDir, "logs"),
    runDir,
    secretsDir: join(dataDir, "secrets"),
    sampleDir: join(dataDir, "sample"),
    socketsDir,
    postgresSocketDir: join(socketsDir, "postgres"),
    redisSocket: join(socketsDir, "redis", "redis.sock"),
    registrySocket: join(socketsDir, "registry", "registry.sock"),
    apiSocket: join(socketsDir, "api.sock"),
    portalSocket: join(socketsDir, "portal.sock"),
  };
}
