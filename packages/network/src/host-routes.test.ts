import { describe, expect, it } from "vitest";
import { addressPlan } from "./address-plan.ts";
import { refuseRouteConflicts, routeConflicts } from "./host-routes.ts";

const plan = addressPlan();

describe("routes of the host", () => {
  it("are no conflict when they are the default route, elsewhere, or ours", () => {
    const routes = [
      { dst: "default", gateway: "192.0.2.1", dev: "eth0" },
      { dst: "192.0.2.0/24", dev: "eth0" },
      { dst: "10.0.0.0/16", dev: "eth1" },
      { dst: "10.64.0.2", dev: "ptabcden3", protocol: "157" },
    ];
    expect(routeConflicts(plan, routes)).toEqual([]);
  });

  it.each(["10.64.0.0/16", "10.0.0.0/8", "10.100.3.7", "10.127.0.0/24"])("are one inside or around the network: %s", (dst) => {
    expect(routeConflicts(plan, [{ dst, dev: "eth1" }])).toEqual([{ network: "10.64.0.0/10", destination: dst, device: "eth1" }]);
  });

  it("tell which device and what to do", () => {
    expect(() => refuseRouteConflicts(plan, [{ dst: "100.64.0.0/10", dev: "tailscale0" }])).toThrow(
      /source|100\.64\.0\.0\/16 overlaps 100\.64\.0\.0\/10, which this host reaches by tailscale0\. Choose another private network/,
    );
  });
});
