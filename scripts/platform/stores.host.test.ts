import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Layout, layoutOf } from "./layout.ts";
import { ensurePostgresCluster, postgresSpec, postgresUrl } from "./postgres.ts";
import { connect, ensureDatabase } from "./postgres-client.ts";
import { isAlive } from "./process-identity.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { ensureRedisFiles, redisSpec, redisUrl, whenRedisAnswers } from "./redis.ts";
import { readRecords, type Supervisor, supervise } from "./supervisor.ts";

const NOBODY = 65_534;

let home: string;
let layout: Layout;
let supervisor: Supervisor | undefined;
let specs: readonly ProcessSpec[];

beforeEach(() => {
  // As /root is: nobody but root may enter, and the path is too long for a socket.
  home = mkdtempSync(join(tmpdir(), "plimsoll-stores-"));
  const dataDir = join(home, "a-checkout-in-a-directory-with-a-name-that-is-longer-than-sockets-may-be", ".plimsoll");
  mkdirSync(dataDir, { recursive: true });
  layout = layoutOf(home, dataDir);
  specs = [];
});

afterEach(async () => {
  specs = [];
  const alive = () => Object.values(readRecords(join(layout.runDir, "processes.json"))).filter(isAlive);
  await expect.poll(alive, { timeout: 20_000 }).toEqual([]);
  await supervisor?.leave();
  supervisor = undefined;
  rmSync(home, { recursive: true });
  rmSync(layout.socketsDir, { recursive: true, force: true });
});

describe("the private PostgreSQL", () => {
  it("runs unprivileged below a directory that its user may not enter, and survives kill -9 with its data", async () => {
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(await ensurePostgresCluster(layout)).toBeGreaterThanOrEqual(15);
    const pid = await runIt(postgresSpec(layout));
    await ensureDatabase(layout, { timeoutMs: 20_000 });
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);

    await query("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)");
    process.kill(pid, "SIGKILL");
    await expect.poll(() => recorded("postgres")?.pid, { timeout: 5_000 }).not.toBe(pid);
    await ensurePostgresCluster(layout);
    await ensureDatabase(layout, { timeoutMs: 20_000 });
    expect(await query("SELECT n FROM kept")).toEqual([{ n: 7 }]);
    expect(await query("SHOW fsync")).toEqual([{ fsync: "on" }]);
    expect(await query("SHOW listen_addresses")).toEqual([{ listen_addresses: "" }]);
  });

  it("lets in root and nobody else of this machine", async () => {
    await ensurePostgresCluster(layout);
    await runIt(postgresSpec(layout));
    await ensureDatabase(layout, { timeoutMs: 20_000 });
    const asNobody = [
      "setpriv",
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      "--clear-groups",
      "psql",
      "-h",
      layout.postgresSocketDir,
      "-U",
      "plimsoll",
    ];
    await expect(run(asNobody)).rejects.toThrow(/Permission denied/);
    // Also where it can reach the socket, the kernel tells who it is.
    await run(["chmod", "-R", "o+rwx", layout.postgresSocketDir, join(layout.postgresSocketDir, "..")]);
    await expect(run(asNobody)).rejects.toThrow(/Peer authentication failed/);
  });

  it("refuses a cluster that another program made", async () => {
    mkdirSync(layout.postgresDir, { recursive: true });
    writeFileSync(join(layout.postgresDir, "PG_VERSION"), "15\n");
    await expect(ensurePostgresCluster(layout)).rejects.toThrow(/not made by Plimsoll/);
  });
});

describe("the private Redis", () => {
  it("runs unprivileged, keeps what it was told through kill -9, and knows its users", async () => {
    await ensureRedisFiles(layout);
    const pid = await runIt(redisSpec(layout));
    await whenRedisAnswers(layout, { timeoutMs: 5_000 });
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);

    const client = connectAsPlatform();
    await client.call("CONFIG", "SET", "appendfsync", "always");
    await client.set("kept", "7");
    await client.call("ACL", "SETUSER", "host-a", "on", ">secret", "~host-a:*", "+@all");
    await client.call("ACL", "SAVE");
    client.disconnect();
    process.kill(pid, "SIGKILL");
    await expect.poll(() => recorded("redis")?.pid, { timeout: 5_000 }).not.toBe(pid);
    await ensureRedisFiles(layout);
    await whenRedisAnswers(layout, { timeoutMs: 5_000 });

    const again = connectAsPlatform();
    expect(await again.get("kept")).toBe("7");
    expect(await again.call("CONFIG", "GET", "maxmemory-policy")).toContain("noeviction");
    again.disconnect();
    const host = new Redis({ path: layout.redisSocket, username: "host-a", password: "secret" });
    expect(await host.set("host-a:x", "1")).toBe("OK");
    await expect(host.set("host-b:x", "1")).rejects.toThrow(/NOPERM/);
    host.disconnect();
    const stranger = new Redis({ path: layout.redisSocket });
    stranger.on("error", () => undefined); // the refusal below, once more
    await expect(stranger.get("kept")).rejects.toThrow(/NOAUTH|NOPERM/);
    stranger.disconnect();
  });
});

async function runIt(spec: ProcessSpec): Promise<number> {
  specs = [spec];
  supervisor = supervise({
    specs: () => specs,
    recordsPath: join(layout.runDir, "processes.json"),
    logsDir: layout.logsDir,
    say: () => undefined,
  });
  await expect.poll(() => recorded(spec.name)).toBeDefined();
  return recorded(spec.name)?.pid ?? 0;
}

function connectAsPlatform(): Redis {
  const { pathname, searchParams } = new URL(redisUrl(layout));
  return new Redis({ path: pathname, username: searchParams.get("user") ?? "", password: searchParams.get("password") ?? "" });
}

function recorded(name: string) {
  return readRecords(join(layout.runDir, "processes.json"))[name];
}

async function query(...statements: string[]): Promise<unknown[]> {
  const client = await connect(postgresUrl(layout), 5_000);
  try {
    let rows: unknown[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}
