import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BOUNDARIES } from "../chaos/boundaries.ts";
import { type ChaosApp, runCell } from "../chaos/cell.ts";
import { createChaosApp, removeChaosApp } from "../chaos/chaos-app.ts";
import { randomCells, shortTable, wholeTable } from "../chaos/table.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { PROCESSES } from "../support/processes.ts";

/** The short form of `npm run test:chaos`, which has the whole table and random cells. */
let started: StartedPlatform | undefined;
let platform: Platform;
let app: ChaosApp | undefined;

beforeAll(async () => {
  started = await usePlatform();
  platform = started.platform;
  app = await createChaosApp(platform, "chaos");
});

afterAll(async () => {
  if (app !== undefined) await removeChaosApp(platform, app);
  await started?.stop();
});

describe("a deploy whose platform is killed under it", () => {
  it.each(shortTable())("ends once and leaves nothing: $process at $boundary", async (cell) => {
    if (app === undefined) throw new Error("no app");
    const report = await runCell(platform, app, cell, `${cell.process}-${cell.boundary}-${Date.now()}`);
    expect(report.broken).toEqual([]);
    // Caught in the act, not after it.
    expect(report.sighting.boundary).toBe(cell.boundary);
    expect(report.outcome).toBe("live");
  });
});

describe("the tables", () => {
  it("hold every process and every boundary, the whole one every pair", () => {
    for (const process of PROCESSES) expect(shortTable().some((cell) => cell.process === process)).toBe(true);
    for (const boundary of BOUNDARIES) expect(shortTable().some((cell) => cell.boundary === boundary)).toBe(true);
    const pairs = wholeTable().filter(({ process }) => process !== "flush redis");
    expect(new Set(pairs.map(({ process, boundary }) => `${process} ${boundary}`)).size).toBe(PROCESSES.length * BOUNDARIES.length);
  });

  it("give the same random cells for the same seed", () => {
    expect(randomCells(7, 100)).toEqual(randomCells(7, 100));
    expect(randomCells(7, 100)).not.toEqual(randomCells(8, 100));
  });
});
