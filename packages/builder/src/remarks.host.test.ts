import type { BuildEvent } from "@plimsoll/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, type BuildRun, failureOf, imageOf } from "./testing/build-host.ts";

/** What a build says about a Dockerfile beside building it. */
describe("a build's remarks", () => {
  let host: BuildHost;
  beforeAll(async () => {
    host = await BuildHost.open();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const of = <T extends BuildEvent["type"]>({ events }: BuildRun, type: T) =>
    events.filter((event): event is Extract<BuildEvent, { type: T }> => event.type === type);

  it("tells what checks find, with the lines, and builds all the same", async () => {
    const run = await host.build({ Dockerfile: "FROM busybox\nWORKDIR /$HERE/$BASE\nMAINTAINER Ana\nCMD sleep 1\n" });
    imageOf(run);
    expect(of(run, "warning").map(({ warning }) => [warning.line, warning.check])).toEqual([
      // BASE is a variable of the base image.
      [2, "UndefinedVar"],
      [3, "MaintainerDeprecated"],
      [4, "JSONArgsRecommended"],
    ]);
    expect(of(run, "warning")[2]?.warning.excerpt?.at(-1)).toEqual({ line: 4, text: "CMD sleep 1", marked: true });
  });

  it("fails where the Dockerfile wants findings to end the build, before any step runs", async () => {
    const run = await host.build({ Dockerfile: "# check=error=true\nFROM busybox\nRUN echo no\nMAINTAINER Ana\n" });
    expect(failureOf(run)).toMatchObject({ reason: "dockerfile", line: 4, message: expect.stringMatching(/MaintainerDeprecated/) });
    expect(run.steps.done).toEqual([]);
    // The control: without it the same is built.
    imageOf(await host.build({ Dockerfile: "FROM busybox\nRUN echo no\nMAINTAINER Ana\n" }));
  });

  it("shows the lines that a failure is about, of the file that it is in", async () => {
    const parse = await host.build({ Dockerfile: "FROM busybox\nRUN true\nCOPPY a b\nRUN true\n" });
    expect(failureOf(parse).excerpt).toEqual([
      { line: 1, text: "FROM busybox" },
      { line: 2, text: "RUN true" },
      { line: 3, text: "COPPY a b", marked: true },
      { line: 4, text: "RUN true" },
    ]);
    const step = await host.build({ Dockerfile: "FROM busybox\nRUN true && \\\n  false\n" });
    expect(failureOf(step)).toMatchObject({ reason: "command", line: 2 });
    expect(
      failureOf(step)
        .excerpt?.filter(({ marked }) => marked)
        .map(({ text }) => text),
    ).toEqual(["RUN true && \\", "  false"]);
    expect(of(step, "failed")[0]?.failure.excerpt).toEqual(failureOf(step).excerpt);
  });

  it("knows what a cached step saved", async () => {
    const files = { Dockerfile: "FROM busybox\nRUN sleep 0.4\nCOPY a /a\n", a: "1" };
    const first = await host.build(files);
    const took = of(first, "step-done").find(({ outcome, durationMs }) => outcome === "done" && durationMs >= 400);
    const again = await host.build(files);
    const saved = of(again, "step-done").filter(({ outcome }) => outcome === "cached");
    expect(again.steps.done).toEqual([]);
    expect(saved.find(({ step }) => step === took?.step)?.savedMs).toBeGreaterThanOrEqual(400);
    // The control: what ran saved nothing.
    expect(of(first, "step-done").filter(({ outcome, savedMs }) => outcome === "done" && savedMs !== undefined)).toEqual([]);
  });

  it("advises, of what is in the commit and what the image became", async () => {
    const files = { Dockerfile: "FROM busybox\nCOPY . /app\nRUN echo npm ci\n", "dump.sql": "x".repeat(6_000_000), small: "1" };
    // A build does not wait for the sizes of its context: a later one of the same commit has them.
    const advised = async () => of(await host.build(files), "advice")[0]?.advice ?? [];
    await expect.poll(async () => (await advised()).map(({ about }) => about), { timeout: 30_000, interval: 200 }).toContain("context");
    const advice = await advised();
    expect(advice.map(({ about, line }) => [about, line])).toEqual([
      ["order", 2],
      ["context", undefined],
      ["ignore", undefined],
      ["base", 1],
      ["user", 3],
    ]);
    expect(advice[1]?.fix).toBe("echo /dump.sql >> .dockerignore");
    const better = await host.build({ ...files, ".dockerignore": "*.sql\n", Dockerfile: "FROM busybox\nCOPY . /app\nUSER 1000\n" });
    expect(of(better, "advice").flatMap(({ advice: given }) => given.map(({ about }) => about))).toEqual(["base"]);
  });
});
