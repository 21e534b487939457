import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "@plimsoll/exec";
import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { createTestDatabase, startTestPostgres, startTestRedis, testRedisUrl } from "./index.ts";

describe("PostgreSQL for tests", () => {
  it("gives each caller a database of its own with the migrated schema", async () => {
    const migrationsDir = await mkdtemp(join(tmpdir(), "plimsoll-test-migrations-"));
    await mkdir(join(migrationsDir, "1_first"));
    await writeFile(join(migrationsDir, "1_first", "migration.sql"), "CREATE TABLE ship (name text); INSERT INTO ship VALUES ('a;b');");
    const postgres = await startTestPostgres({ migrationsDir });
    try {
      const [one, other] = await Promise.all([postgres.createDatabase(), postgres.createDatabase()]);
      await query(one.url, "INSERT INTO ship VALUES ('mine')");
      expect(await query(one.url, "SELECT name FROM ship")).toHaveLength(2);
      expect(await query(other.url, "SELECT name FROM ship")).toEqual([{ name: "a;b" }]);
      await one.drop();
      await expect(query(one.url, "SELECT 1")).rejects.toThrow(/does not exist/);
    } finally {
      await postgres.stop();
      await rm(migrationsDir, { recursive: true });
    }
    expect(existsSync(`/proc/${postgres.pid}`)).toBe(false);
  });

  it("is there for every test file of a run", async () => {
    const database = await createTestDatabase();
    expect(await query(database.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await database.drop();
  });

  it("ends when the process that started it is killed", async () => {
    const program = `import { startTestPostgres } from "@plimsoll/testkit"; const p = await startTestPostgres(); console.log(p.pid, new URL(p.url("x")).searchParams.get("host")); setInterval(() => 0, 1e6);`;
    const parent = await start([process.execPath, "--input-type=module", "-e", program], {
      cwd: import.meta.dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) => parent.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString())));
    const [pid = "", directory = ""] = line.trim().split(" ");
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    parent.kill("SIGKILL");
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5_000 }).toBe(false);
    await rm(directory, { recursive: true });
  });
});

describe("Redis for tests", () => {
  it("keeps what it was told through kill -9 when it is append-only, in a file that goes with it", async () => {
    const redis = await startTestRedis({ appendOnly: true, settings: { appendfsync: "always" } });
    const client = new Redis(redis.url);
    await client.set("key", "value");
    expect(await client.get("key")).toBe("value");
    client.disconnect();
    await redis.kill();
    expect(existsSync(`/proc/${redis.pid}`)).toBe(false);
    await redis.stop();
    expect(existsSync(redis.socketPath)).toBe(false);
  });

  it("is there for every test file of a run", async () => {
    const client = new Redis(testRedisUrl());
    expect(await client.ping()).toBe("PONG");
    client.disconnect();
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
