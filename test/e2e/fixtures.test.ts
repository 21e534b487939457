import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Resource } from "@plimsoll/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { api, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, demoScope, type PushResult } from "../support/app.ts";
import { fixture, openPage, plimOf } from "../support/fixture.ts";
import { startMeter } from "../support/load.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { isLive, said } from "../support/pushed.ts";

/** Repositories of test/fixtures, really pushed: what their users see, and that nobody beside them is hurt by those that go wrong. */

/** Also those that take minutes, and the others at full size: `npm run test:fixtures`. */
const WHOLE = process.env.PLIMSOLL_TEST_EVERY_LANGUAGE !== undefined;
/** What somebody waits for who has just been told something. */
const SOON = { timeout: 30_000, interval: 200 };
/** Live with every platform; stands for everybody else's apps. */
const NEIGHBOUR = "hello-demo.localhost";
const MIB = 1024 * 1024;

let started: StartedPlatform | undefined;
let platform: Platform;
let home: string;
let plim: (...words: string[]) => Promise<string>;
const apps: App[] = [];

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-fixtures-"));
  plim = await plimOf(platform, home);
});
// At once: the namespace's quota is small.
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.remove()));
});
afterAll(async () => {
  await started?.stop();
  if (home !== undefined) await rm(home, { recursive: true, force: true });
});

async function pushFixture(path: string, env: Readonly<Record<string, string>> = {}): Promise<{ app: App; pushed: PushResult }> {
  const name = basename(path);
  const app = await createApp(platform, name);
  apps.push(app);
  await api(platform, "POST", inDemo("/apps"), { name, spec: { source: { kind: "git" }, env } });
  return { app, pushed: await app.push(await fixture(path)) };
}

async function deployFixture(name: string, env: Readonly<Record<string, string>> = {}): Promise<App> {
  const { app, pushed } = await pushFixture(name, env);
  isLive(pushed);
  return app;
}

const open = ({ host }: App, path = "/") => openPage(platform, host, path);

async function instanceOf(app: App): Promise<Resource<"Instance">> {
  const { items } = await api<{ items: Resource<"Instance">[] }>(platform, "GET", inDemo(`/instances?app=${app.name}`));
  const [instance] = items;
  if (instance === undefined) throw new Error(`${app.name} has no instance`);
  return instance;
}

/** Does something while the neighbour is asked all the time: each request is answered, and at the pace of an idle machine, times ten. */
async function besideNeighbour<T>(work: () => Promise<T>): Promise<T> {
  const meter = await startMeter(platform, NEIGHBOUR, { connections: 2, pauseMs: 40, timeoutMs: 20_000 });
  let done: T;
  try {
    done = await work();
  } finally {
    const { failures, requests, p50Ms, maxMs } = await meter.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(5);
    expect(p50Ms).toBeLessThan(500);
    expect(maxMs).toBeLessThan(10_000);
  }
  return done;
}

