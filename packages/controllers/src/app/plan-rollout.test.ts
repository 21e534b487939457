import type { Resource } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HostState, hostViews, liveIngress } from "../host-states.ts";
import { aDeployment, aHost, anApp, anInstance, aRelease, processes, START } from "../testing/objects.ts";
import { type AgentAct, Simulation } from "../testing/simulation.ts";
import { trafficLabel } from "./deployment-status.ts";
import { planRollout, RELEASES_KEPT } from "./plan-rollout.ts";
import type { RolloutWorld } from "./rollout-world.ts";

function world(over: Partial<RolloutWorld> = {}): RolloutWorld {
  return {
    nowMs: START + 1_000,
    observedSinceMs: START,
    app: anApp(),
    releases: new Map([1, 2, 3].map((n) => [n, aRelease(n)])),
    open: [],
    latest: undefined,
    instances: [],
    hosts: [aHost("host-a", { routingVersion: 9 })],
    urls: ["http://shop-store.localhost:8080"],
    traffic: undefined,
    ...over,
  };
}

const at = (ms: number) => new Date(START + ms).toISOString();
const ready = { phase: "ready", startedAt: at(0), readyAt: at(10) } as const;
const pair = (release: number, status: Partial<Resource<"Instance">["status"]> = ready, desired: "running" | "draining" = "running") =>
  [1, 2].map((ordinal) => anInstance(`v${release}-${ordinal}`, { release, ordinal, desired }, status));
const live1 = anApp({}, { release: 1, phase: "live" });
const names = (list: readonly Resource<"Instance">[]) => list.map(({ metadata }) => metadata.uid);

