import type { BuildEvent } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { type BuildLogEntry, outcomeOf, type PushSnapshot, PushStory } from "./push-story.ts";

const at = (seq: number, atMs: number): BuildLogEntry => ({ seq, event: { type: "notice", atMs, text: `${seq}` } satisfies BuildEvent });

function snapshot(buildEvents: readonly BuildLogEntry[]): PushSnapshot {
  const push: PushSnapshot["push"] = {
    id: "psh_1",
    appUid: "app_1",
    commit: "c".repeat(40),
    ref: "refs/heads/main",
    pusher: "usr_1",
    state: "open",
    createdAt: new Date(0),
  } as unknown as PushSnapshot["push"];
  return {
    push,
    app: undefined,
    build: undefined,
    buildEvents,
    release: undefined,
    deployment: undefined,
    instances: [],
    newer: undefined,
  };
}

/** What it tells of the build. */
const told = (story: PushStory, entries: readonly BuildLogEntry[]) =>
  story.tell(snapshot(entries), 0).filter(({ type }) => type === "build");

describe("the story of a push", () => {
  it("tells each event of the build once, however much of the log is read again", () => {
    const story = new PushStory();
    expect(told(story, [at(0, 1), at(1, 2)])).toHaveLength(2);
    const more = [at(1, 2), at(2, 3)];
    expect(story.continues(more)).toBe(true);
    expect(told(story, more)).toMatchObject([{ type: "build", event: { text: "2" } }]);
  });

  it("begins anew with a build that does, also when that has as many events by now", () => {
    const story = new PushStory();
    told(story, [at(0, 1), at(1, 2)]);
    expect(story.continues([at(1, 7), at(2, 9)])).toBe(false);
    expect(story.seq).toBe(-1);
    expect(told(story, [at(0, 5), at(1, 7), at(2, 9)])).toHaveLength(3);
  });

  it("begins anew when the log was emptied for the next try", () => {
    const story = new PushStory();
    told(story, [at(0, 1)]);
    expect(story.continues([])).toBe(false);
    expect(told(story, [at(0, 8)])).toHaveLength(1);
  });
});

describe("an instance that no host has room for", () => {
  const reason = "no host has room for it: of 1 host: 1 host without enough free cpu";
  const of = (status: object): PushSnapshot => {
    const deployment = { metadata: { createdAt: new Date(0).toISOString() }, spec: { release: 1, number: 1 }, status };
    return { ...snapshot([]), deployment: deployment as unknown as NonNullable<PushSnapshot["deployment"]> };
  };

  it("is told while it waits, once, and never said to have started", () => {
    const story = new PushStory();
    const waiting = of({ phase: "starting", message: "web-1 waits for a host: of 1 host: 1 host without enough free cpu" });
    expect(story.tell(waiting, 1_000)).toEqual([]);
    expect(story.tell(waiting, 5_000)).toEqual([
      { type: "notice", text: "web-1 waits for a host: of 1 host: 1 host without enough free cpu" },
    ]);
    expect(story.tell(waiting, 9_000)).toEqual([]);
    const failed = of({ phase: "failed", failure: { instance: "web-1", reason, logTail: [] } });
    expect(story.tell(failed, 130_000)[0]).toMatchObject({ type: "instance", state: "failed", started: false, reason });
  });
});

describe("the end of a push", () => {
  const complete = (state: "open" | "live"): PushSnapshot => {
    const deployment = { spec: { release: 1, number: 1 }, status: { phase: "complete", finishedAt: new Date(1_000).toISOString() } };
    const base = snapshot([]);
    return { ...base, push: { ...base.push, state }, deployment: deployment as unknown as NonNullable<PushSnapshot["deployment"]> };
  };

  it("is told when routers have what makes it true, or are not to be waited for any longer", () => {
    expect(outcomeOf(complete("open"), 1_500)).toBeUndefined();
    expect(outcomeOf(complete("live"), 1_500)).toEqual({ ok: true, sincePushMs: 1_500 });
    expect(outcomeOf(complete("open"), 20_000)).toMatchObject({ ok: true });
  });
});
