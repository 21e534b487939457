import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ImagePackages } from "@plimsoll/contracts";
import { PLATFORM_SCOPE, type Resource } from "@plimsoll/core";
import { openDatabase, PLATFORM } from "@plimsoll/db";
import { minimalEnv, run } from "@plimsoll/exec";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launch } from "../../apps/portal/test/browser.ts";
import { postgresUrl } from "../../scripts/platform/postgres.ts";
import { api, callApi, inDemo, untilServing } from "../support/api.ts";
import { type App, createApp, untilSettled } from "../support/app.ts";
import { insidePlatform, type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";

const NAME = "listed";
const TIMEOUT_MS = 120_000;
const PLIM = resolve(import.meta.dirname, "../../apps/cli/src/main.ts");

let started: StartedPlatform | undefined;
let platform: Platform;
let app: App;
let browser: Browser;
let home: string;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  await untilServing(platform);
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-sbom-"));
  [app, browser] = await Promise.all([createApp(platform, NAME), launchInside()]);
});
afterAll(async () => {
  await browser?.close();
  await app?.remove();
  await rm(home, { recursive: true, force: true });
  await started?.stop();
});

/** A browser where the platform is: it may have a network of its own. */
async function launchInside(): Promise<Browser> {
  const program = join(home, "chromium");
  const argv = insidePlatform(platform, [process.env.PLIMSOLL_CHROMIUM ?? "/usr/bin/chromium"]);
  await writeFile(program, `#!/bin/sh\nexec ${argv.map((word) => `'${word}'`).join(" ")} "$@"\n`, { mode: 0o755 });
  return launch(program);
}

const packageJson = (name: string, version: string) => JSON.stringify({ name, version, license: "MIT" });
/** What dpkg itself says inside the image is served, so that both lists can be laid side by side. */
const files = (more: Readonly<Record<string, string>> = {}) => ({
  Dockerfile: [
    "FROM node:22",
    "WORKDIR /app",
    "COPY . .",
    `RUN rm -r node_modules/gone && dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\\n' > packages.txt`,
    'CMD ["node", "server.mjs"]',
    "",
  ].join("\n"),
  "server.mjs": SERVER,
  "node_modules/kept/package.json": packageJson("kept", "1.2.3"),
  "node_modules/gone/package.json": packageJson("gone", "1.0.0"),
  ...more,
});
const SERVER = `import { readFileSync } from "node:fs";
import { createServer } from "node:http";
createServer((request, response) => response.end(readFileSync("/app/packages.txt"))).listen(Number(process.env.PORT));
process.once("SIGTERM", () => process.exit(0));
`;

async function plim(...words: readonly string[]) {
  const argv = insidePlatform(platform, [process.execPath, PLIM, ...words, "-n", "demo/demo"]);
  const env = { ...minimalEnv, HOME: home, PLIM_URL: `http://localhost:${platform.place.httpPort}`, PLIM_TOKEN: platform.token };
  return run(argv, { cwd: home, env, timeoutMs: TIMEOUT_MS });
}

/** A token of that kind, of a user with a role in team `demo` or in none. */
async function tokenOf(kind: "api" | "session", name: string, inDemoTeam: boolean): Promise<string> {
  const db = openDatabase(postgresUrl(platform.layout), await readFile(join(platform.layout.secretsDir, "platform.key")));
  try {
    return await db.write({ scope: PLATFORM }, async (tx) => {
      const email = `${name}@plimsoll.invalid`;
      const userId =
        (await tx.identities.credentials(email))?.id ??
        (await tx.identities.createUser({ name, email, passwordHash: "", operator: false })).id;
      const team = await tx.objects.findByName("Team", PLATFORM_SCOPE, "demo");
      if (inDemoTeam) await tx.identities.setMembership(userId, team?.metadata.uid ?? "", "developer");
      return (await tx.identities.createToken({ kind, name: "tests", userId, ttlMs: 3_600_000 })).secret;
    });
  } finally {
    await db.close();
  }
}

