import { describe, expect, it } from "vitest";
import { aBuild, aHost, anApp, START } from "../testing/objects.ts";
import { type BuildPlan, type BuildWorld, planBuild } from "./plan-build.ts";

function world(over: Partial<BuildWorld> = {}): BuildWorld {
  return {
    nowMs: START + 100_000,
    observedSinceMs: START,
    build: aBuild(),
    app: anApp(),
    newer: [],
    leaseSilentMs: undefined,
    hosts: [aHost("host-a")],
    charged: true,
    ...over,
  };
}

const IMAGE_ALONE = { deploy: false } as const;
const at = (ms: number) => new Date(START + ms).toISOString();
const placed = { phase: "placed", attempt: 1, host: "host-a", hostUid: "host-a", startedAt: at(90_000) } as const;
const running = { ...placed, phase: "running" } as const;
const away = [aHost("host-a", { live: false, silentMs: 20_001 })];

describe("what comes next for a build", () => {
  it.each<[string, Partial<BuildWorld>, Partial<BuildPlan>]>([
    ["pending: it is placed", {}, { kind: "place" }],
    ["placed on a live host: it waits for its agent", { build: aBuild(placed) }, { kind: "wait", againInMs: 5_000 }],
    ["placed on a host that went silent: it is placed anew", { build: aBuild(placed), hosts: away }, { kind: "replace" }],
    ["placed on a host that is gone", { build: aBuild(placed), hosts: [] }, { kind: "replace" }],
    ["placed and not begun in a minute", { build: aBuild({ ...placed, startedAt: at(40_000) }) }, { kind: "replace" }],
    ["running under its lease", { build: aBuild(running), leaseSilentMs: 0 }, { kind: "wait", againInMs: 5_000 }],
    ["running, lease just over: it waits a little", { build: aBuild(running), leaseSilentMs: 15_000 }, { kind: "wait", againInMs: 5_020 }],
    ["running, lease over: it is placed anew", { build: aBuild(running), leaseSilentMs: 20_001 }, { kind: "replace" }],
    [
      "running, lease over while we were away: its agent gets its time",
      { build: aBuild(running), leaseSilentMs: 90_000, observedSinceMs: START + 95_000 },
      { kind: "wait" },
    ],
    [
      "interrupted three times: it fails and says so",
      { build: aBuild({ ...running, attempt: 3 }), leaseSilentMs: 30_000 },
      { kind: "end", phase: "failed", failure: expect.objectContaining({ reason: "interrupted" }) },
    ],
    [
      "past its limit",
      { build: aBuild({ ...running, startedAt: at(0) }), leaseSilentMs: 0, nowMs: START + 661_000 },
      { kind: "end", phase: "failed", failure: expect.objectContaining({ reason: "timeout" }) },
    ],
    ["cancelled while pending", { build: aBuild({}, { cancelled: true }) }, { kind: "end", phase: "cancelled" }],
    ["cancelled while running", { build: aBuild(running, { cancelled: true }), leaseSilentMs: 0 }, { kind: "end", phase: "cancelled" }],
    ["its app is going", { app: undefined, build: aBuild(running) }, { kind: "end", phase: "cancelled" }],
    ["a newer build", { newer: [aBuild({}, { number: 2 })] }, { kind: "end", phase: "superseded" }],
    ["a newer build that was cancelled", { newer: [aBuild({ phase: "cancelled" }, { number: 2, cancelled: true })] }, { kind: "place" }],
    ["a newer build that failed already", { newer: [aBuild({ phase: "failed" }, { number: 2 })] }, { kind: "end", phase: "superseded" }],
    ["succeeded: it is released", { build: aBuild({ ...running, phase: "succeeded" }) }, { kind: "release" }],
    [
      "succeeded, a newer one under way: it is released all the same",
      { build: aBuild({ ...running, phase: "succeeded" }), newer: [aBuild({}, { number: 2 })] },
      { kind: "release" },
    ],
    ["succeeded, its app going", { build: aBuild({ ...running, phase: "succeeded" }), app: undefined }, { kind: "settle" }],
    [
      "succeeded, for its image alone: it is not released",
      { build: aBuild({ ...running, phase: "succeeded" }, IMAGE_ALONE) },
      { kind: "settle" },
    ],
    [
      "for its image alone, a newer build to deploy",
      { build: aBuild({}, IMAGE_ALONE), newer: [aBuild({}, { number: 2 })] },
      { kind: "place" },
    ],
    ["to deploy, a newer one for its image alone", { newer: [aBuild({}, { number: 2, ...IMAGE_ALONE })] }, { kind: "place" }],
    ["released and settled", { build: aBuild({ ...running, phase: "succeeded", release: 1 }), charged: false }, { kind: "wait" }],
    ["failed and charged", { build: aBuild({ ...running, phase: "failed" }) }, { kind: "settle" }],
    ["failed and settled", { build: aBuild({ ...running, phase: "failed" }), charged: false }, { kind: "wait" }],
  ])("%s", (_, over, plan) => {
    expect(planBuild(world(over))).toMatchObject(plan);
  });
});
