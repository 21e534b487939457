import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, callApi, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { versionFile, webApp } from "../support/files.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";

let started: StartedPlatform | undefined;
let platform: Platform;
/** The repository elsewhere: another app's, over smart HTTP with a token. */
let upstream: App;
let follower: App;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  [upstream, follower] = [await createApp(platform, "upstream"), await createApp(platform, "follower")];
});
afterAll(async () => {
  await follower?.remove();
  await upstream?.remove();
  await started?.stop();
});

interface Connection {
  readonly webhook: string;
  readonly secret: string;
  readonly commit?: string;
  readonly failure?: string;
}
const connection = () => api<Connection>(platform, "GET", inDemo("/apps/follower/connection"));

async function serves(version: string): Promise<void> {
  const url = `http://127.0.0.1:${platform.place.httpPort}/`;
  const argv = insidePlatform(platform, ["curl", "-sS", "--max-time", "20", "-H", `Host: ${follower.host}`, url]);
  await expect.poll(async () => (await run(argv)).stdout.trim(), { timeout: 60_000, interval: 200 }).toBe(version);
}

describe("an app that is connected to a repository elsewhere", () => {
  it("is deployed from it at once, and again when its webhook is called", async () => {
    const first = await upstream.push(webApp("first"));
    expect(first.code, first.text).toBe(0);
    await api(platform, "POST", inDemo("/apps"), { name: "follower" });
    const url = `http://localhost:${platform.place.httpPort}/git/demo/demo/upstream.git`;
    const made = await api<Connection>(platform, "PUT", inDemo("/apps/follower/connection"), {
      url,
      auth: { kind: "token", token: platform.token },
    });
    await serves("first");
    expect((await connection()).failure).toBeUndefined();
    const second = await upstream.push(versionFile("second"));
    expect(second.code, second.text).toBe(0);
    const hook = new URL(made.webhook).pathname;
    const call = (secret: string) => callApi(platform, "POST", hook, { ref: "refs/heads/main" }, { authorization: `Bearer ${secret}` });
    expect((await call("forged")).status).toBe(401);
    expect(await call(made.secret)).toMatchObject({ status: 202 });
    await serves("second");
    expect((await connection()).commit).toBe(second.commit);
    await untilSettled(platform, "follower");
  });

  it("takes pushes only when it is connected no more", async () => {
    const refused = await follower.push(webApp("pushed"));
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(/is deployed from http:.*push there.*plim disconnect follower/);
    await api(platform, "DELETE", inDemo("/apps/follower/connection"));
    const taken = await follower.push(versionFile("pushed again"));
    expect(taken.code, taken.text).toBe(0);
    await serves("pushed again");
    await untilSettled(platform, "follower");
  });
});
