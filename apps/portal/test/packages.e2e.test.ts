import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { refusal } from "./fake-api.ts";
import { ago, app, build, MINUTE } from "./fixtures.ts";
import { emptyWorld } from "./worlds.ts";

const IMAGE = `sha256:${"9a41".repeat(16)}` as const;
const LOOKED_FOR = [
  { type: "deb", what: "Debian's dpkg database" },
  { type: "npm", what: "package.json in node_modules" },
];
const NOTHING = { image: IMAGE, state: "listed", listedAt: ago(12 * MINUTE), counts: [], packages: [], notes: [], lookedFor: LOOKED_FOR };
const npm = Array.from({ length: 450 }, (_, at) => ({
  type: "npm",
  name: `package-${at}`,
  version: `1.${at}.0`,
  purl: `pkg:npm/package-${at}@1.${at}.0`,
  license: at % 2 === 0 ? "MIT" : "Apache-2.0",
  paths: [`app/node_modules/package-${at}/package.json`],
}));
const MUCH = {
  ...NOTHING,
  distribution: "Debian GNU/Linux 12 (bookworm)",
  counts: [
    { type: "deb", count: 2 },
    { type: "npm", count: 450 },
  ],
  packages: [
    { type: "deb", name: "adduser", version: "3.134", paths: ["var/lib/dpkg/status"] },
    {
      type: "deb",
      name: `a-name-that-goes-on-${"and-on-".repeat(20)}`,
      version: `1:2.0~${"rc".repeat(40)}`,
      paths: ["var/lib/dpkg/status", "b"],
      morePaths: 7,
    },
    ...npm,
  ],
  notes: ["It has an rpm database (var/lib/rpm/rpmdb.sqlite), which is not read: packages that came with rpm are missing here."],
};
const CONFIG = {
  architecture: "amd64",
  os: "linux",
  env: [],
  entrypoint: [],
  cmd: [],
  user: "",
  workingDir: "/",
  exposedPorts: [],
  labels: {},
} as const;
const OF_RELEASE = "/acme/store/apps/shop/releases/shop-v14/packages";

const portal = eachInPortal(emptyWorld);
const { open } = portal;
const answer = (packages: object) => portal.api.on("GET", "/namespaces/acme/store/releases/shop-v14/packages", () => packages);

describe("the packages of an image", () => {
  it("are counted, searched by name, place and kind, and downloaded", async () => {
    answer(MUCH);
    const page = await open(OF_RELEASE);
    await page.getByRole("heading", { name: "Packages of v14" }).waitFor();
    await page.getByText("Debian GNU/Linux 12 (bookworm)").waitFor();
    await page.getByText("plim sbom v14 -a shop").waitFor();
    const table = page.getByRole("table", { name: "What the image holds" });
    const rows = table.locator("tbody tr");
    // A part of them, and more when asked for.
    expect(await rows.count()).toBe(200);
    await page.getByRole("button", { name: "Show 252 more" }).click();
    expect(await rows.count()).toBe(452);
    await page.getByRole("textbox", { name: "Search" }).fill("node_modules/Package-44");
    expect(await rows.count()).toBe(11);
    await page.getByRole("status").getByText("11 of 452").waitFor();
    await page.getByRole("combobox", { name: "Kind" }).selectOption("deb");
    expect(await rows.count()).toBe(0);
    await page.getByRole("textbox", { name: "Search" }).fill("");
    expect(await rows.count()).toBe(2);
    await table.getByText("var/lib/dpkg/status and 8 more").waitFor();
    await page.getByText("rpm database").waitFor();
    const link = page.getByRole("link", { name: "CycloneDX" });
    expect(await link.getAttribute("href")).toBe("/api/v1/namespaces/acme/store/releases/shop-v14/packages?format=cyclonedx");
    expect(await link.getAttribute("download")).toBe("shop-v14.cdx.json");
  });

  it("appear by themselves once they are listed", async () => {
    let packages: object = { ...NOTHING, state: "pending" };
    portal.api.on("GET", "/namespaces/acme/store/releases/shop-v14/packages", () => packages);
    const page = await open(OF_RELEASE);
    await page.getByRole("status").getByText("is listing its packages").waitFor();
    expect(await page.getByRole("link", { name: "CycloneDX" }).count()).toBe(0);
    packages = MUCH;
    await page.getByText("adduser").waitFor();
  });

  it("say what was looked for where there are none", async () => {
    answer(NOTHING);
    const page = await open(OF_RELEASE);
    await page.getByText("No packages were found in this image.").waitFor();
    for (const { what } of LOOKED_FOR) await page.getByText(what).waitFor();
  });

  it("are none of a release that is another's, and say so", async () => {
    portal.api.on("GET", "/namespaces/acme/store/releases/shop-v14/packages", () =>
      refusal(404, "not_found", "There is no release shop-v14."),
    );
    const page = await open(OF_RELEASE);
    await page.getByRole("heading", { name: "There are no packages of shop-v14" }).waitFor();
  });

  it("are reached from the page of a build that made an image", async () => {
    portal.api.put(app("shop", { phase: "live", release: 14 }));
    const made = build("shop", 212, { phase: "succeeded", image: { digest: IMAGE, config: CONFIG, layers: [] } });
    portal.api.put(made);
    portal.api.endLog("shop-b212");
    portal.api.on("GET", "/namespaces/acme/store/builds/shop-b212/packages", () => MUCH);
    const page = await open("/acme/store/apps/shop/builds/shop-b212");
    await page.getByRole("link", { name: "Packages" }).click();
    await page.getByRole("heading", { name: "Packages of build 212" }).waitFor();
    await page.getByText("adduser").waitFor();
    await page.getByText("plim sbom --build 212 -a shop").waitFor();
  });

  const schemes = ["light", "dark"] as const;
  it.each(schemes)("fit a phone and a desk with nothing and with much, %s", async (colorScheme) => {
    const shots = process.env.PLIMSOLL_SCREENSHOTS;
    for (const [name, packages] of [
      ["nothing", NOTHING],
      ["much", MUCH],
    ] as const) {
      for (const width of [360, 1440]) {
        answer(packages);
        const page = await open(OF_RELEASE, { viewport: { width, height: 900 }, colorScheme });
        await page.getByText(name === "much" ? "adduser" : "No packages were found").waitFor();
        const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        await expect.poll(overflow, { message: `${name} ${width}` }).toBe(0);
        if (shots !== undefined) await page.screenshot({ path: `${shots}/packages-${name}-${colorScheme}-${width}.png` });
      }
    }
  });
});
