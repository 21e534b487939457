import { systemClock } from "@plimsoll/config";
import type { Database } from "@plimsoll/db";
import { PLATFORM } from "@plimsoll/db";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TestPlatform } from "../testing/platform.ts";
import { readAppWorld } from "./world.ts";

const settings = { appsDomain: "localhost", appsScheme: "http", appsPort: 8080 } as const;

let platform: TestPlatform;
beforeEach(async () => {
  platform = await TestPlatform.create();
});
afterEach(() => platform.close());

/** A database in which a release is made, with its rollout, right after the `after`th list was read and before anything later is. */
function busy(uid: string, after: number): Database {
  const reader = platform.db.objects(PLATFORM);
  const list = reader.list.bind(reader) as (...args: unknown[]) => Promise<unknown>;
  let line: Promise<unknown> = Promise.resolve();
  let count = 0;
  const inLine = (...args: unknown[]) => {
    const read = line.then(() => list(...args));
    line = read.then(() => (count++ === after ? platform.deploy(uid) : undefined));
    return read;
  };
  const objects = new Proxy(reader, {
    get: (target, name: keyof typeof reader) => (name === "list" ? inLine : (target[name] as (...args: unknown[]) => unknown).bind(target)),
  });
  return { ...platform.db, objects: () => objects };
}

it.each([0, 1, 2, 3, 4])("never sees a deployment without its release, when both begin after read %i", async (after) => {
  const { uid } = (await platform.app("shop")).metadata;
  const moment = { nowMs: systemClock.now().getTime(), observedSinceMs: 0 };
  const world = await readAppWorld(busy(uid, after), uid, moment, settings);
  const named = [...(world?.open ?? []), ...(world?.latest === undefined ? [] : [world.latest])].map(({ spec }) => spec.release);
  expect(named.filter((release) => !world?.releases.has(release))).toEqual([]);
});
