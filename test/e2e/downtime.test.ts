import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo } from "../support/api.ts";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { query } from "../support/database.ts";
import { versionFile, webApp } from "../support/files.ts";
import { ingressWorkers, runtimeCommand } from "../support/ingress.ts";
import { type Meter, type MeterReport, startMeter } from "../support/load.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";

/** The promise of every deploy: not one request fails, whatever is changed on purpose. */
const NAME = "steady";
const DEPLOYS = 10;

let started: StartedPlatform;
let platform: Platform;
let app: App;
let meter: Meter | undefined;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  app = await createApp(platform, NAME);
  expect(await app.push(webApp("first"))).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await meter?.stop();
  await app?.remove();
  await started?.stop();
});

/** What the load saw while `change` was made and until the app was at rest again. */
async function measured(change: () => Promise<unknown>): Promise<MeterReport> {
  meter = await startMeter(platform, app.host);
  await change();
  await untilSettled(platform, NAME);
  await sleep(200);
  const report = await meter.stop();
  meter = undefined;
  expect(report.requests).toBeGreaterThan(20);
  return report;
}

describe("requests while an app is changed", () => {
  it(`do not fail in ${DEPLOYS} deploys by git push, each seen by the load`, async () => {
    const report = await measured(async () => {
      for (let i = 1; i <= DEPLOYS; i++) expect(await app.push(versionFile(`v${i}`))).toMatchObject({ code: 0 });
    });
    expect(report.failures).toEqual([]);
    expect(Object.keys(report.bodies)).toEqual(expect.arrayContaining(Array.from({ length: DEPLOYS }, (_, i) => `v${i + 1}\n`)));
  });

  it("do not fail when env is changed, and the change arrives", async () => {
    const before = await releaseOf();
    const report = await measured(() => api(platform, "PATCH", inDemo(`/apps/${NAME}`), { env: { PRICE_TABLE: "2027" } }));
    expect(report.failures).toEqual([]);
    expect(await releaseOf()).toBe(before + 1);
  });

  it("do not fail when it is scaled up and down", async () => {
    const scale = async (replicas: number) => {
      await api(platform, "POST", inDemo(`/apps/${NAME}/scale`), { process: "web", replicas });
      await untilSettled(platform, NAME);
    };
    const report = await measured(async () => {
      await scale(3);
      await scale(1);
    });
    expect(report.failures).toEqual([]);
  });

  it("do not fail in a rollback, which brings the older version back", async () => {
    const [older] = await query<{ number: number }>(
      platform,
      `SELECT (r.spec ->> 'number')::int AS number FROM objects r JOIN objects a ON a.uid = r.owner_uid AND a.name = $1
       WHERE r.kind = 'Release' AND (r.spec ->> 'number')::int < (a.status ->> 'release')::int - 2 ORDER BY 1 DESC LIMIT 1`,
      [NAME],
    );
    const report = await measured(() => api(platform, "POST", inDemo(`/apps/${NAME}/rollback`), { release: older?.number }));
    expect(report.failures).toEqual([]);
    expect(Object.keys(report.bodies).length).toBe(2);
  });
});

describe("the measurement (negative controls)", () => {
  it("sees an ingress that stands still for 200 ms", async () => {
    const report = await measured(async () => {
      const workers = await ingressWorkers(platform);
      expect(workers.length).toBeGreaterThan(0);
      for (const pid of workers) process.kill(pid, "SIGSTOP");
      await sleep(200);
      for (const pid of workers) process.kill(pid, "SIGCONT");
    });
    expect(report.longestGapMs).toBeGreaterThanOrEqual(180);
  });

  it("counts what fails while no instance is offered for 200 ms", async () => {
    const [instance] = await query<{ uid: string }>(
      platform,
      "SELECT i.uid FROM objects i JOIN objects a ON a.uid = i.owner_uid AND a.name = $1 WHERE i.kind = 'Instance'",
      [NAME],
    );
    const servers = (await runtimeCommand(platform, "show servers state"))
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, , , server]) => server === instance?.uid)
      .map(([, backend, , server]) => `${backend}/${server}`);
    expect(servers).toHaveLength(1);
    const report = await measured(async () => {
      for (const server of servers) await runtimeCommand(platform, `set server ${server} state maint`);
      await sleep(200);
      for (const server of servers) await runtimeCommand(platform, `set server ${server} state ready`);
    });
    expect(report.failures.length).toBeGreaterThan(0);
    expect(report.failures.every(({ reason }) => reason === "status 503")).toBe(true);
  });
});

async function releaseOf(): Promise<number> {
  const [row] = await query<{ release: number }>(
    platform,
    "SELECT (status ->> 'release')::int AS release FROM objects WHERE kind = 'App' AND name = $1",
    [NAME],
  );
  return row?.release ?? 0;
}
