import { PrismaPg } from "@prisma/adapter-pg";
import { DriverAdapterError, type SqlDriverAdapter, type SqlMigrationAwareDriverAdapterFactory } from "@prisma/driver-adapter-utils";
import pg from "pg";

/**
 * Types of the system catalogue that the adapter does not know, presented as ones that it does: the internal "char" (18) as
 * bpchar (1042), and its array (1002) as bpchar[] (1014). The schema engine's own queries return them.
 */
const KNOWN_AS: Readonly<Record<number, number>> = { 18: 1042, 1002: 1014 };

function cataloguePool(databaseUrl: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<pg.QueryResult | pg.QueryResult[]>;
  return Object.assign(pool, {
    query: async (...args: unknown[]) => {
      const result = await query(...args);
      for (const one of Array.isArray(result) ? result : [result]) {
        for (const field of one.fields ?? []) field.dataTypeID = KNOWN_AS[field.dataTypeID] ?? field.dataTypeID;
      }
      return result;
    },
  });
}

/**
 * What the schema engine needs to reach PostgreSQL. Two of the stock adapter's ways are replaced: its shadow database, which
 * with a connection string is the real database; and its script execution, which splits on `;` and so breaks `$$` bodies.
 * The engine disposes of every connection it asked for.
 */
export function postgresFactory(databaseUrl: string): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: "postgres",
    adapterName: "@prisma/adapter-pg",
    connect: () => open(databaseUrl),
    connectToShadowDb: () => openShadow(databaseUrl),
  };
}

async function open(databaseUrl: string): Promise<SqlDriverAdapter> {
  const pool = cataloguePool(databaseUrl);
  const adapter = await new PrismaPg(pool, { disposeExternalPool: true }).connect();
  // Sent whole: PostgreSQL runs a many-statement message in one implicit transaction, so a migration applies fully or not at all.
  adapter.executeScript = async (script) => {
    await pool.query(script).catch(translated);
  };
  return adapter;
}

/** In the engine's own form, so that it reports the statement's error and not only that there was one. */
function translated(error: unknown): never {
  if (!(error instanceof pg.DatabaseError)) throw error;
  throw new DriverAdapterError({
    kind: "postgres",
    code: error.code ?? "XX000",
    severity: error.severity ?? "ERROR",
    message: error.message,
    detail: error.detail,
    column: error.column,
    hint: error.hint,
  });
}

async function openShadow(databaseUrl: string): Promise<SqlDriverAdapter> {
  const name = `plimsoll_shadow_${process.pid}_${Math.random().toString(36).slice(2)}`;
  const shadowUrl = new URL(databaseUrl);
  shadowUrl.pathname = `/${name}`;
  await execute(databaseUrl, `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE template0`);
  const shadow = await open(shadowUrl.href);
  const dispose = shadow.dispose.bind(shadow);
  shadow.dispose = async () => {
    await dispose();
    await execute(databaseUrl, `DROP DATABASE ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  };
  return shadow;
}

async function execute(databaseUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