describe("a rollout under way", () => {
  it("switches when all are ready: the new release serves and the old instances drain, in one step", () => {
    const target = aDeployment(2, 2);
    const plan = planRollout(world({ app: live1, open: [target], instances: [...pair(1), ...pair(2)] }), []);
    expect(plan.status).toMatchObject({ release: 2, phase: "live" });
    expect(names(plan.drain)).toEqual(["v1-1", "v1-2"]);
    expect(plan).toMatchObject({ stop: [], routing: true });
    expect(plan.deployments).toMatchObject([{ status: { phase: "draining" } }]);
  });

  it("touches nothing that serves while the new ones are not all ready", () => {
    const [first, second] = pair(2);
    const waiting = { ...second, status: { phase: "starting", startedAt: at(500), restarts: 0 } } as Resource<"Instance">;
    const plan = planRollout(world({ app: live1, open: [aDeployment(2, 2)], instances: [...pair(1), first as never, waiting] }), []);
    expect(plan).toMatchObject({ drain: [], stop: [], create: [], deployments: [], routing: false });
    expect(plan.status).toMatchObject({ release: 1, phase: "deploying", processes: { web: { desired: 2, ready: 2 } } });
    // The next look is when the instance has had its time.
    expect(plan.againInMs).toBe(59_520);
  });

  it("completes at once when there is nothing to drain", () => {
    const plan = planRollout(world({ open: [aDeployment(1, 1)], instances: pair(1) }), []);
    expect(plan.deployments).toMatchObject([{ status: { phase: "complete", readyAt: at(1_000), finishedAt: at(1_000) } }]);
    expect(plan.status).toMatchObject({ release: 1, phase: "live" });
  });

  it.each<[string, Partial<Resource<"Instance">["status"]>, number, RegExp, RegExp | undefined]>([
    [
      "never ready in time",
      {
        phase: "starting",
        startedAt: at(0),
        message: "GET /healthz on port 8080 refused the connection; it listens on 127.0.0.1:3000, use PORT",
      },
      60_000,
      /^not ready after 60 s: GET \/healthz on port 8080 refused the connection$/,
      /127\.0\.0\.1:3000/,
    ],
    ["never started", { phase: "preparing" }, 120_000, /^not started after 120 s/, undefined],
    ["given up", { phase: "failed", message: "the image has no such user" }, 0, /^the image has no such user$/, undefined],
    [
      "crash loop",
      { phase: "backoff", restarts: 3, lastExit: { code: 1, outOfMemory: false, at: at(0) } },
      0,
      /^exited with 1, 3 times$/,
      undefined,
    ],
    [
      "out of memory",
      { phase: "backoff", restarts: 3, lastExit: { code: 137, outOfMemory: true, at: at(0) } },
      0,
      /needed more than its 256 MiB/,
      /more memory/,
    ],
  ])("fails with its reason, and the release before stays: %s", (_, status, afterMs, reason, hint) => {
    const bad = anInstance("bad", { release: 2, ordinal: 2 }, { restarts: 0, logTail: ["last words"], ...status });
    const instances = [...pair(1), pair(2)[0] as Resource<"Instance">, bad];
    const nowMs = START + Math.max(afterMs, 1_000);
    const plan = planRollout(world({ app: live1, open: [aDeployment(2, 2)], instances, nowMs }), []);
    const failure = { instance: "web-2", reason: expect.stringMatching(reason), logTail: ["last words"] };
    expect(plan.deployments).toMatchObject([
      { status: { phase: "failed", failure: hint ? { ...failure, hint: expect.stringMatching(hint) } : failure } },
    ]);
    expect(plan.status).toMatchObject({ release: 1, phase: "live", message: expect.stringMatching(/^v2 was not released: web-2/) });
    // The ready one has been routed perhaps: it drains; the bad one never was.
    expect([names(plan.drain), names(plan.stop)]).toEqual([["v2-1"], ["bad"]]);
    if (afterMs > 1_000) {
      const before = planRollout(world({ app: live1, open: [aDeployment(2, 2)], instances, nowMs: nowMs - 1 }), []);
      expect(before.deployments).toEqual([]);
    }
  });

  it("does not count the time in which the control plane was away", () => {
    const bad = anInstance("bad", { release: 1 }, { phase: "starting", startedAt: at(0) });
    const open = [aDeployment(1, 1)];
    const late = { open, instances: [bad, pair(1)[1] as Resource<"Instance">], nowMs: START + 3_600_000 };
    expect(planRollout(world(late), []).deployments).toMatchObject([{ status: { phase: "failed" } }]);
    expect(planRollout(world({ ...late, observedSinceMs: START + 3_590_000 }), []).deployments).toEqual([]);
  });

  it("says why there is no host for an instance, and gives up after two minutes", () => {
    const simulation = new Simulation();
    simulation.hosts = [aHost("host-a", {}, { capacity: { cpuMillis: 300, memoryBytes: 1024 ** 3 } })];
    simulation.deploy();
    simulation.step();
    expect(simulation.instances).toHaveLength(1);
    expect(simulation.deployments[0]?.status.message).toBe("web-2 waits for a host: of 1 host: 1 host without enough free cpu");
    simulation.nowMs += 119_000;
    simulation.act(simulation.instances[0] as Resource<"Instance">, "ready");
    simulation.act(simulation.instances[0] as Resource<"Instance">, "ready");
    simulation.step();
    expect(simulation.deployments[0]?.status.phase).toBe("starting");
    simulation.nowMs += 1_000;
    simulation.step();
    expect(simulation.deployments[0]?.status).toMatchObject({
      phase: "failed",
      message: "v1 was not released: web-2 found no host with room: of 1 host: 1 host without enough free cpu. Nothing serves yet.",
      failure: { instance: "web-2", hint: expect.stringContaining("`plim hosts add`") },
    });
    expect(simulation.app.status.phase).toBe("failing");
  });

  it("hands over to a newer deployment: the older one is superseded, and only what serves stays of the others", () => {
    const starting = pair(2, { phase: "starting", startedAt: at(0) });
    const plan = planRollout(world({ app: live1, open: [aDeployment(2, 2), aDeployment(3, 3)], instances: [...pair(1), ...starting] }), []);
    expect(plan.deployments[0]).toMatchObject({ deployment: { spec: { number: 2 } }, status: { phase: "superseded" } });
    expect([names(plan.stop), names(plan.drain)]).toEqual([["v2-1", "v2-2"], []]);
  });

  it("goes back to what serves without judging it", () => {
    const crashing = pair(1, { phase: "backoff", restarts: 9, startedAt: at(0) });
    const plan = planRollout(world({ app: live1, open: [aDeployment(3, 1)], instances: crashing }), []);
    expect(plan.deployments).toEqual([]);
    const healthy = planRollout(world({ app: live1, open: [aDeployment(3, 1)], instances: pair(1) }), []);
    expect(healthy.deployments).toMatchObject([{ status: { phase: "complete" } }]);
  });

  it("fails when its release is gone", () => {
    const plan = planRollout(world({ app: live1, open: [aDeployment(9, 9)], instances: pair(1) }), []);
    expect(plan.deployments).toMatchObject([{ status: { phase: "failed", failure: { reason: expect.stringMatching(/v9 is gone/) } } }]);
  });

  it("tells how many requests came meanwhile, also after an ingress was restarted", () => {
    const target = aDeployment(1, 1);
    const labels = { "plimsoll/requests-at-start": trafficLabel({ total: 100, failed: 1 }) };
    const open = [{ ...target, metadata: { ...target.metadata, labels } }];
    const requests = (traffic: RolloutWorld["traffic"]) =>
      planRollout(world({ open, instances: pair(1), traffic }), []).deployments[0]?.status.requests;
    expect(requests({ total: 160, failed: 1 })).toEqual({ total: 60, failed: 0 });
    expect(requests({ total: 7, failed: 0 })).toEqual({ total: 7, failed: 0 });
    expect(requests(undefined)).toBeUndefined();
  });

  it("keeps the newest releases and the one that serves", () => {
    const releases = new Map(Array.from({ length: 14 }, (_, i) => [i + 1, aRelease(i + 1)]));
    const plan = planRollout(world({ releases, open: [aDeployment(20, 2)], instances: pair(2) }), []);
    expect(plan.removeReleases.map(({ spec }) => spec.number)).toEqual([4, 3, 1]);
    expect(releases.size - plan.removeReleases.length).toBe(RELEASES_KEPT + 1);
  });
});

