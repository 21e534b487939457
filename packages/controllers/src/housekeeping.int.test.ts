import { createBuild, PLATFORM, recordEvent } from "@plimsoll/db";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HISTORY_KEPT } from "./app/prune-history.ts";
import { type Housekeeping, startHousekeeping } from "./housekeeping.ts";
import { silent, TestPlatform } from "./testing/platform.ts";

describe("housekeeping", () => {
  let platform: TestPlatform;
  let housekeeping: Housekeeping;

  beforeEach(async () => {
    platform = await TestPlatform.create();
    housekeeping = startHousekeeping({ db: platform.db, holder: "me", log: silent });
  });
  afterEach(async () => {
    await housekeeping.close();
    await platform.close();
  });

  const list = <K extends "Event" | "Build">(kind: K, ownerUid: string) => platform.db.objects(PLATFORM).list<K>(kind, { ownerUid });

  it("bounds the history of an app that is never released: failed builds with their logs, and events of instances that are gone", async () => {
    const app = await platform.app("shop");
    const { uid } = app.metadata;
    const quiet = await platform.app("quiet");
    await platform.db.write({ scope: PLATFORM }, async (tx) => {
      for (let i = 0; i < HISTORY_KEPT.Build + 5; i++) {
        const source = { kind: "image" as const, reference: `x:${i}` };
        const build = await createBuild(tx, { namespace: platform.namespace, app, source, requestedBy: "Ana" });
        // The oldest goes on building.
        if (i > 0) await tx.objects.updateStatus(build, { ...build.status, phase: "failed" });
        await tx.platform.appendBuildLog(build.metadata.uid, [{ seq: 0, event: {} }]);
      }
      for (const regarding of [app, quiet]) await recordEvent(tx, regarding, { type: "normal", reason: "Kept", message: "" });
    });
    await platform.db.write({ scope: PLATFORM }, async (tx) => {
      for (let i = 0; i < HISTORY_KEPT.Event + 250; i++) {
        const at = new Date(Date.UTC(2026, 0, 1, 0, 0, i));
        await recordEvent(tx, app, { type: "normal", reason: `Old${i}`, message: "", at });
      }
    });
    const from = await platform.db.objects(PLATFORM).version(platform.namespace.metadata.uid);
    await housekeeping.run();
    const builds = await list("Build", uid);
    expect(builds).toHaveLength(HISTORY_KEPT.Build + 1);
    expect(builds.some(({ status }) => status.phase === "pending")).toBe(true);
    expect(await platform.sql("SELECT DISTINCT build_uid FROM build_log")).toHaveLength(HISTORY_KEPT.Build + 1);
    const reasons = (await list("Event", uid)).map(({ spec }) => spec.reason);
    expect(reasons).toHaveLength(HISTORY_KEPT.Event);
    // Those that happened last stay, whenever they were first recorded.
    expect(reasons).toContain("Kept");
    expect(reasons).toContain(`Old${HISTORY_KEPT.Event + 249}`);
    expect(reasons).not.toContain("Old0");
    expect(await list("Event", quiet.metadata.uid)).toHaveLength(1);
    // Watchers hear of it.
    const changes = await platform.db.changes(platform.namespace.metadata.uid, from, 1_000);
    expect(changes.filter(({ type }) => type === "deleted")).toHaveLength(4 + 251);
  });

  it("is done by one of several servers at a time", async () => {
    const lease = await platform.db.leases.acquire("control/housekeeping", "another", 60_000);
    await platform.sql("INSERT INTO outbox (job, key, created_at) VALUES ('app', 'old', now() - interval '1 day')");
    await housekeeping.run();
    expect(await platform.sql("SELECT 1 FROM outbox")).toHaveLength(1);
    if (lease !== undefined) await platform.db.leases.release(lease);
    await housekeeping.run();
    expect(await platform.sql("SELECT 1 FROM outbox")).toEqual([]);
  });
});
