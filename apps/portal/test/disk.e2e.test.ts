import type { HostDisk, NamespaceDisk } from "@plimsoll/contracts";
import { describe, expect, it } from "vitest";
import { eachInPortal } from "./each-in-portal.ts";
import { ago, GIB, MIB, MINUTE } from "./fixtures.ts";
import { ANA, emptyWorld } from "./worlds.ts";

const portal = eachInPortal(emptyWorld);
const { open } = portal;

const MINE: NamespaceDisk = {
  bytes: 700 * MIB,
  sharedBytes: 61 * MIB,
  hosts: [{ name: "host-a", measuredAt: ago(2 * MINUTE), cacheNamespaceBytes: 10 * GIB }],
  rows: [
    { host: "host-a", kind: "build-cache", apps: [], bytes: 500 * MIB, items: 40, shared: false },
    { host: "host-a", kind: "cache-mounts", apps: [], bytes: 118 * MIB, items: 2, shared: false },
    { host: "host-a", kind: "layers", apps: ["shop", "search"], bytes: 61 * MIB, items: 3, shared: true },
    { host: "host-a", kind: "logs", apps: ["shop"], bytes: 8 * MIB, items: 2, shared: false },
  ],
};
const HOST: HostDisk = {
  host: "host-a",
  measuredAt: ago(2 * MINUTE),
  sizeBytes: 200 * GIB,
  freeBytes: 80 * GIB,
  cacheBytes: 40 * GIB,
  bytes: 12 * GIB,
  rows: [
    { kind: "build-cache", owners: [{ namespace: "acme/store", apps: [] }], bytes: 5 * GIB, items: 400 },
    {
      kind: "layers",
      owners: [
        { namespace: "acme/store", apps: ["shop"] },
        { namespace: "globex/web", apps: ["api", "site"] },
      ],
      bytes: 4 * GIB,
      items: 12,
    },
    { kind: "base-layers", owners: [], bytes: 2 * GIB, items: 9 },
    { kind: "foreign", owners: [], bytes: GIB, items: 1 },
  ],
};

describe("disk", () => {
  it("shows a namespace what it has, and cleans its build cache once that was said again", async () => {
    let disk = MINE;
    portal.api.on("GET", "/namespaces/acme/store/disk", () => disk);
    portal.api.on("DELETE", "/namespaces/acme/store/build-cache", () => {
      disk = { ...MINE, rows: MINE.rows.slice(2), cleanedAt: new Date().toISOString() };
      return [202, { at: disk.cleanedAt, bytes: 1, hosts: ["host-a"] }];
    });
    const page = await open("/acme/store/disk");
    const rows = page.getByRole("table", { name: "What it is for" });
    await rows.getByRole("row", { name: /Build cache.*524 MB/ }).waitFor();
    await rows.getByRole("row", { name: /Images.*shared with other namespaces.*64 MB/ }).waitFor();
    await page.getByRole("button", { name: "Copy the command plim disk clean --cache -n acme/store" }).waitFor();
    await page.getByRole("button", { name: "Clean build cache" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("648 MB of build cache and cache mounts").waitFor();
    await dialog.getByRole("button", { name: "Clean", exact: true }).click();
    await expect.poll(() => rows.getByRole("row", { name: /Build cache/ }).count()).toBe(0);
    await page.getByText("Cache cleaned").waitFor();
  });

  it("says when nothing was counted, and shows operators whose every byte is", async () => {
    portal.api.me = { ...ANA, operator: true };
    portal.api.on("GET", "/namespaces/acme/store/disk", () => ({ bytes: 0, sharedBytes: 0, hosts: [], rows: [] }));
    const { measuredAt: _, ...silent } = HOST;
    portal.api.on("GET", "/disks", () => ({ items: [HOST, { ...silent, host: "host-b", bytes: 0, rows: [] }] }));
    const page = await open("/acme/store/disk");
    await page.getByText("No host has told of anything").waitFor();
    await page.getByRole("button", { name: "Account menu" }).click();
    await page.getByRole("menuitem", { name: "Disks of the hosts" }).click();
    const rows = page.getByRole("table", { name: "What is on host-a" });
    await rows.getByRole("row", { name: /Images.*globex\/web api site.*4.3 GB/ }).waitFor();
    await rows.getByRole("row", { name: /Not Plimsoll's.*nobody's here.*1.1 GB/ }).waitFor();
    await page.getByText("It has not told what is on its disk yet").waitFor();
  });
});
