import { describe, expect, it } from "vitest";
import { aHost } from "../testing/objects.ts";
import { planHost } from "./plan-host.ts";

const unreachable = (state: ReturnType<typeof aHost>, message = "old") => ({
  ...state,
  host: { ...state.host, status: { ...state.host.status, phase: "unreachable" as const, message } },
});

describe("a host", () => {
  it("that answers stays as it is", () => {
    expect(planHost(aHost("a"))).toEqual({ wakeApps: false });
  });

  it("that fell silent is unreachable, and looked at again when its instances count as lost", () => {
    expect(planHost(aHost("a", { live: false, silentMs: 1_000 }))).toMatchObject({
      status: { phase: "unreachable" },
      event: { reason: "HostUnreachable" },
      wakeApps: true,
      againInMs: 59_050,
    });
  });

  it("that stayed silent has lost its instances: its apps are woken once, and tell the loss themselves", () => {
    const state = unreachable(aHost("a", { live: false, silentMs: 60_001 }));
    const plan = planHost(state);
    expect(plan).toMatchObject({ status: { phase: "unreachable" }, wakeApps: true });
    expect(plan.event).toBeUndefined();
    expect(planHost(unreachable(state, plan.status?.message))).toEqual({ wakeApps: false });
  });

  it("that is found silent for long, as after a stop of the platform, is told to be unreachable", () => {
    expect(planHost(aHost("a", { live: false, silentMs: 60_001 })).event).toMatchObject({ reason: "HostUnreachable" });
  });

  it("that was just enrolled is said to be awaited, not lost", () => {
    const plan = planHost({ ...aHost("a", { live: false, silentMs: 3_600_000 }), unheard: true });
    expect(plan.status).toMatchObject({
      phase: "unreachable",
      message: expect.stringMatching(/^It was enrolled and has not been heard of yet/),
    });
  });

  it("that answers again is ready", () => {
    const plan = planHost(unreachable(aHost("a")));
    expect(plan).toMatchObject({ status: { phase: "ready" }, event: { reason: "HostReady" }, wakeApps: true });
    expect(plan.status?.message).toBeUndefined();
  });
});