describe("draining", () => {
  const draining = pair(1, { ...ready, drainVersion: 5 }, "draining");
  const app = anApp({}, { release: 2, phase: "live" });
  const open = [aDeployment(2, 2, { phase: "draining", readyAt: at(0) })];
  const instances = [...draining, ...pair(2)];

  it.each([
    ["stops when every live ingress has the version", [aHost("a", { routingVersion: 5 }), aHost("b", { routingVersion: 7 })], 2, undefined],
    [
      "waits for a live one that has not",
      [aHost("a", { routingVersion: 5 }), aHost("b", { routingVersion: 4 })],
      0,
      /Waits for the ingress of b/,
    ],
    [
      "does not wait for a silent one, and names it",
      [aHost("a", { routingVersion: 5 }), aHost("b", { routingVersion: 4, live: false, silentMs: 1 })],
      2,
      /ingress of b is silent/,
    ],
    ["does not ask hosts without ingress", [aHost("a", { routingVersion: 5 }), aHost("b", {}, { roles: ["run"] })], 2, undefined],
  ])("%s", (_, hosts, stopped, message) => {
    const all = [...hosts, aHost("host-a", { routingVersion: 9 }, { roles: ["run"] })];
    const plan = planRollout(world({ app, open, instances, hosts: all }), []);
    expect(plan.stop).toHaveLength(stopped);
    if (message !== undefined) expect(plan.deployments[0]?.status.message).toMatch(message);
    else expect(plan.deployments).toEqual([]);
  });

  it("notes the version where it is missing", () => {
    const plan = planRollout(world({ app, open, instances: [...pair(1, ready, "draining"), ...pair(2)] }), []);
    expect([names(plan.noteDrainVersion), plan.stop]).toEqual([["v1-1", "v1-2"], []]);
  });

  it("removes what its host says is gone, and completes when the last one is", () => {
    const gone = pair(1, { phase: "stopped" }).map((one) => ({ ...one, spec: { ...one.spec, desired: "stopped" as const } }));
    const one = planRollout(
      world({ app, open, instances: [gone[0] as never, draining[1] as never, ...pair(2)], hosts: [aHost("host-a")] }),
      [],
    );
    expect([names(one.remove), one.deployments[0]?.status.phase]).toEqual([["v1-1"], "draining"]);
    const both = planRollout(world({ app, open, instances: [...gone, ...pair(2)] }), []);
    expect(both.deployments[0]?.status.phase).toBe("complete");
  });
});

