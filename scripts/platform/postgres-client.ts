import { AppError } from "@plimsoll/core";
import pg from "pg";
import type { Layout } from "./layout.ts";
import { DATABASE, postgresUrl } from "./postgres.ts";

/** Waits until it answers; makes the platform's role and database when they are not there. Idempotent. */
export async function ensureDatabase(layout: Layout, options: { readonly timeoutMs: number }): Promise<void> {
  const client = await connect(postgresUrl(layout, { role: "postgres", database: "postgres" }), options.timeoutMs);
  try {
    const roles = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [DATABASE]);
    if (roles.rowCount === 0) await client.query(`CREATE ROLE ${DATABASE} LOGIN`);
    const databases = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [DATABASE]);
    if (databases.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${DATABASE} TEMPLATE template0`);
  } finally {
    await client.end();
  }
}

/** Connects, trying again until it answers. Throws `unavailable` with the last reason after `timeoutMs`. The caller ends it. */
export async function connect(url: string, timeoutMs: number): Promise<pg.Client> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      return client;
    } catch (cause) {
      await client.end().catch(() => undefined);
      if (performance.now() > deadline)
        throw new AppError("unavailable", "PostgreSQL does not answer; its log is logs/postgres.log.", { cause });
      await new Promise((wake) => setTimeout(wake, 25));
    }
  }
}
