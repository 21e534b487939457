import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BOUNDARIES } from "../chaos/boundaries.ts";
import { type ChaosApp, runCell } from "../chaos/cell.ts";
import { createChaosApp } from "../chaos/chaos-app.ts";
import { randomCells, shortTable, wholeTable } from "../chaos/table.ts";
import { untilServing } from "../support/api.ts";
import { untilSettled } from "../support/app.ts";
import { webApp } from "../support/files.ts";
import { buildCommands, hostStateAgain, readHostState } from "../support/kernel.ts";
import { type Platform, type StartedPlatform, usePlatform } from "../support/platform.ts";
import { kill, PROCESSES, untilBack } from "../support/processes.ts";

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
  await app?.app.remove();
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

describe("a build that does not come to an end of its own", () => {
  const building = (command: string) => ({ ...webApp(`built-${Date.now()}`), Dockerfile: `FROM node:22\nRUN ${command}\n` });

  it("leaves nothing when it fails, and the release before serves on", async () => {
    if (app === undefined) throw new Error("no app");
    await untilServing(platform);
    const before = await readHostState(platform);
    const { code, text } = await app.app.push(building("dd if=/dev/zero of=/big bs=1M count=20 && exit 7"));
    expect(code).not.toBe(0);
    expect(text).toContain("7");
    expect(await hostStateAgain(platform, before)).toEqual([]);
  });

  it("leaves nothing when its agent is killed in the middle of a command, and a newer push supersedes it", async () => {
    if (app === undefined) throw new Error("no app");
    const before = await readHostState(platform);
    const slow = app.app.push(building("sleep 300"));
    await expect.poll(() => buildCommands(platform), { interval: 50, timeout: 30_000 }).toContain("sleep");
    const { victim } = kill(platform, "agent");
    await untilBack(platform, "agent", victim);
    expect(await app.app.push(webApp(`after-${Date.now()}`))).toMatchObject({ code: 0 });
    const { code, text } = await slow;
    expect(code).not.toBe(0);
    expect(text).toMatch(/superseded|interrupted/);
    await untilSettled(platform, app.app.name);
    expect(await hostStateAgain(platform, before)).toEqual([]);
  });
});

describe("the look at the host (negative control)", () => {
  it("sees a network namespace, a cgroup and a file too many, and an instance too few", async () => {
    const { netnsPrefix, cgroupRoot, snapshotsDir } = platform.host;
    const before = await readHostState(platform);
    expect(before.join("\n")).toContain("<an instance>");
    const [root] = before.filter((line) => line.startsWith("cgroup ")).map((line) => line.slice("cgroup ".length));
    const cgroup = `${root?.slice(0, root.indexOf(cgroupRoot))}${cgroupRoot}/tenants/planted`;
    const name = `${netnsPrefix}planted`;
    await run(["ip", "netns", "add", name]);
    mkdirSync(cgroup);
    mkdirSync(join(snapshotsDir, "ins_planted"));
    try {
      const seen = await hostStateAgain(platform, [...before, "process conmon"], 0);
      expect(seen).toEqual(
        expect.arrayContaining([
          `+ network namespace ${name}`,
          `+ cgroup ${cgroup}`,
          `+ file ${join(snapshotsDir, "ins_planted")}`,
          "- process conmon",
        ]),
      );
    } finally {
      await run(["ip", "netns", "del", name]);
      rmdirSync(cgroup);
      rmSync(join(snapshotsDir, "ins_planted"), { recursive: true });
    }
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
