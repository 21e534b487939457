import type { PushRecord } from "@plimsoll/db";
import { describe, expect, it } from "vitest";
import { aBuild, aDeployment } from "../testing/objects.ts";
import { type PushWorld, planPush } from "./plan-push.ts";

const push: PushRecord = {
  id: "psh_1",
  appUid: "shop",
  commit: "a".repeat(40),
  oldCommit: "0".repeat(40),
  branch: "main",
  subject: "Change",
  author: "Ana",
  pusher: "Ana",
  buildUid: "shop-b1",
  state: "open",
  createdAt: new Date(),
};
const refused = (reason: string) => ({ state: "refused", reason });
const live = { state: "live" };

describe("the end of a push", () => {
  it.each<[string, Partial<PushWorld>, unknown]>([
    ["no build yet", { push: { ...push, buildUid: undefined } as never }, undefined],
    ["building", { build: aBuild({ phase: "running" }) }, undefined],
    ["built, rollout not begun", { build: aBuild({ phase: "succeeded" }) }, undefined],
    ["build failed", { build: aBuild({ phase: "failed" }) }, refused("build failed")],
    ["build cancelled", { build: aBuild({ phase: "cancelled" }) }, refused("build cancelled")],
    ["build superseded", { build: aBuild({ phase: "superseded" }) }, refused("superseded by a newer push")],
    ["starting", { deployment: aDeployment(1, 3) }, undefined],
    ["serving", { deployment: aDeployment(1, 3, { phase: "draining" }) }, live],
    ["complete", { deployment: aDeployment(1, 3, { phase: "complete" }) }, live],
    ["never ready", { deployment: aDeployment(1, 3, { phase: "failed" }) }, refused("release v3 never became ready")],
    ["superseded before it served", { deployment: aDeployment(1, 3, { phase: "superseded" }) }, refused("superseded by a newer push")],
    ["superseded after it served", { deployment: aDeployment(1, 3, { phase: "superseded", readyAt: "2026-01-01T00:00:00Z" }) }, live],
    ["app deleted", { appExists: false }, refused("the app was deleted")],
    ["over", { push: { ...push, state: "live" }, appExists: false }, undefined],
  ])("%s", (_, over, end) => {
    expect(planPush({ push, appExists: true, build: aBuild(), deployment: undefined, ...over })).toEqual(end);
  });
});
