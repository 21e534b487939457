import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { refusal } from "./fake-api.ts";
import { ago, HOUR, MINUTE } from "./fixtures.ts";
import { shopWorld } from "./worlds.ts";

const APP = "/namespaces/acme/store/apps/shop";
const branch = (name: string, more: object = {}) => ({
  kind: "branch",
  name,
  commit: "4f2c1d9a".repeat(5),
  subject: "Free shipping above 50",
  author: "Ana",
  committedAt: ago(12 * MINUTE),
  deployed: false,
  live: false,
  ...more,
});
const BRANCHES = [
  branch("main", { deployed: true, live: true }),
  branch("feature/a-branch-with-a-name-that-somebody-thought-about-for-a-long-time", { author: "A person with a long name" }),
  branch("v1.2", { kind: "tag", committedAt: ago(3 * HOUR) }),
  ...Array.from({ length: 30 }, (_, at) => branch(`fix/${at}`, { committedAt: ago((at + 4) * HOUR) })),
];
const KEY = {
  id: "key_1",
  name: "ci of shop",
  fingerprint: `SHA256:${"x".repeat(43)}`,
  access: "write",
  addedBy: "Ana",
  createdAt: ago(HOUR),
};
const CONNECTION = {
  url: "https://github.com/acme/shop.git",
  branch: "main",
  provider: "github",
  auth: "token",
  webhook: "http://localhost:8080/api/v1/hooks/Zm9vYmFyYmF6cXV4",
  createdBy: "Ana",
  createdAt: ago(HOUR),
  lookedAt: ago(MINUTE),
  commit: "4f2c1d9a".repeat(5),
  build: "shop-b7",
};

const portal = eachInPortal(shopWorld);
const open = (options?: Parameters<typeof portal.open>[1]) => portal.open("/acme/store/apps/shop/repository", options);

function serve(state: { connection?: object; branches?: readonly object[]; keys?: readonly object[] }): void {
  portal.api.on("GET", `${APP}/connection`, () => state.connection ?? refusal(404, "not_found", "App shop is connected to no repository."));
  portal.api.on("GET", `${APP}/branches`, () => ({ items: state.branches ?? [], more: false }));
  portal.api.on("GET", `${APP}/deploy-keys`, () => ({ items: state.keys ?? [] }));
}

describe("an app's repository", () => {
  it("is empty at first, and is connected to one elsewhere, whose webhook's secret is shown once", async () => {
    const state: { connection?: object } = {};
    serve(state);
    portal.api.on("PUT", `${APP}/connection`, (_, body: object) => {
      expect(body).toEqual({ url: CONNECTION.url, branch: "main", auth: { kind: "token", token: "t0ken" } });
      state.connection = CONNECTION;
      return { ...CONNECTION, secret: "the-secret-of-the-webhook" };
    });
    const page = await open();
    await page.getByText("Nothing was pushed yet").waitFor();
    await page.getByRole("textbox", { name: "Repository" }).fill(CONNECTION.url);
    await page.getByLabel("Token", { exact: true }).fill("t0ken");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("the-secret-of-the-webhook").waitFor();
    await page.getByRole("table", { name: "Connected repository" }).getByText(CONNECTION.url).waitFor();
    await page.reload();
    await page.getByRole("table", { name: "Connected repository" }).waitFor();
    expect(await page.getByText("the-secret-of-the-webhook").count()).toBe(0);
  });

  it("opens what is reached over SSH by a key, without asking for a token", async () => {
    serve({});
    let asked: unknown;
    portal.api.on("PUT", `${APP}/connection`, (_, body: object) => {
      asked = body;
      return { ...CONNECTION, auth: "key", publicKey: "ssh-ed25519 AAAA plimsoll-shop", secret: "s" };
    });
    const page = await open();
    await page.getByRole("textbox", { name: "Repository" }).fill("git@git.example:acme/shop.git");
    expect(await page.getByLabel("Token", { exact: true }).count()).toBe(0);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.getByText("ssh-ed25519 AAAA plimsoll-shop").first().waitFor();
    expect(asked).toMatchObject({ auth: { kind: "key" } });
  });

  it("lists what is stored and deploys a branch; keys come and go; a connection says why nothing came of it", async () => {
    const keys = [KEY];
    serve({ branches: BRANCHES, keys, connection: { ...CONNECTION, failure: "it does not take the token" } });
    portal.api.on("POST", `${APP}/deploy-branch`, (_, body: object) => {
      expect(body).toEqual({ branch: "fix/3" });
      return { metadata: { name: "shop-b8" }, spec: { number: 8 } };
    });
    portal.api.on("DELETE", `${APP}/deploy-keys/key_1`, () => {
      keys.pop();
      return undefined;
    });
    const page = await open();
    const branches = page.getByRole("table", { name: "Branches and tags" });
    await branches.getByText("pushes deploy it").waitFor();
    expect(await branches.locator("tbody tr").count()).toBe(20);
    expect(await page.getByRole("button", { name: "Deploy main" }).count()).toBe(0);
    expect(await page.getByRole("button", { name: "Deploy v1.2" }).count()).toBe(0);
    await page.getByText("it does not take the token").waitFor();
    await page.getByRole("button", { name: "Deploy fix/3", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("plim deploy shop --branch fix/3 -n acme/store").waitFor();
    await dialog.getByRole("button", { name: "Deploy", exact: true }).click();
    await dialog.getByRole("link", { name: "See build 8" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Remove deploy key ci of shop" }).click();
    await page.getByRole("table", { name: "Deploy keys" }).waitFor({ state: "detached" });
  });

  // The dark one differs in colours only: for who looks at it.
  const schemes = process.env.PLIMSOLL_TEST_SCREENSHOTS === undefined ? (["light"] as const) : (["light", "dark"] as const);
  it.each(schemes)("fits a phone and a desk with nothing and with much, %s", async (colorScheme) => {
    const much = {
      branches: BRANCHES,
      keys: [KEY],
      connection: { ...CONNECTION, failure: "plimsoll.yaml:1:1: there is no key `procesess`" },
    };
    for (const [name, state] of Object.entries({ nothing: {}, much })) {
      serve(state);
      for (const width of [390, 1280]) {
        const page = await open({ viewport: { width, height: 900 }, colorScheme });
        await page.getByRole("textbox", { name: "Public key" }).waitFor();
        await page.getByRole(name === "much" ? "table" : "textbox", { name: name === "much" ? "Deploy keys" : "Repository" }).waitFor();
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
        const shots = process.env.PLIMSOLL_TEST_SCREENSHOTS;
        if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}-${colorScheme}-${width}.png`, fullPage: true });
      }
    }
  });
});