describe("a repository that is built and served as it is", () => {
  it("may have no port: it works, and nobody is sent to a URL that nothing answers", async () => {
    const { app, pushed } = await pushFixture("worker-only");
    expect(pushed.code, pushed.text).toBe(0);
    expect(said(pushed)).toMatch(/^Live, without a URL: no process of it has a port {5}\d/m);
    expect(said(pushed)).not.toContain("http://");
    await expect.poll(() => plim("logs", app.name), SOON).toMatch(/worker-1 job 2 done, PORT is not set/);
    expect(await plim("describe", app.name)).toMatch(/^Live +without a URL: no process has a port[\s\S]*^Process +worker +1\/1 ready/m);
  });

  it("is reached at its URL by whatever name its process has", async () => {
    const app = await createApp(platform, "other-name");
    apps.push(app);
    const files = { ...(await fixture("crashes")), "plimsoll.yaml": "processes: { api: { port: 3000, memory: 96 MiB, cpu: 0.1 } }\n" };
    isLive(await app.push(files));
    await expect.poll(() => open(app), SOON).toBe("still here");
  });

  it("may mount whatever a Dockerfile can, and nothing of a mount is in the image", async () => {
    const { app, pushed } = await pushFixture("every-mount");
    expect(pushed.code).toBe(1);
    expect(said(pushed)).toMatch(
      /needs the secret FIXTURE_TOKEN, which the app does not have\. Set it, then push again: `plim secrets set every-mount FIXTURE_TOKEN --from FILE`/,
    );
    const token = "s3cret-of-the-fixture";
    await api(platform, "PUT", inDemo(`/apps/${app.name}/secrets/FIXTURE_TOKEN`), { value: token });
    const again = await app.push({});
    isLive(again);
    expect(again.text + pushed.text).not.toContain(token);
    const served = async () => JSON.parse(await open(app)) as unknown;
    const built = {
      "bind.txt": "stamped: from the context",
      "bind-rw.txt": "changed",
      "cache.txt": "1",
      "tmpfs.txt": "full at 1048576",
      "secret.txt": String(token.length),
    };
    await expect.poll(served, SOON).toEqual({ built, left: [] });
    isLive(await app.push({ "message.txt": "another\n" }));
    await expect.poll(served, SOON).toEqual({ built: { ...built, "bind.txt": "stamped: another", "cache.txt": "2" }, left: [] });
  });
});

describe("a repository whose program goes wrong", () => {
  it("never gets ready: the push says what was asked, what was answered and what the program wrote last", async () => {
    const { pushed } = await pushFixture("never-ready");
    expect(pushed.code).toBe(1);
    expect(said(pushed)).toContain(
      "not ready after 5 s: GET /healthz on port 8080 answered 503\n         last lines:\n           cannot reach the database, trying again\n",
    );
    expect(said(pushed)).toContain("Nothing is live yet. Why: plim describe deployment 1\n");
    expect(pushed.text).toContain("(release v1 never became ready)");
  });

  it("falls over again and again: it is started with growing pauses, and both are told", async () => {
    // Long enough to be found ready on a machine that is busy.
    const afterMs = WHOLE ? 60_000 : 4_000;
    const app = await deployFixture("crashes", WHOLE ? {} : { CRASH_AFTER_MS: String(afterMs) });
    await besideNeighbour(async () => {
      const restarts = async () => (await instanceOf(app)).status.restarts;
      await expect.poll(restarts, { timeout: afterMs + 30_000, interval: 200 }).toBeGreaterThanOrEqual(WHOLE ? 1 : 2);
      expect(await plim("events", app.name)).toMatch(
        /! Exited +web-1 \(v1, this-host\) exited with 1; it is started again with growing pauses/,
      );
      const backoff = async () => (await instanceOf(app)).status;
      if (!WHOLE) {
        await expect.poll(backoff, SOON).toMatchObject({
          phase: "backoff",
          message: "it exited with 1; it is started again after a pause",
          logTail: expect.arrayContaining(["Error: the cache is full"]),
        });
        expect(await plim("describe", app.name)).toMatch(/^State +✖ failing/m);
      }
      // By itself.
      await expect.poll(() => open(app), SOON).toBe("still here");
    });
  });

  it("eats memory: it is killed at its own limit, which is named, and is back", async () => {
    const app = await deployFixture("eats-memory");
    await expect.poll(() => open(app), SOON).toBe("hungry");
    await besideNeighbour(async () => {
      await open(app, "/eat");
      await expect
        .poll(() => plim("events", app.name), SOON)
        .toContain("! OutOfMemory   web-1 (v1, this-host) was killed: it needed more than its 96 MiB. Give the process more memory.");
      await expect.poll(() => open(app), SOON).toBe("hungry");
    });
    expect((await instanceOf(app)).status).toMatchObject({ restarts: 1, lastExit: { outOfMemory: true } });
  });

  it("forks without end: it stays within its processes, which is told with their number, and can be removed", async () => {
    const app = await deployFixture("forks-without-end");
    await expect.poll(() => open(app), SOON).toBe("alone");
    await besideNeighbour(async () => {
      await open(app, "/fork");
      await expect
        .poll(() => plim("events", app.name), SOON)
        .toMatch(/! TooManyProcesses +web-1 \(v1, this-host\) has had all of its 1024 processes and threads, and was refused another/);
      await app.remove();
    });
  });

  it("logs without end: its log keeps to its budget, and the end of it can be read", async () => {
    const bytes = WHOLE ? 1_000_000_000 : 80_000_000;
    const app = await deployFixture("logs-without-end", { LOG_BYTES: String(bytes) });
    await expect.poll(() => open(app), SOON).toBe("0");
    const { metadata } = await instanceOf(app);
    const directory = join(platform.host.logsDir, await demoScope(platform), metadata.uid);
    expect(existsSync(directory)).toBe(true);
    let most = 0;
    await besideNeighbour(async () => {
      await open(app, "/log");
      const last = async () => {
        most = Math.max(most, await sizeOf(directory));
        const line = (await plim("logs", app.name, "--tail", "1")).trim();
        most = Math.max(most, await sizeOf(directory));
        return line;
      };
      await expect.poll(last, { timeout: WHOLE ? 200_000 : 60_000, interval: 500 }).toMatch(/the last line$/);
    });
    expect(Number(await open(app))).toBeGreaterThanOrEqual(bytes);
    // One file that was put aside is always kept, and those have 10 MiB at least.
    expect(most).toBeGreaterThan(8 * MIB);
    expect(most).toBeLessThan(128 * MIB);
    expect(await sizeOf(directory)).toBeLessThan(110 * MIB);
  });
});