describe("between rollouts", () => {
  it("scales down newest first, through draining", () => {
    const app = anApp({ processes: { web: { ...processes.web, replicas: 1 } } }, { release: 1 });
    const plan = planRollout(world({ app, instances: pair(1) }), []);
    expect([names(plan.drain), plan.routing]).toEqual([["v1-2"], true]);
  });

  it("sleeps at zero", () => {
    const app = anApp({ processes: { web: { ...processes.web, replicas: 0 } } }, { release: 1 });
    expect(planRollout(world({ app }), []).status.phase).toBe("sleeping");
  });

  it("replaces what its host gave up, after a while, and what was lost with its host", () => {
    const [first, second] = pair(1) as [Resource<"Instance">, Resource<"Instance">];
    const failed = { ...second, status: { phase: "failed", restarts: 0, lastExit: { code: 1, outOfMemory: false, at: at(0) } } } as never;
    const early = planRollout(world({ app: live1, instances: [first, failed], nowMs: START + 14_000 }), []);
    expect([early.stop, early.againInMs]).toEqual([[], 1_020]);
    expect(names(planRollout(world({ app: live1, instances: [first, failed], nowMs: START + 15_000 }), []).stop)).toEqual(["v1-2"]);
    const gone = aHost("host-a", { live: false, silentMs: 60_001 });
    const plan = planRollout(world({ app: live1, instances: pair(1), hosts: [gone] }), []);
    expect([names(plan.lose), plan.routing]).toEqual([["v1-1", "v1-2"], true]);
    expect(plan.events.map(({ note }) => note.reason)).toEqual(["HostLost", "InstanceLost", "InstanceLost", "Unplaced"]);
    expect(
      planRollout(world({ app: live1, instances: pair(1), hosts: [aHost("host-a", { live: false, silentMs: 59_000 })] }), []).lose,
    ).toEqual([]);
  });
});

describe("a closed host", () => {
  const closed = [aHost("host-a", {}, { schedulable: false }), aHost("host-b")];
  const elsewhere = (ordinal: number, status: Partial<Resource<"Instance">["status"]>) =>
    anInstance(`new-${ordinal}`, { release: 1, ordinal, host: "host-b", hostUid: "host-b" }, status);

  it("keeps what runs there until as many are ready elsewhere, and only then lets it drain", () => {
    const views = hostViews(closed, new Map());
    const begun = planRollout(world({ app: live1, hosts: closed, instances: pair(1) }), views);
    expect(begun.create.map(({ hostUid, ordinal }) => [hostUid, ordinal])).toEqual([
      ["host-b", 3],
      ["host-b", 4],
    ]);
    expect([begun.drain, begun.stop, begun.status.phase]).toEqual([[], [], "live"]);
    const half = planRollout(
      world({ app: live1, hosts: closed, instances: [...pair(1), elsewhere(3, ready), elsewhere(4, { phase: "starting" })] }),
      views,
    );
    expect([names(half.drain), half.create]).toEqual([["v1-2"], []]);
    const whole = planRollout(
      world({ app: live1, hosts: closed, instances: [...pair(1), elsewhere(3, ready), elsewhere(4, ready)] }),
      views,
    );
    expect(names(whole.drain).sort()).toEqual(["v1-1", "v1-2"]);
    // Negative control: an open host's instances stay.
    const open = [aHost("host-a"), aHost("host-b")];
    expect(planRollout(world({ app: live1, hosts: open, instances: pair(1) }), []).create).toEqual([]);
  });

  it("that is the only one goes on serving, and says what is waited for", () => {
    const [only] = closed as [HostState];
    const input = { app: live1, hosts: [only], instances: pair(1), nowMs: START + 500_000 };
    const plan = planRollout(world(input), hostViews([only], new Map()));
    expect([plan.create, plan.drain, plan.stop]).toEqual([[], [], []]);
    expect(plan.status).toMatchObject({ phase: "live", message: expect.stringMatching(/waits for a host: .*closed to new work/) });
    // A release that began there before it was closed gets through.
    const target = aDeployment(2, 2);
    const rollout = planRollout(world({ ...input, open: [target], instances: [...pair(1), ...pair(2)] }), hostViews([only], new Map()));
    expect(rollout.status.release).toBe(2);
    expect(names(rollout.drain)).toEqual(["v1-1", "v1-2"]);
  });
});

