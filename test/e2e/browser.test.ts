import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launch } from "../../apps/portal/test/browser.ts";
import { command, thisPlatform } from "../setup/platform.ts";

const platform = thisPlatform();
const ORIGIN = `http://localhost:${platform.httpPort}`;
const APP = "story";
const LIVE = `http://${APP}-demo.localhost:${platform.httpPort}`;
const LIVE_TIMEOUT_MS = 90_000;

const server = (text: string) => `
const http = require("node:http");
const server = http.createServer((request, response) => { console.log("asked for " + request.url); response.end("${text}"); });
server.listen(process.env.PORT, () => console.log("listening for the story"));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`;

let browser: Browser;
let page: Page;
let home: string;
const errors: string[] = [];

beforeAll(async () => {
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.on("pageerror", (error) => errors.push(error.message));
  home = await mkdtemp(join(tmpdir(), "plimsoll-e2e-story-"));
});
afterAll(async () => {
  await browser?.close();
  await rm(home, { recursive: true, force: true });
});

/** A developer's machine: a key of its own and a repository. */
async function push(text: string): Promise<string> {
  const tree = join(home, "story");
  const env = {
    ...minimalEnv,
    HOME: home,
    GIT_SSH_COMMAND: `ssh -F /dev/null -i ${home}/key -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`,
  };
  const git = (...args: string[]) =>
    run(["git", "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", ...args], { cwd: tree, env, timeoutMs: LIVE_TIMEOUT_MS });
  await mkdir(tree, { recursive: true });
  await git("init", "-q", "-b", "main");
  await writeFile(join(tree, "Dockerfile"), 'FROM node:22\nCOPY server.js /\nCMD ["node", "/server.js"]\n');
  await writeFile(join(tree, "server.js"), server(text));
  await git("add", "-A");
  await git("commit", "-q", "-m", `Say ${text}`);
  return (await git("push", `ssh://git@localhost:${platform.sshPort}/demo/demo/${APP}.git`, "main")).stderr;
}

async function shown(): Promise<string> {
  const other = await page.context().newPage();
  try {
    await other.goto(LIVE);
    return (await other.textContent("body")) ?? "";
  } finally {
    await other.close();
  }
}

describe("the whole story in a browser", () => {
  it("claim: the one-time link makes the first administrator", async () => {
    // Every start makes a new link and forgets the one before; another test may have started the platform again.
    const claimUrl = /Portal +(http\S+)/.exec(await command("start"))?.[1] ?? "";
    await page.goto(claimUrl);
    await page.getByRole("textbox", { name: "Your name" }).fill("Ana");
    await page.getByRole("textbox", { name: "Email" }).fill("ana@acme.example");
    await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
    await page.getByRole("button", { name: "Claim and sign in" }).click();
    await page.waitForURL(`${ORIGIN}/demo/demo`);
    await page.getByRole("table", { name: "Apps" }).getByRole("link", { name: "hello", exact: true }).waitFor();
    // Once is once.
    const again = await (await browser.newContext()).newPage();
    await again.goto(claimUrl);
    await again
      .getByText(/administrator already|log in instead|not valid/i)
      .first()
      .waitFor();
    await again.context().close();
  });

  it("push: a key added in the portal opens git, and the dashboard follows without a reload", async () => {
    await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ana", "-f", join(home, "key")]);
    await page.goto(`${ORIGIN}/account#ssh-keys`);
    await page.getByRole("textbox", { name: "Public key" }).fill(await readFile(join(home, "key.pub"), "utf8"));
    await page.getByRole("button", { name: "Add SSH key" }).click();
    await page
      .getByText(/SHA256:/)
      .first()
      .waitFor();

    await page.goto(`${ORIGIN}/demo/demo`);
    const pushed = push("first words");
    const apps = page.getByRole("table", { name: "Apps" });
    await apps.getByRole("link", { name: APP, exact: true }).waitFor({ timeout: LIVE_TIMEOUT_MS });
    await apps.getByRole("row").filter({ hasText: APP }).getByText("live").first().waitFor({ timeout: LIVE_TIMEOUT_MS });
    expect(await pushed).toMatch(/Live {2}http:\/\/story-demo\.localhost/);
  });

  it("live: the URL serves what was pushed", async () => {
    expect(await shown()).toBe("first words");
  });

  it("log: the instance's page shows what it writes", async () => {
    await page.goto(`${ORIGIN}/demo/demo/apps/${APP}`);
    await page.getByRole("table", { name: "Instances" }).getByRole("link", { name: "web-1" }).click();
    const log = page.getByRole("log", { name: "Log" });
    await log.getByText("listening for the story").waitFor();
    await shown();
    await log.getByText("asked for /").first().waitFor();
  });

  it("scale: a second instance gets ready while the page is watched", async () => {
    await page.goto(`${ORIGIN}/demo/demo/apps/${APP}`);
    await page.getByRole("textbox", { name: "Instances of web" }).fill("2");
    await page.getByRole("button", { name: "Scale web" }).click();
    const second = page.getByRole("table", { name: "Instances" }).getByRole("row").filter({ hasText: "web-2" });
    await second.getByText("ready").first().waitFor({ timeout: LIVE_TIMEOUT_MS });
  });

  it("rollback: the release before serves again", async () => {
    await push("second thoughts");
    expect(await shown()).toBe("second thoughts");
    await page.goto(`${ORIGIN}/demo/demo/apps/${APP}`);
    await page.getByRole("button", { name: "Roll back…" }).click();
    await page.getByRole("button", { name: "Roll back to v1" }).click();
    await page.getByRole("heading", { level: 1, name: /Release v1.*complete/ }).waitFor({ timeout: LIVE_TIMEOUT_MS });
    expect(await shown()).toBe("first words");
  });

  it("and no page threw", () => {
    expect(errors).toEqual([]);
  });
});
