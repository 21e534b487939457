import type { Resource } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aDeployment, aHost, anApp, anInstance, aRelease, START } from "../testing/objects.ts";
import { type AgentAct, Simulation } from "../testing/simulation.ts";
import { planRollout } from "./plan-rollout.ts";

const COMMAND = { command: ["/bin/sh", "-c", "./migrate"], timeoutMs: 600_000 };

/** v1 serves; v2, which has a command, was just asked for and looked at once. */
function rollingOut(): Simulation {
  const simulation = new Simulation();
  simulation.deploy();
  for (let at = 0; at < 6; at++) advance(simulation, "ready");
  expect(simulation.app.status).toMatchObject({ release: 1, phase: "live" });
  simulation.deploy(COMMAND);
  simulation.step();
  return simulation;
}

/** Every agent does the next thing, routers hear of it, and we look. */
function advance(simulation: Simulation, how: AgentAct): void {
  for (const one of simulation.instances) simulation.act(one, one.spec.task === true ? how : "ready");
  for (const index of simulation.hosts.keys()) simulation.acknowledge(index);
  simulation.step();
}

const task = (simulation: Simulation) => simulation.instances.find(({ spec }) => spec.task === true && spec.desired === "running");
const processesOf = (simulation: Simulation, release: number) =>
  simulation.instances.filter(({ spec }) => spec.release === release && spec.task !== true && spec.desired === "running").length;
const target = (simulation: Simulation) => simulation.deployments[1]?.status;