describe("any order of events", () => {
  type Command = (simulation: Simulation) => void;
  const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];
  const index = fc.nat(20);
  const command: fc.Arbitrary<Command> = fc.oneof(
    { weight: 8, arbitrary: fc.constant<Command>((s) => void s.step()) },
    {
      weight: 8,
      arbitrary: fc.tuple(index, fc.constantFrom("ready", "ready", "ready", "unready", "crash", "give-up")).map(
        ([n, how]): Command =>
          (s) => {
            const one = pick(s.instances, n);
            if (one !== undefined) s.act(one, how as AgentAct);
          },
      ),
    },
    {
      weight: 3,
      arbitrary: fc.nat(1).map(
        (n): Command =>
          (s) =>
            s.acknowledge(n),
      ),
    },
    { weight: 2, arbitrary: fc.constant<Command>((s) => s.deploy()) },
    {
      weight: 1,
      arbitrary: index.map(
        (n): Command =>
          (s) => {
            const release = pick(s.releases, n);
            if (release !== undefined) s.redeploy(release.spec.number);
          },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 0, max: 4 }).map(
        (n): Command =>
          (s) =>
            s.scale(n),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(100, 10_000, 70_000).map(
        (ms): Command =>
          (s) =>
            s.pass(ms),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.nat(1), fc.constantFrom({ live: false, silentMs: 5_000 }, { live: false, silentMs: 90_000 }, { live: true, silentMs: 0 }))
        .map(
          ([n, over]): Command =>
            (s) =>
              s.setHost(n, over),
        ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(1), fc.boolean()).map(
        ([n, closed]): Command =>
          (s) =>
            s.close(n, closed),
      ),
    },
  );

  it("never stops a routed instance that a live router may still use, never serves what is not ready, never doubles, and ends well", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120, size: "max" }), (commands) => {
        const simulation = new Simulation();
        for (const run of commands) {
          const before = snapshot(simulation);
          run(simulation);
          check(before, simulation);
        }
        settle(simulation);
      }),
      { numRuns: 400 },
    );
  });

  interface Snapshot {
    readonly release: number | undefined;
    readonly instances: ReadonlyMap<string, Resource<"Instance">>;
    readonly replicas: number;
  }

  function snapshot({ app, instances }: Simulation): Snapshot {
    return {
      release: app.status.release,
      instances: new Map(instances.map((one) => [one.metadata.uid, one])),
      replicas: app.spec.processes.web?.replicas ?? 0,
    };
  }

  function check(before: Snapshot, { app, instances, hosts, deployments, nowMs }: Simulation): void {
    const isLost = (one: Resource<"Instance">) =>
      hosts.some(({ host, live, silentMs }) => host.metadata.uid === one.spec.hostUid && !live && silentMs > 60_000);
    for (const one of instances) {
      const was = before.instances.get(one.metadata.uid);
      if (was === undefined || was.spec.desired === one.spec.desired || one.spec.desired !== "stopped" || isLost(one)) continue;
      // Routed once: it has drained, and every live router has said so.
      const served = was.status.phase === "ready" || was.status.phase === "unready" || was.status.readyAt !== undefined;
      if (!served || was.status.phase === "stopped") continue;
      expect(was.spec.desired).toBe("draining");
      for (const { routingVersion } of liveIngress(hosts))
        expect(routingVersion).toBeGreaterThanOrEqual(was.status.drainVersion ?? Infinity);
    }
    if (app.status.release !== before.release) {
      const serving = instances.filter(
        ({ spec, status }) => spec.release === app.status.release && spec.desired === "running" && status.phase === "ready",
      );
      expect(serving.length).toBeGreaterThanOrEqual(before.replicas);
    }
    const running = instances.filter((one) => one.spec.desired === "running" && !isLost(one));
    const slots = running.map(({ spec }) => `${spec.release}/${spec.process}/${spec.ordinal}`);
    expect(new Set(slots).size).toBe(slots.length);
    for (const { status } of deployments) if (status.phase === "failed") expect(status.failure).toBeDefined();
    expect(nowMs).toBeGreaterThanOrEqual(START);
  }

  /** From here on all goes well: everything comes to rest, with what is wanted and nothing else. */
  function settle(simulation: Simulation): void {
    for (const i of [0, 1]) {
      simulation.setHost(i, { live: true, silentMs: 0 });
      simulation.close(i, false);
    }
    for (let round = 0; round < 60; round++) {
      simulation.nowMs += 20_000;
      // Healthy from here on; what its host gave up stays so until it is replaced.
      for (const one of simulation.instances) simulation.act(one, "ready");
      for (const i of [0, 1]) simulation.acknowledge(i);
      simulation.step();
    }
    const { app, instances, deployments } = simulation;
    expect(deployments.filter(({ status }) => status.phase === "starting" || status.phase === "draining")).toEqual([]);
    const replicas = app.status.release === undefined ? 0 : (app.spec.processes.web?.replicas ?? 0);
    expect(instances.map(({ spec, status }) => [spec.release, spec.desired, status.phase])).toEqual(
      Array.from({ length: replicas }, () => [app.status.release, "running", "ready"]),
    );
    const plan = simulation.step();
    expect([plan.create, plan.drain, plan.stop, plan.remove, plan.deployments]).toEqual([[], [], [], [], []]);
  }
});