describe.runIf(WHOLE)("a repository with a toolchain of its own", () => {
  it.each([
    ["next-app", "/api/time", /"hello":"from Next\.js"/],
    ["go-scratch", "/", /^hello from scratch as 10001, 0 programs beside me$/],
    ["php-app", "/", /^hello from PHP 8, visit \d+, GRÜSSE$/],
  ])("is served: %s", async (name, path, page) => {
    const app = await deployFixture(name);
    await expect.poll(() => open(app, path), SOON).toMatch(page);
  });
});

/** Without a Dockerfile. Express, Vite, Procfile, Go and files alone are in repositories.test.ts, Python in fixtures-python.test.ts. */
describe.runIf(WHOLE)("a repository that says by its files what it is", () => {
  const detected = async (name: string, what: string, page: string | RegExp) => {
    const { app, pushed } = await pushFixture(`detected/${name}`);
    isLive(pushed);
    expect(said(pushed)).toContain(`No Dockerfile: this is ${what} (`);
    await expect.poll(() => open(app), SOON).toMatch(page);
  };

  it.each([
    ["node-pnpm", "a Hono app", "hello from Hono, without what built it"],
    ["node-yarn", "a Koa app", "hello from Koa"],
    ["node-yarn-berry", "a Koa app", "hello from Koa"],
    ["bun-app", "a Hono app", /^hello from Bun 1$/],
    ["deno-app", "a Deno program", /^hello from Deno 2$/],
    ["rust-app", "a Rust program", "hello from Rust"],
    ["php-pages", "a PHP site", /^hello from PHP 8 as 10001, page none$/],
    ["ruby-app", "a Ruby program", "hello from Ruby, of a gem of its own"],
    ["nest-app", "a Nest app", "hello from Nest"],
    ["remix-app", "a Remix app", /<h1>hello from Remix, as remix-app<\/h1>/],
  ])("%s, %s", detected);

  it("is served by Apache, which heeds .htaccess and shows nothing hidden: php-pages", async () => {
    const app = await deployFixture("detected/php-pages");
    await expect.poll(() => open(app, "/pages/two"), SOON).toMatch(/page two$/);
    expect(await open(app, "/.settings")).toContain("404 Not Found");
  });
});

async function sizeOf(directory: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(directory)).map(async (name) => {
      // One that was rotated away meanwhile takes no room.
      const found = await stat(join(directory, name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
      return found?.size ?? 0;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
