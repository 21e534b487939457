import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "@plimsoll/core";
import pg from "pg";
import { openSchemaEngine, type SchemaEngine } from "./schema-engine.ts";

/** Where the data model and its history live. */
export interface MigrationSource {
  readonly schemaPath: string;
  readonly migrationsDir: string;
}

/** Of a migration history against a database: what is not applied yet, and what must not be. */
export interface MigrationStatus {
  readonly pending: readonly string[];
  readonly problems: readonly string[];
}

/** One lock for every writer of a schema, so that two starts at once apply each migration once. The number is ours alone. */
const MIGRATION_LOCK = 7_276_001;
const LOCK_FILE = "migration_lock.toml";
const filters = { externalTables: [], externalEnums: [] };

/**
 * Applies the migrations that the database lacks, in order, each in one transaction, and returns their names. Idempotent; safe
 * to run concurrently, also from several machines. Throws `precondition_failed` when the history was edited or one failed.
 */
export async function deployMigrations(databaseUrl: string, source: MigrationSource): Promise<readonly string[]> {
  return withLock(databaseUrl, async (client) => {
    // Most starts find nothing to do, and the engine takes half a second to find that out.
    if (await isUpToDate(client, source)) return [];
    const engine = await openSchemaEngine(databaseUrl, source.schemaPath);
    const status = await statusOf(engine, source);
    if (status.problems.length > 0) throw new AppError("precondition_failed", status.problems.join("\n"));
    const applied = await engine.applyMigrations({ migrationsList: await readHistory(source), filters });
    return applied.appliedMigrationNames;
  });
}

/** Compares the history on disk with the database; changes nothing. */
export async function migrationStatus(databaseUrl: string, source: MigrationSource): Promise<MigrationStatus> {
  return statusOf(await openSchemaEngine(databaseUrl, source.schemaPath), source);
}

/**
 * Writes the migration that leads from the history to `schema.prisma` and applies it to the database, which must be one for
 * development. `draft` writes one even when nothing differs, and applies nothing, to be filled with SQL that the data model
 * cannot say (triggers, partial indexes). Returns its directory and SQL, or undefined when there is nothing to do.
 */
export async function developMigration(
  databaseUrl: string,
  source: MigrationSource,
  options: { readonly name: string; readonly draft?: boolean },
): Promise<{ readonly directory: string; readonly sql: string; readonly warnings: readonly string[] } | undefined> {
  const engine = await openSchemaEngine(databaseUrl, source.schemaPath);
  const diagnosis = await engine.devDiagnostic({ migrationsList: await readHistory(source), filters });
  if (diagnosis.action.tag === "reset") {
    throw new AppError(
      "precondition_failed",
      `${diagnosis.action.reason}\nEmpty this development database first: npm run migrate -- reset`,
    );
  }
  await engine.applyMigrations({ migrationsList: await readHistory(source), filters });
  const schema = await readSchema(source);
  const draft = options.draft ?? false;
  const loss = await engine.evaluateDataLoss({ migrationsList: await readHistory(source), schema, filters });
  if (loss.unexecutableSteps.length > 0 && !draft) {
    throw new AppError("invalid", `${loss.unexecutableSteps.map((step) => step.message).join("\n")}\nWrite it by hand: add --draft`);
  }
  const created = await engine.createMigration({
    draft,
    migrationName: options.name,
    migrationsList: await readHistory(source),
    schema,
    filters,
  });
  if (created.migrationScript === null) return undefined;
  const directory = join(source.migrationsDir, created.generatedMigrationName);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "migration.sql"), created.migrationScript);
  await writeFile(join(source.migrationsDir, LOCK_FILE), '# Written by npm run migrate; belongs in git.\nprovider = "postgresql"\n');
  if (!draft) await engine.applyMigrations({ migrationsList: await readHistory(source), filters });
  return { directory, sql: created.migrationScript, warnings: loss.warnings.map((warning) => warning.message) };
}

/**
 * Checks that the history, replayed into an empty shadow database, gives exactly `schema.prisma`, and that the database at hand
 * does too when it has the history. Returns the SQL of each difference; empty when all agree. It does not see functions,
 * triggers and partial indexes.
 */
