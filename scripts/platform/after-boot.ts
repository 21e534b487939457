import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "./layout.ts";
import { ensurePostgresDirectories } from "./postgres.ts";
import { ensureRedisFiles } from "./redis.ts";
import { ensureRegistryFiles, hasRegistryFiles } from "./registry.ts";
import type { Wanted } from "./wanted.ts";

/** Where sockets are; below /run, so it is gone after a reboot. Idempotent. */
export async function ensureSocketsDirectory(layout: Layout): Promise<void> {
  await mkdir(layout.socketsDir, { recursive: true, mode: 0o755 });
}

/**
 * Makes again what a reboot has taken from an installation that was there before, so that its processes can be started as they were. Makes
 * no installation: what a first start has not made is left to it. Idempotent.
 */
export async function restorePlaces(layout: Layout, wanted: Wanted): Promise<void> {
  if (wanted.processes === "none" || wanted.processes === "agent") return;
  await ensureSocketsDirectory(layout);
  if (wanted.databaseUrl === undefined && existsSync(join(layout.postgresDir, "PG_VERSION"))) await ensurePostgresDirectories(layout);
  if (wanted.redisUrl === undefined && existsSync(layout.redisDir)) await ensureRedisFiles(layout);
  if (hasRegistryFiles(layout)) await ensureRegistryFiles(layout);
}
