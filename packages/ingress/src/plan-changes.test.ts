import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DesiredIngress } from "./desired.ts";
import { type ObservedIngress, planChanges } from "./plan-changes.ts";

const files = { hostMap: "/h", stateMap: "/s" };
const nothing: ObservedIngress = { servers: [], hosts: new Map(), states: new Map() };
const endpoint = (id: string, state: "ready" | "draining" = "ready") => ({ id, address: "10.64.0.2", port: 80, state });
const desired = (endpoints: DesiredIngress["backends"][number]["endpoints"]): DesiredIngress => ({
  listen: [],
  routes: [{ host: "a.localhost", backendId: "b" }],
  backends: [{ id: "b", state: "ready", endpoints }],
});
const server = (name: string, more: object = {}) => ({
  backend: "b",
  name,
  endpoint: "10.64.0.2:80",
  enabled: true,
  isOut: false,
  ...more,
});
const settled = (servers: ObservedIngress["servers"]): ObservedIngress => ({
  servers,
  hosts: new Map([["a.localhost", "b"]]),
  states: new Map([["b", "ready"]]),
});

describe("changes at run time", () => {
  it("make everything where there is nothing, endpoints before what leads to them", () => {
    expect(planChanges(desired([endpoint("i1")]), nothing, files)).toEqual({
      commands: ["add server b/i1 10.64.0.2:80", "enable server b/i1", "add map /h a.localhost b", "add map /s b ready"],
      withdrawn: false,
      deletions: [],
    });
  });

  it("are none when all is as desired", () => {
    expect(planChanges(desired([endpoint("i1")]), settled([server("i1")]), files)).toEqual({
      commands: [],
      withdrawn: false,
      deletions: [],
    });
  });

  it("bring the new endpoint before they drain the old one, and say that one was withdrawn", () => {
    const plan = planChanges(desired([endpoint("i1", "draining"), endpoint("i2")]), settled([server("i1")]), files);
    expect(plan.commands).toEqual(["add server b/i2 10.64.0.2:80", "enable server b/i2", "set server b/i1 state drain"]);
    expect(plan.withdrawn).toBe(true);
  });

  it("leave a draining endpoint alone, and take it out when it is gone", () => {
    const draining = settled([server("i1", { enabled: false })]);
    expect(planChanges(desired([endpoint("i1", "draining")]), draining, files).commands).toEqual([]);
    expect(planChanges(desired([]), draining, files)).toMatchObject({
      commands: ["set server b/i1 state maint"],
      deletions: ["del server b/i1"],
    });
    const out = settled([server("i1", { enabled: false, isOut: true })]);
    expect(planChanges(desired([]), out, files)).toEqual({ commands: [], withdrawn: false, deletions: ["del server b/i1"] });
  });

  it("bring back an endpoint that was drained, and one that moved", () => {
    expect(planChanges(desired([endpoint("i1")]), settled([server("i1", { enabled: false })]), files).commands).toEqual([
      "set server b/i1 state ready",
    ]);
    expect(planChanges(desired([endpoint("i1")]), settled([server("i1", { endpoint: "10.64.0.9:80" })]), files).commands).toEqual([
      "set server b/i1 addr 10.64.0.2 port 80",
    ]);
  });

  it("never touch servers of the platform", () => {
    const observed = settled([server("platform_api", { backend: "platform_api" }), server("i1")]);
    expect(planChanges(desired([endpoint("i1")]), observed, files).commands).toEqual([]);
  });

  it("lead from any state to the desired one, and never through fewer ready endpoints than both have", () => {
    const ids = ["i1", "i2", "i3", "i4"];
    const wish = fc.uniqueArray(fc.record({ id: fc.constantFrom(...ids), ready: fc.boolean() }), { selector: ({ id }) => id });
    const world = fc.uniqueArray(fc.record({ id: fc.constantFrom(...ids), mode: fc.constantFrom("ready", "drain", "maint") }), {
      selector: ({ id }) => id,
    });
    fc.assert(
      fc.property(wish, world, (wanted, had) => {
        const want = desired(wanted.map(({ id, ready }) => endpoint(id, ready ? "ready" : "draining")));
        const modes = new Map<string, string>(had.map(({ id, mode }) => [id, mode]));
        const observe = () => settled([...modes].map(([id, mode]) => server(id, { enabled: mode === "ready", isOut: mode === "maint" })));
        const ready = () => [...modes.values()].filter((mode) => mode === "ready").length;
        const least = Math.min(ready(), wanted.filter((w) => w.ready).length);
        const plan = planChanges(want, observe(), files);
        for (const command of plan.commands) {
          const [, id = "", mode] = /b\/(\w+)(?: state (\w+))?/.exec(command) ?? [];
          if (command.startsWith("add server")) modes.set(id, "maint");
          else if (command.startsWith("enable server")) modes.set(id, "ready");
          else if (mode !== undefined) modes.set(id, mode);
          expect(ready()).toBeGreaterThanOrEqual(least);
        }
        expect(
          [...modes]
            .filter(([, mode]) => mode === "ready")
            .map(([id]) => id)
            .sort(),
        ).toEqual(
          wanted
            .filter((w) => w.ready)
            .map((w) => w.id)
            .sort(),
        );
        expect(planChanges(want, observe(), files).commands).toEqual([]);
      }),
    );
  });
});