describe("the packages of a pushed app", () => {
  it("are what dpkg says inside it and what is left of node_modules, by plim", async () => {
    const pushed = await app.push(files());
    expect(pushed.code, pushed.text).toBe(0);
    await untilSettled(platform, NAME);
    const listed = JSON.parse((await plim("sbom", "-a", NAME, "--json")).stdout) as ImagePackages;
    const url = `http://127.0.0.1:${platform.place.httpPort}/`;
    const { stdout } = await run(insidePlatform(platform, ["curl", "-sS", "-m", "20", "-H", `Host: ${app.host}`, url]));
    const inside = stdout
      .trim()
      .split("\n")
      .filter((line) => line.endsWith(" installed"));
    const debian = listed.packages.filter(({ type }) => type === "deb").map(({ name, version }) => `${name} ${version} installed`);
    expect(debian.sort()).toEqual(inside.sort());
    expect(debian.length).toBeGreaterThan(50);
    const ours = listed.packages.filter(({ paths }) => paths[0]?.startsWith("app/"));
    expect(ours).toEqual([
      {
        type: "npm",
        name: "kept",
        version: "1.2.3",
        license: "MIT",
        purl: "pkg:npm/kept@1.2.3",
        paths: ["app/node_modules/kept/package.json"],
      },
    ]);
    const text = (await plim("sbom", "v1", "-a", NAME, "--type", "npm")).stdout;
    expect(text).toMatch(/^npm +kept +1\.2\.3 +MIT +app\/node_modules\/kept\/package\.json$/m);
    const document = JSON.parse((await plim("sbom", "-a", NAME, "--cyclonedx")).stdout) as { components: object[]; bomFormat: string };
    expect(document).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
    expect(document.components).toHaveLength(listed.packages.length);
  });

  it("follow the next push, whose unchanged layers are not read again", async () => {
    const pushed = await app.push(files({ "node_modules/new/package.json": packageJson("new", "2.0.0") }));
    expect(pushed.code, pushed.text).toBe(0);
    const names = async (release: string) =>
      (JSON.parse((await plim("sbom", release, "-a", NAME, "--json")).stdout) as ImagePackages).packages
        .filter(({ paths }) => paths[0]?.startsWith("app/"))
        .map(({ name }) => name);
    expect(await names("v2")).toEqual(["kept", "new"]);
    expect(await names("v1")).toEqual(["kept"]);
    const { items } = await api<{ items: Resource<"Build">[] }>(platform, "GET", inDemo(`/builds?app=${NAME}`));
    const build = items.find(({ status }) => status.release === 2);
    expect((await plim("sbom", "--build", `${build?.spec.number}`, "-a", NAME)).stdout).toMatch(/^npm +new /m);
  });

  it("are none of another tenant's business", async () => {
    const stranger = await tokenOf("api", "stranger", false);
    const path = inDemo(`/releases/${NAME}-v1/packages`);
    const asked = (token: string) => callApi(platform, "GET", path, undefined, { authorization: `Bearer ${token}` });
    expect((await asked(stranger)).status).toBe(404);
    // The control: a developer of the team is answered.
    expect((await asked(await tokenOf("api", "mate", true))).status).toBe(200);
  });

  it("are shown by the portal, from the release's page on", async () => {
    const origin = `http://localhost:${platform.place.httpPort}`;
    const context = await browser.newContext({ baseURL: origin, viewport: { width: 1280, height: 900 } });
    try {
      await context.addCookies([{ name: "plim_session", value: await tokenOf("session", "mate", true), url: origin }]);
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      const { items } = await api<{ items: Resource<"Deployment">[] }>(platform, "GET", inDemo(`/deployments?app=${NAME}`));
      const deployment = items.find(({ spec }) => spec.release === 2);
      await page.goto(`/demo/demo/apps/${NAME}/deployments/${deployment?.metadata.name}`);
      await page.getByRole("link", { name: "Packages" }).click();
      await page.getByRole("heading", { name: "Packages of v2" }).waitFor();
      await page.getByText("Debian GNU/Linux").waitFor();
      await page.getByRole("textbox", { name: "Search" }).fill("node_modules/new");
      const rows = page.getByRole("table", { name: "What the image holds" }).locator("tbody tr");
      await expect
        .poll(() => rows.allTextContents())
        .toEqual([expect.stringMatching(/^newapp\/node_modules\/new\/package\.json.*2\.0\.0.*MIT$/)]);
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CycloneDX" }).click()]);
      expect(download.suggestedFilename()).toBe(`${NAME}-v2.cdx.json`);
      const saved = JSON.parse(await readFile(await download.path(), "utf8")) as { metadata: { component: { name: string } } };
      expect(saved.metadata.component.name).toBe(`${NAME}-v2`);
      expect(errors).toEqual([]);
    } finally {
      await context.close();
    }
  });
});
