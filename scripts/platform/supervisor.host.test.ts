import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run, start } from "@plimsoll/exec";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identify, isAlive } from "./process-identity.ts";
import type { ProcessSpec } from "./process-spec.ts";
import { readRecords, type Supervisor, supervise } from "./supervisor.ts";

let directory: string;
let specs: readonly ProcessSpec[];
let supervisors: Supervisor[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "plimsoll-supervisor-"));
  specs = [];
  supervisors = [];
});

afterEach(async () => {
  await Promise.all(supervisors.map((supervisor) => supervisor.leave()));
  for (const record of Object.values(records())) if (isAlive(record)) process.kill(record.pid, "SIGKILL");
  await expect.poll(() => Object.values(records()).filter(isAlive)).toEqual([]);
  rmSync(directory, { recursive: true });
});

describe("supervise", () => {
  it("restarts a process that is killed with kill -9, the first time within half a second", async () => {
    specs = [sleeper("one")];
    begin();
    const first = await running("one");
    process.kill(first.pid, "SIGKILL");
    const killedAt = performance.now();
    await expect.poll(() => records().one?.pid, { interval: 5 }).not.toBe(first.pid);
    expect(performance.now() - killedAt).toBeLessThan(500);
    expect(records().one?.restarts).toBe(1);
  });

  it("leaves the processes running when it is itself killed with kill -9, and adopts them when it is back", async () => {
    specs = [sleeper("one"), sleeper("two")];
    const killed = await beginInProcess(specs);
    const [one, two] = [await running("one"), await running("two")];
    process.kill(killed, "SIGKILL");
    await expect.poll(() => identify(killed)).toBeUndefined();
    expect([isAlive(one), isAlive(two)]).toEqual([true, true]);

    begin();
    await pause(400);
    expect(records()).toEqual({ one, two });
    process.kill(one.pid, "SIGKILL");
    const killedAt = performance.now();
    await expect.poll(() => records().one?.pid, { interval: 5 }).not.toBe(one.pid);
    expect(performance.now() - killedAt).toBeLessThan(500);
    expect(records().two?.pid).toBe(two.pid);
  });

  it("takes a process that has the number of a recorded one for what it is: another", async () => {
    const stranger = await start(["sleep", "60"]);
    const strangers = identify(stranger.pid);
    if (strangers === undefined) throw new Error("sleep ended");
    const recorded = {
      ...strangers,
      startTicks: strangers.startTicks - 1,
      fingerprint: "",
      startedAt: new Date().toISOString(),
      restarts: 0,
    };
    writeFileSync(recordsPath(), JSON.stringify({ one: recorded }));
    begin();
    await expect.poll(() => records().one).toBeUndefined();
    expect(isAlive(strangers)).toBe(true);
    stranger.kill("SIGKILL");
  });

  it("replaces a process whose code changed, and kills one that does not stop in its grace", async () => {
    const stubborn = (code: string): ProcessSpec => ({
      ...sleeper("one"),
      argv: [process.execPath, "-e", "process.on('SIGTERM', () => 0); setInterval(() => 0, 1e6)"],
      graceMs: 300,
      code,
    });
    specs = [stubborn("v1")];
    begin();
    const old = await running("one");
    await pause(300); // until its handler is there
    specs = [stubborn("v2")];
    await expect.poll(() => records().one?.pid, { timeout: 5_000 }).not.toBe(old.pid);
    expect(isAlive(old)).toBe(false);
  });

  it("stops and forgets what is not wanted any more", async () => {
    specs = [sleeper("one")];
    begin();
    const one = await running("one");
    specs = [];
    await expect.poll(() => records().one).toBeUndefined();
    expect(isAlive(one)).toBe(false);
  });

  it("restarts what keeps ending less and less often", async () => {
    specs = [{ ...sleeper("one"), argv: ["sh", "-c", "date +%s%N"] }];
    begin();
    await pause(2_200);
    const starts = readFileSync(join(directory, "one.log"), "utf8").trim().split("\n").length;
    // At once twice, after 0.5 s, after 1 s more.
    expect(starts).toBeGreaterThanOrEqual(3);
    expect(starts).toBeLessThanOrEqual(5);
  });

  it("keeps its output in its log, and gives it directories that its user could not enter by path", async () => {
    const closed = mkdtempSync(join(directory, "closed-"));
    const inside = mkdtempSync(join(closed, "inside-"));
    writeFileSync(join(inside, "file"), "reached");
    const NOBODY = 65_534;
    const by = (path: string): ProcessSpec => ({
      ...sleeper("one"),
      argv: ["sh", "-c", `cat ${path}/file; exec sleep 60`],
      uid: NOBODY,
      gid: NOBODY,
    });
    // mkdtemp makes both for their owner only: root.
    specs = [{ ...by("/proc/self/fd/3"), directories: [inside] }];
    await run(["chown", String(NOBODY), inside]);
    begin();
    await expect.poll(() => readFileSync(join(directory, "one.log"), "utf8")).toBe("reached");
    specs = [{ ...by(inside), directories: [] }];
    await expect.poll(() => readFileSync(join(directory, "one.log"), "utf8")).toContain("Permission denied");
  });
});

function sleeper(name: string): ProcessSpec {
  return { name, argv: ["sleep", "60"], env: minimalEnv, cwd: "/", stopSignal: "SIGTERM", graceMs: 5_000 };
}

function begin(): void {
  supervisors.push(supervise({ specs: () => specs, recordsPath: recordsPath(), logsDir: directory, say: () => undefined }));
}

async function beginInProcess(wanted: readonly ProcessSpec[]): Promise<number> {
  const program = `
    import { supervise } from ${JSON.stringify(join(import.meta.dirname, "supervisor.ts"))};
    supervise({ specs: () => ${JSON.stringify(wanted)}, recordsPath: ${JSON.stringify(recordsPath())}, logsDir: ${JSON.stringify(directory)}, say() {} });`;
  return (await start([process.execPath, "--input-type=module", "-e", program], { cwd: import.meta.dirname })).pid;
}

async function running(name: string) {
  await expect.poll(() => records()[name], { timeout: 5_000 }).toBeDefined();
  const record = records()[name];
  if (record === undefined) throw new Error(`${name} is not recorded`);
  return record;
}

function records() {
  return readRecords(recordsPath());
}

function recordsPath(): string {
  return join(directory, "processes.json");
}

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