describe("the command of a release", () => {
  it("runs alone first, as large as a web instance; the rest starts when it has ended well, and it never runs again", () => {
    const simulation = rollingOut();
    expect(task(simulation)?.spec).toMatchObject({
      process: "release",
      release: 2,
      ordinal: 1,
      cpuMillis: 250,
      memoryBytes: 256 * 1024 ** 2,
    });
    expect([processesOf(simulation, 1), processesOf(simulation, 2)]).toEqual([2, 0]);
    expect(simulation.charged.size).toBe(1);
    for (let at = 0; at < 5; at++) advance(simulation, "ready");
    expect(target(simulation)).toMatchObject({ phase: "starting", command: { state: "running", attempt: 1 } });
    expect([processesOf(simulation, 1), processesOf(simulation, 2)]).toEqual([2, 0]);
    advance(simulation, "finish");
    expect(target(simulation)).toMatchObject({ command: { state: "succeeded", attempt: 1 } });
    expect(processesOf(simulation, 2)).toBe(2);
    expect([task(simulation), simulation.charged.size]).toEqual([undefined, 0]);
    for (let at = 0; at < 8; at++) advance(simulation, "ready");
    expect(simulation.app.status).toMatchObject({ release: 2, phase: "live" });
    expect(simulation.instances.every(({ spec }) => spec.release === 2 && spec.task !== true)).toBe(true);
    simulation.redeploy(1);
    for (let at = 0; at < 8; at++) advance(simulation, "ready");
    simulation.redeploy(2);
    for (let at = 0; at < 8; at++) {
      advance(simulation, "ready");
      expect(task(simulation)).toBeUndefined();
    }
    expect(simulation.app.status).toMatchObject({ release: 2, phase: "live" });
  });

  it("keeps what serves when it fails, and says how it ended", () => {
    const simulation = rollingOut();
    advance(simulation, "crash");
    advance(simulation, "crash");
    expect(target(simulation)).toMatchObject({
      phase: "failed",
      failure: { instance: "release command", reason: "exited with 1" },
      command: { state: "failed" },
      message: "v2 was not released: release command exited with 1. v1 never stopped serving.",
    });
    for (let at = 0; at < 4; at++) advance(simulation, "crash");
    expect(simulation.app.status).toMatchObject({ release: 1, phase: "live" });
    expect([processesOf(simulation, 1), simulation.instances.length, simulation.charged.size]).toEqual([2, 2, 0]);
  });

  it("is stopped at its limit, counted from its start and not while we were away", () => {
    const simulation = rollingOut();
    advance(simulation, "ready");
    const limit = simulation.step().againInMs ?? 0;
    expect(limit).toBe(600_020);
    simulation.pass(limit - 21);
    expect(simulation.step().deployments).toEqual([]);
    const away = planRollout({ ...simulation.world(), nowMs: simulation.nowMs + 5_000, observedSinceMs: simulation.nowMs }, []);
    expect(away.deployments).toEqual([]);
    simulation.pass(21);
    simulation.step();
    expect(target(simulation)).toMatchObject({ phase: "failed", failure: { reason: "was stopped after 600 s, its limit" } });
    expect(task(simulation)).toBeUndefined();
  });

  it.each(["its host is lost", "its host was restarted"])("is run once more, and no third time, when %s", (how) => {
    const simulation = rollingOut();
    const lose = () => {
      advance(simulation, "ready");
      const { hostUid } = (task(simulation) as Resource<"Instance">).spec;
      const index = simulation.hosts.findIndex(({ host }) => host.metadata.uid === hostUid);
      if (how === "its host is lost") simulation.setHost(index, { live: false, silentMs: 61_000 });
      else advance(simulation, "give-up");
      for (let at = 0; at < 3; at++) simulation.step();
      simulation.setHost(index, { live: true, silentMs: 0 });
    };
    lose();
    expect(task(simulation)?.spec.ordinal).toBe(2);
    lose();
    expect(target(simulation)).toMatchObject({
      phase: "failed",
      failure: { reason: expect.stringMatching(/^did not come to its end, 2 times: /) },
    });
    expect([task(simulation), simulation.charged.size]).toEqual([undefined, 0]);
  });

  it("waits for room in the quota, says so, and gives up after two minutes", () => {
    const simulation = new Simulation();
    simulation.deploy(COMMAND);
    const world = { ...simulation.world(), noRoomForCommand: "namespace store has no room for the release command" };
    const plan = planRollout(world, []);
    expect(plan.create).toEqual([]);
    expect(plan.deployments).toMatchObject([
      { status: { phase: "starting", message: expect.stringMatching(/^release-1 waits for room in the quota: namespace store/) } },
    ]);
    const late = planRollout({ ...world, nowMs: START + 120_000 }, []);
    expect(late.deployments).toMatchObject([
      {
        status: {
          phase: "failed",
          failure: { instance: "release command", reason: expect.stringMatching(/^was not started: namespace store/) },
        },
      },
    ]);
  });

  it("is stopped with its deployment when a newer one takes over", () => {
    const simulation = rollingOut();
    advance(simulation, "ready");
    simulation.deploy();
    simulation.step();
    expect(task(simulation)).toBeUndefined();
    expect(simulation.deployments[1]?.status.phase).toBe("superseded");
    expect([processesOf(simulation, 3), simulation.charged.size]).toEqual([2, 0]);
  });

  it.each([
    [{ code: 137, outOfMemory: true }, "was killed: it needed more than its 256 MiB", /give that more memory/],
    [{ code: 143, signal: "SIGTERM", outOfMemory: false }, "was ended by SIGTERM", undefined],
    [{ code: 127, outOfMemory: false }, "exited with 127", /does not have what it calls: \.\/migrate/],
  ])("says what an end means: %j", (exit, reason, hint) => {
    const release = aRelease(2);
    const at = new Date(START).toISOString();
    const ended = anInstance(
      "t",
      { task: true, release: 2, process: "release" },
      { phase: "finished", lastExit: { ...exit, at }, logTail: ["last"] },
    );
    const plan = planRollout(
      {
        nowMs: START,
        observedSinceMs: START,
        app: anApp(),
        releases: new Map([[2, { ...release, spec: { ...release.spec, releaseCommand: COMMAND } }]]),
        open: [aDeployment(1, 2)],
        latest: undefined,
        instances: [ended],
        hosts: [aHost("host-a")],
        urls: [],
        traffic: undefined,
      },
      [],
    );
    const failure = { reason, logTail: ["last"], ...(hint === undefined ? {} : { hint: expect.stringMatching(hint) }) };
    expect(plan.deployments).toMatchObject([{ status: { phase: "failed", failure } }]);
  });

  it("never runs beside itself or a process of its release, and takes nothing of the quota in the end, whatever happens", () => {
    const acts = fc.constantFrom<AgentAct | "lose" | "back" | "deploy" | "pass">(
      "ready",
      "finish",
      "crash",
      "give-up",
      "lose",
      "back",
      "deploy",
      "pass",
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(acts, fc.nat(1)), { maxLength: 30 }), (events) => {
        const simulation = rollingOut();
        const begun = new Map<number, Set<string>>();
        for (const [act, index] of events) {
          if (act === "lose") simulation.setHost(index, { live: false, silentMs: 61_000 });
          else if (act === "back") simulation.setHost(index, { live: true, silentMs: 0 });
          else if (act === "deploy") simulation.deploy(COMMAND);
          else if (act === "pass") simulation.pass(50_000);
          else advance(simulation, act);
          simulation.step();
          const running = simulation.instances.filter(({ spec }) => spec.task === true && spec.desired === "running");
          expect(running.length).toBeLessThanOrEqual(1);
          for (const { spec, metadata } of running) {
            expect(processesOf(simulation, spec.release)).toBe(0);
            begun.set(spec.release, (begun.get(spec.release) ?? new Set()).add(metadata.uid));
          }
          for (const attempts of begun.values()) expect(attempts.size).toBeLessThanOrEqual(2);
        }
        for (const index of simulation.hosts.keys()) simulation.setHost(index, { live: true, silentMs: 0 });
        for (let at = 0; at < 12; at++) advance(simulation, "finish");
        expect(simulation.charged.size).toBe(0);
        expect(simulation.instances.some(({ spec }) => spec.task === true)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });
});
