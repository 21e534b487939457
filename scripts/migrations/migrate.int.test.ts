import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestDatabase, type TestDatabase } from "@plimsoll/testkit";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkMigrations,
  deployMigrations,
  developMigration,
  type MigrationSource,
  migrationNames,
  migrationStatus,
  resetDatabase,
} from "./migrate.ts";

const MODEL = (fields: string) => `datasource db {\n  provider = "postgresql"\n}\nmodel Ship {\n  id Int @id\n${fields}\n}\n`;

let directory: string;
let database: TestDatabase;
let source: MigrationSource;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "plimsoll-migrations-"));
  source = { schemaPath: join(directory, "schema.prisma"), migrationsDir: join(directory, "migrations") };
  database = await createTestDatabase();
  // It comes with the platform's schema; these tests have their own.
  await query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  model("");
});

afterEach(async () => {
  await database.drop();
  rmSync(directory, { recursive: true });
});

describe("migrations", () => {
  it("are written from the data model, applied, and found equal to it and to the database", async () => {
    const made = await developMigration(database.url, source, { name: "first" });
    expect(made?.sql).toContain('CREATE TABLE "Ship"');
    expect(await developMigration(database.url, source, { name: "nothing" })).toBeUndefined();
    expect(await checkMigrations(database.url, source)).toEqual([]);

    model("  name String @unique");
    const differences = await checkMigrations(database.url, source);
    expect(differences).toEqual([
      expect.stringMatching(/^migrations against schema\.prisma:.*CREATE UNIQUE INDEX/s),
      expect.stringMatching(/^database against schema\.prisma:.*CREATE UNIQUE INDEX/s),
    ]);
    await developMigration(database.url, source, { name: "name" });
    expect(await checkMigrations(database.url, source)).toEqual([]);
    expect(await shadowDatabases()).toEqual([]);
  });

  it("may hold what the data model cannot say, with bodies in dollar quotes", async () => {
    await developMigration(database.url, source, { name: "first" });
    plant(
      "29991231000000_by_hand",
      'CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;\nCREATE INDEX part ON "Ship"(id) WHERE id > 7;',
    );
    expect(await deployMigrations(database.url, source)).toEqual(["29991231000000_by_hand"]);
    expect(await query("SELECT one()")).toEqual([{ one: 1 }]);
    expect(await checkMigrations(database.url, source)).toEqual([]);
  });

  it("are each applied once when several starts deploy at once", async () => {
    plant("1_first", 'CREATE TABLE "Ship" ("id" INTEGER PRIMARY KEY)');
    plant("2_second", 'INSERT INTO "Ship" VALUES (1)');
    const applied = await Promise.all([1, 2, 3].map(() => deployMigrations(database.url, source)));
    expect(applied.flat().sort()).toEqual(["1_first", "2_second"]);
    expect(await query('SELECT count(*)::int FROM "Ship"')).toEqual([{ count: 1 }]);
  });

  it("apply fully or not at all, and a failed one keeps the next from running until somebody has looked", async () => {
    plant("1_first", 'CREATE TABLE "Ship" ("id" INTEGER PRIMARY KEY)');
    plant("2_bad", 'CREATE TABLE "Half" (n int); SELECT * FROM "Nowhere";');
    await expect(deployMigrations(database.url, source)).rejects.toThrow(/Nowhere/);
    expect(await query("SELECT to_regclass('\"Half\"') AS half")).toEqual([{ half: null }]);
    await expect(deployMigrations(database.url, source)).rejects.toThrow(/2_bad failed in this database; correct it by hand/);
  });

  it("refuse a history that was edited, and one from a newer version", async () => {
    plant("1_first", 'CREATE TABLE "Ship" ("id" INTEGER PRIMARY KEY)');
    plant("2_second", "SELECT 1");
    await deployMigrations(database.url, source);
    expect(await migrationStatus(database.url, source)).toEqual({ pending: [], problems: [] });
    plant("1_first", 'CREATE TABLE "Ship" ("id" BIGINT PRIMARY KEY)');
    await expect(deployMigrations(database.url, source)).rejects.toThrow(/1_first was edited after it had been applied/);
    plant("1_first", 'CREATE TABLE "Ship" ("id" INTEGER PRIMARY KEY)');
    rmSync(join(source.migrationsDir, "2_second"), { recursive: true });
    await expect(deployMigrations(database.url, source)).rejects.toThrow(/does not know \(2_second\); start a newer version/);
  });

  it("start over in an emptied database", async () => {
    plant("1_first", 'CREATE TABLE "Ship" ("id" INTEGER PRIMARY KEY)');
    await deployMigrations(database.url, source);
    await resetDatabase(database.url, source);
    expect((await migrationStatus(database.url, source)).pending).toEqual(["1_first"]);
    expect(await deployMigrations(database.url, source)).toEqual(await migrationNames(source));
  });
});

function model(fields: string): void {
  writeFileSync(source.schemaPath, MODEL(fields));
}

function plant(name: string, sql: string): void {
  mkdirSync(join(source.migrationsDir, name), { recursive: true });
  writeFileSync(join(source.migrationsDir, name, "migration.sql"), sql);
  writeFileSync(join(source.migrationsDir, "migration_lock.toml"), 'provider = "postgresql"\n');
}

async function query(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const result = await client.query(sql);
    return Array.isArray(result) ? [] : result.rows;
  } finally {
    await client.end();
  }
}

async function shadowDatabases(): Promise<unknown[]> {
  return query("SELECT datname FROM pg_database WHERE datname LIKE 'plimsoll_shadow_%'");
}
