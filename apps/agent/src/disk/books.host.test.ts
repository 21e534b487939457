import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageStore, LayerStore } from "@plimsoll/containers";
import type { DesiredState, DiskReport } from "@plimsoll/contracts";
import { hostLayout } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DiskBooks } from "./books.ts";

const CLEAN = [
  { namespaceUid: "ns_a", stamp: "1" },
  { namespaceUid: "ns_b", stamp: "1" },
];
const desired = (cleanCaches: DesiredState["cleanCaches"]) => ({ instances: [], cleanCaches }) as unknown as DesiredState;
const BUDGET = { maxBytes: 100, maxNamespaceBytes: 50 };

describe("the books of a host's disk", () => {
  let dir: string;
  let told: DiskReport[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-books-"));
    told = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const open = () => {
    const layout = hostLayout({ name: "h", dataDir: dir });
    const images = new ImageStore(layout.imagesDir, new LayerStore(layout.layersDir));
    const api = { disk: async (report: DiskReport) => void told.push(report) };
    return new DiskBooks({ layout, api, images, baseImages: { kept: () => new Set() } });
  };

  it("fulfils each wish for a clean cache once, also over a restart, and a new one again", async () => {
    const first = open();
    expect([...(await first.cleaningsOf(desired(CLEAN)))]).toEqual(["ns_a", "ns_b"]);
    // What failed in between is still to be done.
    expect((await first.cleaningsOf(desired(CLEAN))).size).toBe(2);
    await first.collected(desired(CLEAN), new Set(["ns_a"]), new Map());
    expect([...(await first.cleaningsOf(desired(CLEAN)))]).toEqual(["ns_b"]);
    const second = open();
    expect([...(await second.cleaningsOf(desired(CLEAN)))]).toEqual(["ns_b"]);
    expect([...(await second.cleaningsOf(desired([{ namespaceUid: "ns_a", stamp: "2" }])))]).toEqual(["ns_a"]);
    expect((await second.cleaningsOf(desired(undefined))).size).toBe(0);
    writeFileSync(join(hostLayout({ name: "h", dataDir: dir }).stateDir, "cleaned.json"), "{");
    expect((await open().cleaningsOf(desired(CLEAN))).size).toBe(2);
  });

  it("tells the server what is there, and nothing once it is closed", async () => {
    const books = open();
    await books.tell(desired(undefined), BUDGET);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ cacheBytes: 100, cacheNamespaceBytes: 50, entries: [{ kind: "platform" }] });
    expect(told[0]?.sizeBytes).toBeGreaterThan(told[0]?.freeBytes ?? 0);
    // Asked for while one is under way, however often: one more.
    const all = Array.from({ length: 5 }, (_, at) => books.tell(desired(undefined), { ...BUDGET, maxBytes: at }));
    await Promise.all(all);
    expect(told.length).toBeLessThanOrEqual(3);
    expect(told.at(-1)?.cacheBytes).toBe(4);
    const before = told.length;
    await books.close();
    await books.tell(desired(undefined), BUDGET);
    expect(told).toHaveLength(before);
  });
});
