import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, callApi, inDemo, untilServing } from "../support/api.ts";
import { walkApi } from "../support/api-walk.ts";
import { type App, createApp, demoScope, untilSettled } from "../support/app.ts";
import { untilChanged } from "../support/database.ts";
import { webApp } from "../support/files.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { withRedis } from "../support/redis.ts";
import { placesWith, textsWith } from "../support/search.ts";

/**
 * A secret's value goes to the instances that are to have it, into their root-only bundle, to the command of a build that asks for it, and
 * nowhere else: not when they are deployed, not when they crash, not into an error. The same search finds a value that is no secret.
 */
const NAME = "canary";
const SECRET = `canary-${randomBytes(18).toString("hex")}`;
const PLAIN = `plain-${randomBytes(18).toString("hex")}`;

let started: StartedPlatform | undefined;
let platform: Platform;
let app: App | undefined;
/** What people and programs were answered while all this was done. */
const told = new Map<string, string>();

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  app = await createApp(platform, NAME);
  await api(platform, "POST", inDemo("/apps"), { name: NAME });
  await tell("PATCH", inDemo(`/apps/${NAME}`), { env: { PLAIN } });
  await tell("PUT", inDemo(`/apps/${NAME}/secrets/CANARY`), { value: SECRET });
  const { code, text } = await app.push(buildingWith(webApp("canary")));
  told.set("git push", text);
  expect(code).toBe(0);
  await tell("PUT", inDemo(`/apps/${NAME}/secrets/CANARY_2`), { value: `${SECRET} again` });
  await untilSettled(platform, NAME);
});

afterAll(async () => {
  await app?.remove();
  await started?.stop();
});

describe("a secret's value", () => {
  it("arrives where it is meant to", async () => {
    const digest = createHash("sha256").update(SECRET).digest("hex");
    expect((await get("/digest-of-CANARY")).trim()).toBe(digest);
    const { text } = await callApi(platform, "POST", inDemo(`/apps/${NAME}/secrets/CANARY/reveal`));
    expect(JSON.parse(text)).toEqual({ value: SECRET });
  });

  it("is not told back by what refuses it", async () => {
    for (const [name, value] of [
      ["CANARY", `${SECRET}\0`],
      ["NOT-A-NAME", SECRET],
      ["PORT", SECRET],
      ["PLAIN", SECRET],
      ["CANARY", [SECRET]],
      ["CANARY", `${SECRET}${"x".repeat(70_000)}`],
    ] as const)
      expect(await tell("PUT", inDemo(`/apps/${NAME}/secrets/${name}`), { value })).toBeGreaterThanOrEqual(400);
  });

  it("is nowhere after deploys, an exit and a death by memory, but in the authorised reveal", async () => {
    await crash("/exit", ({ code }) => code === 3);
    await crash("/memory", ({ outOfMemory }) => outOfMemory);
    await untilSettled(platform, NAME);
    const answers = await walkApi(platform);
    expect(textsWith(SECRET, told)).toEqual([]);
    expect(textsWith(SECRET, answers)).toEqual([]);
    expect(await placesWith(platform, SECRET)).toEqual([]);
    // The bundle is the exception, and it is on no disk.
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toMatch(new RegExp(` ${platform.host.bundlesDir} .* - (tmpfs|ramfs) `));
    const { stdout } = await run(["grep", "-rlF", "--devices=skip", "--file=-", platform.host.bundlesDir], { stdin: SECRET });
    expect(stdout).toContain("config.json");
    // What a host is answered is sealed to its key.
    const { credential } = JSON.parse(readFileSync(join(platform.host.stateDir, "identity.json"), "utf8")) as { credential: string };
    const desired = await callApi(platform, "GET", "/api/agent/v1/desired", undefined, { authorization: `Bearer ${credential}` });
    expect(desired.status).toBe(200);
    expect(desired.text).toContain("sealedEnv");
    expect(textsWith(SECRET, new Map([["desired", desired.text]]))).toEqual([]);
  });
});

