import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { type Prisma, PrismaClient } from "./generated/client.ts";

/** A transaction's client, as the repositories of this package use it; never leaves the package. */
export type TxClient = Prisma.TransactionClient;
/** Reads may run in a transaction or on the pool. */
export type AnyClient = TxClient | PrismaClient;

export interface Connection {
  readonly prisma: PrismaClient;
  /** Dedicated connections for LISTEN come from here. */
  readonly url: string;
  close(): Promise<void>;
}

const POOL_SIZE = 10;

/** Connects to PostgreSQL at `url` (unix sockets: `postgresql://user@localhost/db?host=/dir`). Nothing is opened before the first query. */
export function connect(url: string, poolSize = POOL_SIZE): Connection {
  const pool = new pg.Pool({ connectionString: url, max: poolSize, connectionTimeoutMillis: 5_000 });
  // A server that goes away ends idle connections with an error event; the next query opens a new one.
  pool.on("error", () => undefined);
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: true }) });
  return { prisma, url, close: () => prisma.$disconnect() };
}
