import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import pg from "pg";
import { privateDirectory, startPrivate, whenReady } from "./private-process.ts";

/** A private PostgreSQL for tests: unix socket only, durability off. */
export interface TestPostgres {
  readonly pid: number;
  /** The connection string of one of its databases. */
  url(database: string): string;
  /** A new database, with the schema where `startTestPostgres` was given migrations. */
  createDatabase(): Promise<TestDatabase>;
  /** Ends it with kill -9, as a test of recovery wants it. */
  kill(): Promise<void>;
  /** Ends it and deletes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface TestDatabase {
  readonly url: string;
  /** Drops it, its open connections included. */
  drop(): Promise<void>;
}

/** Names the server that the test run's set-up has started, for every test file. */
export const TEST_POSTGRES_VARIABLE = "PLIMSOLL_TEST_POSTGRES";

const TEMPLATE = "plimsoll_template";

/**
 * Starts a private PostgreSQL (initdb to ready in about 0.7 s). With `migrationsDir`, every database that it creates has that
 * schema: the migrations are applied once, to a template. The caller stops it; it also ends when this process dies.
 */
export async function startTestPostgres(options: { readonly migrationsDir?: string } = {}): Promise<TestPostgres> {
  const bin = await postgresPrograms();
  const { path: directory, runAs } = await privateDirectory("plimsoll-test-postgres-", "postgres");
  const data = join(directory, "data");
  const initdb = [join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
  await run([...runAs, ...initdb], { cwd: directory });
  const settings = {
    listen_addresses: "",
    unix_socket_directories: directory,
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    max_connections: "300",
    shared_buffers: "64MB",
  };
  const argv = [join(bin, "postgres"), "-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const server = await startPrivate(directory, runAs, argv, "INT");
  const url = (database: string) => postgresUrl(directory, database);
  await whenReady(async () => void (await execute(url("postgres"), "SELECT 1")), server, 20_000);
  if (options.migrationsDir !== undefined) {
    await execute(url("postgres"), `CREATE DATABASE ${TEMPLATE}`);
    await applyMigrations(url(TEMPLATE), options.migrationsDir);
  }
  return {
    pid: server.pid,
    url,
    createDatabase: () => createDatabaseAt(url("postgres")),
    kill: () => server.end("SIGKILL"),
    // Immediate: nothing of a test's data is worth a checkpoint.
    stop: () => server.dispose("SIGQUIT"),
  };
}

/**
 * A database of its own for one test file, on the server that the run's set-up started. It has the current schema. The caller
 * drops it; a forgotten one ends with the run.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const url = process.env[TEST_POSTGRES_VARIABLE];
  if (url === undefined) throw new Error("no PostgreSQL for tests: name the file *.host.test.ts or *.int.test.ts and run it with vitest");
  return createDatabaseAt(url);
}

async function createDatabaseAt(adminUrl: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const templates = await execute(adminUrl, `SELECT 1 FROM pg_database WHERE datname = '${TEMPLATE}'`);
  await execute(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${templates.length > 0 ? TEMPLATE : "template0"}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: async () => void (await execute(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)) };
}

/** In the order and the transactions that `migrate deploy` uses, without its history table's engine. */
async function applyMigrations(url: string, migrationsDir: string): Promise<void> {
  if (!existsSync(migrationsDir)) return;
  const entries = await readdir(migrationsDir, { withFileTypes: true });
  for (const entry of entries.filter((one) => one.isDirectory()).sort((a, b) => a.name.localeCompare(b.name))) {
    await execute(url, await readFile(join(migrationsDir, entry.name, "migration.sql"), "utf8"));
  }
}

function postgresUrl(socketDirectory: string, database: string): string {
  return `postgresql://postgres@localhost/${database}?host=${socketDirectory}`;
}

async function execute(url: string, sql: string): Promise<readonly unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query(sql);
    return Array.isArray(result) ? [] : result.rows;
  } finally {
    await client.end();
  }
}

/** Debian keeps each major version's programs apart and off PATH; the newest is taken. */
async function postgresPrograms(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? await readdir(root) : [];
  const newest = versions.map(Number).sort((a, b) => b - a)[0];
  if (newest === undefined) throw new Error("PostgreSQL is not installed: run npm test, which installs what the tests need");
  return join(root, String(newest), "bin");
}
