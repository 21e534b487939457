import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layoutOf } from "./layout.ts";
import { postgresUrl } from "./postgres.ts";
import { ensureDatabase } from "./postgres-client.ts";
import { isAlive } from "./process-identity.ts";
import { readRecords } from "./supervisor.ts";
import { visitSupervisor } from "./supervisor-process.ts";

/**
 * The commands on a checkout whose server, portal and agent are stand-ins that do nothing but keep their contract with a start;
 * PostgreSQL, Redis, migrations, supervisor and processes are real.
 */
const SERVER = `
import { createServer } from "node:http";
import { existsSync, rmSync, writeFileSync } from "node:fs";
const enrolled = process.env.PLIMSOLL_DATA_DIR + "/enrolled";
if (process.argv[2] === "setup") {
  console.log("a line of its log");
  console.log(JSON.stringify({ claimUrl: "http://localhost:8080/claim/AAAA", ...(existsSync(enrolled) ? {} : { hostToken: "t-" + Date.now() }), sampleAppNeeded: false,
    sample: { gitUrl: "ssh://x", url: "http://hello-demo.localhost:8080" }, key: process.env.PLIMSOLL_SAMPLE_KEY }));
  writeFileSync(enrolled, "");
} else if (process.argv[2] === "overview") {
  console.log(JSON.stringify({
    hosts: [{ name: "this-host", ready: true, roles: ["build", "run"], cpuMillis: 2000, memoryBytes: 20 * 1024 ** 3 }],
    apps: [{ team: "demo", namespace: "demo", name: "hello", state: "Live", release: "v1", url: "http://hello-demo.localhost:8080" }] }));
} else {
  for (const name of ["DATABASE_URL", "REDIS_URL", "PLIMSOLL_SSH_PORT"]) if (!process.env[name]) throw new Error(name);
  rmSync(process.env.PLIMSOLL_API_SOCKET, { force: true });
  createServer((request, response) => response.end("ok")).listen(process.env.PLIMSOLL_API_SOCKET);
}
`;
const AGENT = `
import { writeFileSync } from "node:fs";
import { join } from "node:path";
if (process.argv[2] === "teardown") writeFileSync(join(process.env.PLIMSOLL_DATA_DIR, "torn-down"), "");
else setInterval(() => 0, 1e6);
`;

const REAL = resolve(import.meta.dirname, "../..");
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "plimsoll-start-"));
  for (const name of ["node_modules", "packages", "package.json"]) symlinkSync(join(REAL, name), join(root, name));
  cpSync(join(REAL, "scripts"), join(root, "scripts"), { recursive: true });
  plant("prisma/schema.prisma", 'datasource db {\n  provider = "postgresql"\n}\nmodel Ship {\n  id Int @id\n}\n');
  plant(
    "prisma/migrations/1_first/migration.sql",
    'CREATE TABLE "Ship" ("id" INTEGER NOT NULL, CONSTRAINT "Ship_pkey" PRIMARY KEY ("id"));',
  );
  plant("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n');
  plant("apps/server/src/main.ts", SERVER);
  plant("apps/agent/src/main.ts", AGENT);
  plant("apps/portal/server.ts", "setInterval(() => 0, 1e6);");
});

afterEach(async () => {
  await command("stop", ["--all"]).catch(() => undefined);
  await command("stop", ["--all"], { PLIMSOLL_DATA_DIR: join(root, "other") }).catch(() => undefined);
  expect(Object.values(records()).filter(isAlive)).toEqual([]);
  rmSync(root, { recursive: true });
});

