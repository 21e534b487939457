import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { AppError, errorText } from "@plimsoll/core";
import {
  checkMigrations,
  deployMigrations,
  developMigration,
  type MigrationSource,
  migrationStatus,
  resetDatabase,
} from "./migrations/migrate.ts";

const USAGE = `npm run migrate -- COMMAND [--schema prisma/schema.prisma] [--migrations prisma/migrations]

  dev NAME [--draft]   write the migration that leads to schema.prisma, and apply it (--draft: only write it)
  deploy               apply what is missing
  status               what is missing, what went wrong
  check                migrations = schema.prisma = database
  reset                drop everything in the database

The database is the one that DATABASE_URL names; without it, dev and check use a private one that is gone afterwards.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      draft: { type: "boolean", default: false },
      schema: { type: "string", default: "prisma/schema.prisma" },
      migrations: { type: "string", default: "prisma/migrations" },
    },
  });
  const [command, name] = positionals;
  const source: MigrationSource = { schemaPath: resolve(values.schema), migrationsDir: resolve(values.migrations) };
  switch (command) {
    case "dev": {
      if (name === undefined) throw new AppError("invalid", "Name the change: npm run migrate -- dev add-routes");
      const made = await withScratchDatabase(source, (url) => developMigration(url, source, { name, draft: values.draft }));
      if (made === undefined) console.log("schema.prisma says what the migrations say: nothing to do");
      else console.log([made.sql, ...made.warnings.map((warning) => `warning: ${warning}`), `written to ${made.directory}`].join("\n"));
      return 0;
    }
    case "deploy": {
      const applied = await deployMigrations(databaseUrl(), source);
      console.log(applied.length === 0 ? "up to date" : `applied ${applied.join(", ")}`);
      return 0;
    }
    case "status": {
      const status = await migrationStatus(databaseUrl(), source);
      for (const pending of status.pending) console.log(`not applied: ${pending}`);
      for (const problem of status.problems) console.log(problem);
      if (status.pending.length + status.problems.length === 0) console.log("up to date");
      return status.problems.length === 0 ? 0 : 1;
    }
    case "check": {
      const differences = await withScratchDatabase(source, (url) => checkMigrations(url, source));
      console.log(differences.length === 0 ? "migrations, schema.prisma and database agree" : differences.join("\n\n"));
      return differences.length === 0 ? 0 : 1;
    }
    case "reset":
      await resetDatabase(databaseUrl(), source);
      console.log("emptied");
      return 0;
    default:
      console.error(USAGE);
      return 2;
  }
}

function databaseUrl(): string {
  const url = process.env.DATABASE_URL;
  if (!url) throw new AppError("invalid", "DATABASE_URL is not set: name the database, e.g. postgresql://me@localhost/db?host=/run/dir");
  return url;
}

/** For what only compares: any empty PostgreSQL will do. */
async function withScratchDatabase<T>(source: MigrationSource, work: (url: string) => Promise<T>): Promise<T> {
  if (process.env.DATABASE_URL) return work(process.env.DATABASE_URL);
  const { startTestPostgres } = await import("@plimsoll/testkit");
  const postgres = await startTestPostgres();
  try {
    const { url } = await postgres.createDatabase();
    await deployMigrations(url, source);
    return await work(url);
  } finally {
    await postgres.stop();
  }
}

/** The engine appends the places in its own source to its errors; they tell an operator nothing. */
function withoutTrace(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^ {3}\d+: |^ {11,}(with|at) |^external connector error$/.test(line))
    .join("\n");
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(withoutTrace(errorText(error)));
  process.exitCode = 1;
}
// The engine keeps its connections open; there is nothing left to do with them.
process.exit();