export async function checkMigrations(databaseUrl: string, source: MigrationSource): Promise<readonly string[]> {
  const engine = await openSchemaEngine(databaseUrl, source.schemaPath);
  const schema = await readSchema(source);
  const to = { tag: "schemaDatamodel" as const, ...schema };
  const from = [
    { what: "migrations against schema.prisma", target: { tag: "migrations" as const, ...(await readHistory(source)) } },
    { what: "database against schema.prisma", target: { tag: "schemaDatasource" as const, ...schema, configDir: process.cwd() } },
  ];
  const differences: string[] = [];
  for (const { what, target } of from) {
    const result = await engine.diff({ from: target, to, script: true, exitCode: true, filters, shadowDatabaseUrl: null } as Parameters<
      SchemaEngine["diff"]
    >[0]);
    if (result.exitCode !== 0) differences.push(`${what}:\n${result.stdout?.trim() ?? ""}`);
  }
  return differences;
}

/** Drops everything in the database's schema. For development databases; the caller has asked. */
export async function resetDatabase(databaseUrl: string, source: MigrationSource): Promise<void> {
  await withLock(databaseUrl, async () => {
    const engine = await openSchemaEngine(databaseUrl, source.schemaPath);
    await engine.reset({ filter: filters });
  });
}

async function statusOf(engine: SchemaEngine, source: MigrationSource): Promise<MigrationStatus> {
  const found = await engine.diagnoseMigrationHistory({ migrationsList: await readHistory(source), optInToShadowDatabase: false, filters });
  const problems = [
    ...found.failedMigrationNames.map(
      (name) => `Migration ${name} failed in this database; correct it by hand, then delete its row in _prisma_migrations.`,
    ),
    ...found.editedMigrationNames.map((name) => `Migration ${name} was edited after it had been applied; restore its text.`),
  ];
  const history = found.history;
  if (history === null) return { pending: [], problems };
  switch (history.diagnostic) {
    case "databaseIsBehind":
      return { pending: history.unappliedMigrationNames, problems };
    case "migrationsDirectoryIsBehind":
    case "historiesDiverge": {
      const unknown = history.unpersistedMigrationNames.join(", ");
      problems.push(`This database has migrations that this version does not know (${unknown}); start a newer version of Plimsoll.`);
      return { pending: "unappliedMigrationNames" in history ? history.unappliedMigrationNames : [], problems };
    }
  }
}

async function readSchema(source: MigrationSource) {
  return { files: [{ path: source.schemaPath, content: await readFile(source.schemaPath, "utf8") }] };
}

async function readHistory(source: MigrationSource) {
  const lockPath = join(source.migrationsDir, LOCK_FILE);
  return {
    baseDir: source.migrationsDir,
    lockfile: { path: LOCK_FILE, content: existsSync(lockPath) ? await readFile(lockPath, "utf8") : null },
    shadowDbInitScript: "",
    migrationDirectories: await Promise.all(
      (await migrationNames(source)).map(async (name) => ({
        path: name,
        migrationFile: {
          path: "migration.sql",
          content: { tag: "ok" as const, value: await readFile(join(source.migrationsDir, name, "migration.sql"), "utf8") },
        },
      })),
    ),
  };
}

/** The names of the migrations on disk, in the order they are applied. */
export async function migrationNames(source: MigrationSource): Promise<readonly string[]> {
  if (!existsSync(source.migrationsDir)) return [];
  const entries = await readdir(source.migrationsDir, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** Exactly the migrations on disk were applied to the end, each with the text that it has there. */
async function isUpToDate(client: pg.Client, source: MigrationSource): Promise<boolean> {
  const table = await client.query("SELECT to_regclass('_prisma_migrations') AS name");
  if (table.rows[0]?.name === null) return false;
  const { rows } = await client.query<{ name: string; checksum: string; finished: boolean }>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY migration_name COLLATE "C"`,
  );
  const names = await migrationNames(source);
  const checksums = await Promise.all(names.map((name) => checksumOf(join(source.migrationsDir, name, "migration.sql"))));
  return (
    rows.length === names.length &&
    rows.every(({ name, checksum, finished }, at) => finished && name === names[at] && checksum === checksums[at])
  );
}

async function checksumOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function withLock<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    return await work(client);
  } finally {
    // The lock ends with its session.
    await client.end();
  }
}