describe("the search (negative control)", () => {
  it("finds a value that is no secret, in the API and on disk", async () => {
    const answers = textsWith(PLAIN, await walkApi(platform));
    for (const path of [`/apps/${NAME}`, `/releases/${NAME}-v1`]) expect(answers).toContain(inDemo(path));
    expect(answers.some((path) => path.startsWith("/api/v1/watch"))).toBe(true);
    const places = await placesWith(platform, PLAIN);
    expect(places).toContain("unpacked/dump.sql");
    for (const part of [`${platform.layout.postgresDir}/base/`, `${platform.layout.postgresDir}/pg_wal/`])
      expect(places.some((place) => place.startsWith(part))).toBe(true);
  });

  it("finds what is in a commit, a log, Redis, an image and a process's environment", async () => {
    if (app === undefined) throw new Error("no app");
    const planted = `planted-${randomBytes(18).toString("hex")}`;
    const key = "plimsoll-canary-control";
    await withRedis(platform, (redis) => redis.set(key, Buffer.from(planted).toString("base64")));
    const { code } = await app.push({ ...webApp("canary"), "say.txt": planted, ...saying(planted) });
    expect(code).toBe(0);
    await untilSettled(platform, NAME);
    const places = await placesWith(platform, planted);
    await withRedis(platform, (redis) => redis.del(key));
    const has = (part: string) =>
      expect(
        places.some((place) => place.includes(part)),
        `${part} in ${places.join("\n")}`,
      ).toBe(true);
    for (const part of ["unpacked/git-", `${platform.host.layersDir}/`, `${platform.host.logsDir}/`, `${platform.layout.redisDir}/`])
      has(part);
  });
});

/** The status; the answer is kept for the search. */
async function tell(method: string, path: string, body: unknown): Promise<number> {
  const { status, text, headers } = await callApi(platform, method, path, body);
  told.set(`${method} ${path} ${told.size}`, `${text} ${JSON.stringify(headers)}`);
  return status;
}

async function get(path: string): Promise<string> {
  const url = `http://127.0.0.1:${platform.place.httpPort}${path}`;
  return (await run(insidePlatform(platform, ["curl", "-sS", "-H", `host: ${app?.host}`, url]), { okCodes: [0, 52, 56] })).stdout;
}

/** Makes the app crash and waits until the platform has said how. */
async function crash(path: string, wasIt: (exit: { readonly code: number; readonly outOfMemory: boolean }) => boolean): Promise<void> {
  // It may be on its way up again after the last one: a request that nobody gets makes nothing crash.
  await expect.poll(() => get("/"), { timeout: 60_000, interval: 200 }).toBe("canary\n");
  await get(path);
  await untilChanged(platform, await demoScope(platform), `the crash by ${path}`, 60_000, async (client) => {
    const { rows } = await client.query<{ exit: { code: number; outOfMemory: boolean } | null }>(
      `SELECT i.status -> 'lastExit' AS exit FROM objects i JOIN objects a ON a.uid = i.owner_uid AND a.name = $1 WHERE i.kind = 'Instance'`,
      [NAME],
    );
    return rows.some(({ exit }) => exit !== null && wasIt(exit)) ? true : undefined;
  });
}

/** The same app, and a command of its build that asks for the secret, finds the right one and prints it. */
function buildingWith(files: ReturnType<typeof webApp>): ReturnType<typeof webApp> {
  const digest = createHash("sha256").update(SECRET).digest("hex");
  const mounts = "--mount=type=secret,id=CANARY,required --mount=type=secret,id=CANARY,env=IN_BUILD";
  const command = `RUN ${mounts} sha256sum /run/secrets/CANARY | grep -q ^${digest} && cat /run/secrets/CANARY && env`;
  return { ...files, Dockerfile: (files.Dockerfile ?? "").replace("CMD", `${command}\nCMD`) };
}

/** The same app, and the text in its log. */
function saying(text: string): { readonly "server.mjs": string; readonly Dockerfile: string } {
  const files = webApp("canary");
  return {
    "server.mjs": `console.log(${JSON.stringify(text)});\n${files["server.mjs"]}`,
    Dockerfile: (files.Dockerfile ?? "").replace("version.txt ./", "version.txt say.txt ./"),
  };
}