describe("npm start and npm stop", () => {
  it("bring everything up, adopt it in under 5 s, and end it", async () => {
    const first = await command("start");
    expect(first.stdout).toMatch(/✔ database +PostgreSQL \d+ in \.plimsoll\/postgres, 1 migrations/);
    expect(first.stdout).toMatch(/✔ queue +Redis 7 in \.plimsoll\/redis, append-only/);
    expect(first.stdout).toMatch(/✔ host +this-host: build run, 2 cpu, 20 GiB for apps/);
    expect(first.stdout).toContain("Live    http://hello-demo.localhost:8080");
    expect(first.stdout).toContain("Portal  http://localhost:8080/claim/AAAA   (once, for the first administrator; valid 1 h)");
    const started = records();
    expect(Object.keys(started).sort()).toEqual(["agent", "portal", "postgres", "redis", "server"]);

    const before = performance.now();
    await command("start");
    expect(performance.now() - before).toBeLessThan(5_000);
    expect(records()).toEqual(started);

    const status = await command("status");
    expect(status.stdout).toMatch(/server +running +\d+ +just now +0 +\.plimsoll\/logs\/server\.log/);
    expect(status.stdout).toMatch(/demo\/demo +hello +Live +v1 +http:\/\/hello-demo\.localhost:8080/);

    expect((await command("stop")).stdout).toContain("Instances and their ingress go on");
    expect(Object.values(started).filter(isAlive)).toEqual([]);
    expect(await visitSupervisor(layoutOf(root, join(root, ".plimsoll")))).toBeUndefined();
    expect(existsSync(join(root, ".plimsoll/torn-down"))).toBe(false);
    expect((await command("stop")).stdout).toContain("Nothing was running.");
    await command("stop", ["--all"]);
    expect(existsSync(join(root, ".plimsoll/torn-down"))).toBe(true);
  });

  it("adopts what a killed supervisor left, and has what is killed back at once", async () => {
    await command("start");
    const started = records();
    const supervisor = await visitSupervisor(layoutOf(root, join(root, ".plimsoll")));
    process.kill(supervisor?.pid ?? 0, "SIGKILL");
    const { server, redis } = started;
    if (server === undefined || redis === undefined) throw new Error("not started");
    process.kill(redis.pid, "SIGKILL");
    await command("start");
    expect(records().server).toEqual(server);
    expect(records().redis?.pid).not.toBe(redis.pid);
    for (const name of ["postgres", "server", "agent"]) {
      const pid = records()[name]?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      await expect.poll(() => records()[name]?.pid, { interval: 10, timeout: 500 }).not.toBe(pid);
    }
  });

  it("comes back as a whole after a reboot, by the supervisor that a boot starts and nothing else; not when it was stopped", async () => {
    await command("start");
    const layout = layoutOf(root, join(root, ".plimsoll"));
    const before = records();
    const supervisor = await visitSupervisor(layout);
    for (const pid of [supervisor?.pid ?? 0, ...Object.values(before).map((record) => record.pid)]) process.kill(pid, "SIGKILL");
    rmSync(layout.socketsDir, { recursive: true });
    const env = { PATH: minimalEnv.PATH ?? "", PLIMSOLL_DATA_DIR: layout.dataDir, PLIMSOLL_CODE: "" };
    const boot = () => start([process.execPath, join(root, "scripts/supervise.ts")], { cwd: root, env, detached: true, stdio: "ignore" });
    (await boot()).unref();
    await expect.poll(() => Object.values(records()).filter(isAlive).length, { timeout: 60_000 }).toBe(5);
    for (const [name, { pid }] of Object.entries(records())) expect(pid, name).not.toBe(before[name]?.pid);
    await expect.poll(() => existsSync(layout.apiSocket), { timeout: 60_000 }).toBe(true);
    // A postmaster is started again until the last child of the one before, which was not shut down, has let go of its memory.
    await ensureDatabase(layout, { timeoutMs: 60_000 });
    const after = records();
    await command("start");
    expect(records()).toEqual(after);

    await command("stop");
    const stopped = await boot();
    expect(await new Promise((resolve) => stopped.once("exit", resolve))).toBe(0);
    expect(Object.values(records()).filter(isAlive)).toEqual([]);
  });

  it("replaces server, portal and agent, and nothing else, when the code has changed", async () => {
    await command("start", [], { PLIMSOLL_CODE: "v1", PLIMSOLL_PORTAL_CODE: "p1" });
    const v1 = records();
    await command("start", [], { PLIMSOLL_CODE: "v2", PLIMSOLL_PORTAL_CODE: "p1" });
    await expect.poll(() => records().agent?.pid).not.toBe(v1.agent?.pid);
    await expect.poll(() => records().server?.pid).not.toBe(v1.server?.pid);
    expect(records().portal).toEqual(v1.portal);
    expect(records().postgres).toEqual(v1.postgres);
    expect(records().redis).toEqual(v1.redis);
  });

  it("says what failed and goes on from there with the next start", async () => {
    plant("apps/server/src/main.ts", "console.error('no disk'); process.exit(3);");
    await expect(command("start")).rejects.toThrow(/start\.ts exited with 1: .*no disk.*npm start goes on from here/s);
    plant("apps/server/src/main.ts", SERVER);
    expect((await command("start")).stdout).toContain("Live");
  });

  it("uses a database that the operator names instead of starting one", async () => {
    await command("start");
    const theirs = records().postgres;
    const url = postgresUrl(layoutOf(root, join(root, ".plimsoll")));
    const other = { PLIMSOLL_DATA_DIR: join(root, "other") };
    const { stdout } = await command("start", [], { ...other, DATABASE_URL: url });
    expect(stdout).toMatch(/✔ database +PostgreSQL at DATABASE_URL, 1 migrations/);
    expect(Object.keys(readRecords(join(root, "other/run/processes.json"))).sort()).toEqual(["agent", "portal", "redis", "server"]);
    expect(records().postgres).toEqual(theirs);
    expect(readFileSync(join(root, "other/run/wanted.json"), "utf8")).toContain("databaseUrl");
    await command("stop", ["--all"], other);
  });
});

function command(name: "start" | "stop" | "status", args: readonly string[] = [], env: Record<string, string> = {}) {
  return run([process.execPath, join(root, `scripts/${name}.ts`), ...args], {
    cwd: root,
    env: { ...minimalEnv, ...env },
    timeoutMs: 60_000,
  });
}

function records() {
  return readRecords(join(root, ".plimsoll/run/processes.json"));
}

function plant(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}
