import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostLayout } from "@plimsoll/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, callApi, inDemo } from "../support/api.ts";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { webApp } from "../support/files.ts";
import { type Meter, startMeter } from "../support/load.ts";
import { type Platform, type StartedPlatform, startPlatform } from "../support/platform.ts";

interface Named {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly host: string };
  readonly status: { readonly phase: string };
}

const NAME = "mover";

let started: StartedPlatform;
let platform: Platform;
let second: HostLayout;
let app: App;
let meter: Meter | undefined;

beforeAll(async () => {
  started = await startPlatform({
    machines: 2,
    settings: ([first = ""]) => ({ PLIMSOLL_ADDRESS: first, PLIMSOLL_AGENT_LISTEN: `${first}:7443` }),
  });
  platform = started.platform;
  second = await joinSecond();
  app = await createApp(platform, NAME);
  expect(await app.push(webApp("first"))).toMatchObject({ code: 0 });
  await api(platform, "POST", inDemo(`/apps/${NAME}/scale`), { process: "web", replicas: 2 });
  await untilSettled(platform, NAME);
}, 400_000);

afterAll(async () => {
  await meter?.stop();
  await app?.close();
  await started?.stop();
}, 200_000);

/** The other machine becomes a host, by a token of its own. */
async function joinSecond(): Promise<HostLayout> {
  const { command } = await api<{ command: string }>(platform, "POST", "/api/v1/host-tokens", { roles: ["run"] });
  if (started.join === undefined) throw new Error("a platform of its own can be joined");
  return started.join(1, "host-b", command);
}

async function host(): Promise<Named | undefined> {
  const { items } = await api<{ items: Named[] }>(platform, "GET", "/api/v1/hosts");
  return items.find(({ metadata }) => metadata.name === "host-b");
}

async function instances(): Promise<readonly string[]> {
  const { items } = await api<{ items: Named[] }>(platform, "GET", inDemo(`/instances?app=${NAME}`));
  return items.map(({ spec, status }) => `${spec.host} ${status.phase}`).sort();
}

const poll = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 100_000, interval: 200 });

describe("a host that is taken away", () => {
  it("is emptied without a failed request, then removed, and cannot come back but by a new token", async () => {
    expect(await instances()).toEqual(["host-b ready", "this-host ready"]);
    const before = await host();
    expect(await callApi(platform, "DELETE", "/api/v1/hosts/host-b")).toMatchObject({ status: 409 });

    meter = await startMeter(platform, app.host);
    await api(platform, "PATCH", "/api/v1/hosts/host-b", { schedulable: false });
    await poll(instances).toEqual(["this-host ready", "this-host ready"]);
    const report = await meter.stop();
    expect(report.requests).toBeGreaterThan(20);
    expect(report.failures).toEqual([]);

    await api(platform, "DELETE", "/api/v1/hosts/host-b");
    expect(await host()).toBeUndefined();
    // Its agent asks again with all that it has, the token included, and is told in words.
    const log = () => readFileSync(join(dirname(dirname(second.stateDir)), "logs", "agent.log"), "utf8");
    await poll(async () => log()).toMatch(/none of the platform any more/);
    expect(await host()).toBeUndefined();

    await joinSecond();
    await poll(async () => (await host())?.status.phase).toBe("ready");
    expect((await host())?.metadata.uid).not.toBe(before?.metadata.uid);
    await api(platform, "POST", inDemo(`/apps/${NAME}/scale`), { process: "web", replicas: 3 });
    await untilSettled(platform, NAME);
    expect(await instances()).toContain("host-b ready");
  });
});
