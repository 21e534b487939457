import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { versionFile, webApp } from "../support/files.ts";
import { startMeter } from "../support/load.ts";
import { type StartedPlatform, usePlatform } from "../support/platform.ts";
import { kill, recorded, untilBack } from "../support/processes.ts";

/** Without the server's word an agent has only what it was told before it was killed, which may be of yesterday. */
const NAME = "returned";
/** An agent is up and has restored what it kept within one second; requests are watched for longer. */
const ALONE_MS = 4_000;

let started: StartedPlatform;
let app: App;

beforeAll(async () => {
  started = await usePlatform();
  app = await createApp(started.platform, NAME);
});
afterAll(async () => {
  await app?.remove();
  await started?.stop();
});

it("an agent that comes back with an old desired state takes nothing away that runs, and no route back", async () => {
  const { platform } = started;
  const kept = join(platform.host.stateDir, "desired.sealed");
  expect(await app.push(webApp("first"))).toMatchObject({ code: 0 });
  await untilSettled(platform, NAME);
  const old = await readFile(kept);
  expect(await app.push(versionFile("second"))).toMatchObject({ code: 0 });
  await untilSettled(platform, NAME);

  const meter = await startMeter(platform, app.host);
  const server = recorded(platform, "server");
  const agent = recorded(platform, "agent");
  if (server === undefined || agent === undefined) throw new Error("server and agent do not run");
  process.kill(server.pid, "SIGSTOP");
  try {
    // It must not write its newer state over ours.
    process.kill(agent.pid, "SIGSTOP");
    await writeFile(kept, old);
    const { victim } = kill(platform, "agent");
    await untilBack(platform, "agent", victim);
    await sleep(ALONE_MS);
  } finally {
    process.kill(server.pid, "SIGCONT");
  }
  await untilSettled(platform, NAME);
  const report = await meter.stop();
  expect(report.failures).toEqual([]);
  expect(Object.keys(report.bodies)).toEqual(["second\n"]);
  expect(report.requests).toBeGreaterThan(50);
}, 120_000);
