import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { refusal } from "./fake-api.ts";
import { ago, GIB, HOUR, MIB, MINUTE } from "./fixtures.ts";
import { emptyWorld } from "./worlds.ts";

const COMMIT = "4f2c1d9a".repeat(5);
const REGISTRY = "localhost:8080";
const image = (app: string, tag: string, kind: string, more: object = {}) => ({
  app,
  tag,
  kind,
  reference: `${REGISTRY}/acme/store/${app}:${tag}`,
  sizeBytes: 61 * MIB,
  createdAt: ago(12 * MINUTE),
  ...more,
});
const PUSHED = image("shop", "1.4", "pushed", { digest: `sha256:${"9a41".repeat(16)}`, createdAt: ago(HOUR) });
const LIST = {
  registry: REGISTRY,
  usedBytes: 340 * MIB,
  limitBytes: 10 * GIB,
  items: [
    image("shop", "v14", "release", { release: 14 }),
    image("shop", COMMIT, "commit", { release: 14 }),
    image("shop", "spring", "git-tag", { release: 14, digest: `sha256:${"77aa".repeat(16)}` }),
    PUSHED,
    image("worker-with-a-long-name", "2026-11-21-nightly-build-of-everything", "pushed", { digest: `sha256:${"00ff".repeat(16)}` }),
  ],
};

const portal = eachInPortal(emptyWorld);
const open = (options?: Parameters<typeof portal.open>[1]) => portal.open("/acme/store/images", options);

describe("the images of a namespace", () => {
  it("are listed, searched, and deleted once it is said again", async () => {
    let items: readonly object[] = LIST.items;
    portal.api.on("GET", "/namespaces/acme/store/images", () => ({ ...LIST, items }));
    portal.api.on("DELETE", "/namespaces/acme/store/apps/:app/images/:reference", ({ app, reference }) => {
      expect({ app, reference }).toEqual({ app: "shop", reference: "1.4" });
      items = LIST.items.filter((one) => one !== PUSHED);
      return { tags: ["1.4"] };
    });
    const page = await open();
    const table = page.getByRole("table", { name: "What can be pulled" });
    await table.getByText("commit of v14").waitFor();
    expect(await table.locator("tbody tr").count()).toBe(5);
    // Releases go with themselves.
    expect(await table.getByRole("button").count()).toBe(2);
    await page.getByRole("textbox", { name: "Search" }).fill("SHOP:1");
    expect(await table.locator("tbody tr").count()).toBe(1);
    await table.getByRole("button", { name: "Delete shop:1.4" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("plim images delete shop:1.4 -n acme/store").waitFor();
    await dialog.getByRole("button", { name: "Delete image" }).click();
    await dialog.waitFor({ state: "hidden" });
    await page.getByRole("status").getByText("0 of 4").waitFor();
    await page.getByRole("textbox", { name: "Search" }).fill("");
    expect(await table.locator("tbody tr").count()).toBe(4);
  });

  it("say how the first one gets there", async () => {
    portal.api.on("GET", "/namespaces/acme/store/images", () => ({ ...LIST, items: [], usedBytes: 0 }));
    const page = await open({ viewport: { width: 390, height: 800 } });
    await page.getByText("Nothing yet.").waitFor();
    await page.getByText(`docker push ${REGISTRY}/acme/store/shop:1.4`).waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBe(0);
  });

  it("say so where there is no registry", async () => {
    portal.api.on("GET", "/namespaces/acme/store/images", () => refusal(503, "unavailable", "This platform has no registry running."));
    const page = await open();
    await page.getByRole("alert").getByText("This platform has no registry running.").waitFor();
  });
});
