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

  it("that stayed silent has lost its instances: told once, and its apps are woken", () => {
    const state = unreachable(aHost("a", { live: false, silentMs: 60_001 }));
    const plan = planHost(state);
    expect(plan).toMatchObject({ event: { reason: "HostLost" }, wakeApps: true });
    expect(planHost(unreachable(state, plan.status?.message))).toEqual({ wakeApps: false });
  });

  it("that answers again is ready", () => {
    const plan = planHost(unreachable(aHost("a")));
    expect(plan).toMatchObject({ status: { phase: "ready" }, event: { reason: "HostReady" }, wakeApps: true });
    expect(plan.status?.message).toBeUndefined();
  });
});
