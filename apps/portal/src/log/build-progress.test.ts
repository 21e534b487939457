import { describe, expect, it } from "vitest";
import { BUILD_END, BUILD_EVENTS, FAILED_END } from "../../test/fixtures.ts";
import { BuildProgressLog } from "./build-progress.ts";

function progress(events = [...BUILD_EVENTS, ...BUILD_END]): BuildProgressLog {
  const log = new BuildProgressLog();
  for (const [seq, event] of events.entries()) log.push(seq, event);
  return log;
}

describe("build progress", () => {
  it("groups steps by stage and says how each is", () => {
    const { stages, image } = progress().state;
    expect(stages.map((stage) => [stage.name, stage.state, stage.steps.map((step) => step.state)])).toEqual([
      ["deps", "cached", ["cached", "cached"]],
      ["build", "done", ["done", "done"]],
      ["runtime", "done", ["done"]],
    ]);
    expect(image?.newBytes).toBe(400_000);
  });

  it("shows a step at work while it is", () => {
    const { stages } = progress([...BUILD_EVENTS]).state;
    expect(stages.map((stage) => stage.state)).toEqual(["cached", "running", "waiting"]);
  });

  it("keeps the output of a step apart and all of it in order", () => {
    const { stages, all } = progress().state;
    const build = stages[1]?.steps[1];
    expect(build?.lines[0]).toEqual({ text: "> shop@1.4.0 build", tone: "plain" });
    expect(build?.lines.filter((line) => line.tone === "stderr")).toHaveLength(1);
    expect(all.findIndex((line) => line.text.startsWith("RUN npm run build"))).toBeLessThan(
      all.findIndex((line) => line.text.startsWith("> shop")),
    );
  });

  it("tells what a commit without a Dockerfile was taken for", () => {
    const written = { what: "a Vite site", because: ["package.json depends on vite"], dockerfile: "FROM node:22\n" };
    const events = BUILD_EVENTS.map((event) => (event.type === "plan" ? { ...event, written } : event));
    expect(progress([...events]).state.written).toEqual(written);
    expect(progress().state.written).toBeUndefined();
  });

  it("tells the failure, and no step runs on after it", () => {
    const { failure, stages } = progress([...BUILD_EVENTS, ...FAILED_END]).state;
    expect(failure?.line).toBe(8);
    expect(stages[1]?.state).toBe("failed");
    const cut = progress([...BUILD_EVENTS, { type: "failed", atMs: 9, failure: { reason: "timeout", message: "too long" } }]).state;
    expect(cut.stages[1]?.steps[1]?.state).toBe("failed");
  });

  it("takes each event once, and begins anew with a new plan", () => {
    const log = progress([...BUILD_EVENTS]);
    for (const [index, event] of BUILD_EVENTS.slice(1).entries()) log.push(index + 1, event);
    expect(log.state).toEqual(progress([...BUILD_EVENTS]).state);
    for (const [seq, event] of BUILD_EVENTS.entries()) log.push(seq, event);
    expect(log.state).toEqual(progress([...BUILD_EVENTS]).state);
    log.restart();
    expect(log.state.planned).toBe(false);
  });

  it("lets no step run on when the log is over, as that of a cancelled build that says nothing more", () => {
    const log = progress([...BUILD_EVENTS]);
    const states = () => log.state.stages.flatMap(({ steps }) => steps.map(({ state }) => state));
    expect(states()).toContain("running");
    log.end();
    expect(states()).not.toContain("running");
  });

  it("shows a step that no plan named rather than dropping it", () => {
    const log = new BuildProgressLog();
    log.push(3, { type: "step-log", atMs: 1, step: 4, stream: "stdout", text: "hello\n" });
    expect(log.state.all.map((line) => line.text)).toEqual(["hello"]);
  });
});
