import type { Resource } from "@plimsoll/core";
import { backendId } from "@plimsoll/db";
import { describe, expect, it } from "vitest";
import { assembleRouting } from "./routing.ts";

const app = (uid: string, phase: string) => ({ metadata: { uid }, status: { phase } }) as Resource<"App">;
const route = (host: string, ownerUid: string) =>
  ({ metadata: { ownerUid }, spec: { host, app: "shop", process: "web" } }) as Resource<"Route">;
const instance = (uid: string, ownerUid: string, desired: string, phase = "ready", address = "10.64.0.2") =>
  ({ metadata: { uid, ownerUid }, spec: { process: "web", desired, port: 8080 }, status: { phase, address } }) as Resource<"Instance">;

describe("the routing table", () => {
  it("sends a route's requests to ready instances, and lets draining ones finish", () => {
    const routing = assembleRouting(
      7,
      [route("shop-store.localhost", "app_1"), route("shop.example", "app_1")],
      [app("app_1", "live")],
      [
        instance("a", "app_1", "running"),
        instance("b", "app_1", "draining"),
        instance("c", "app_1", "stopped"),
        instance("d", "app_2", "running"),
      ],
    );
    const id = backendId("app_1", "web");
    expect(id).toMatch(/^b[0-9a-f]{20}$/);
    expect(routing.version).toBe(7);
    expect(routing.routes).toEqual([
      { host: "shop-store.localhost", backendId: id },
      { host: "shop.example", backendId: id },
    ]);
    expect(routing.backends).toEqual([
      {
        id,
        state: "ready",
        endpoints: [
          { id: "a", address: "10.64.0.2", port: 8080, state: "ready" },
          { id: "b", address: "10.64.0.2", port: 8080, state: "draining" },
        ],
      },
    ]);
  });

  it("tells an app that is being deployed from one that has nothing to serve", () => {
    const state = (phase: string, ...instances: Resource<"Instance">[]) =>
      assembleRouting(1, [route("x", "app_1")], [app("app_1", phase)], instances).backends[0]?.state;
    expect(state("deploying")).toBe("deploying");
    expect(state("sleeping")).toBe("empty");
    expect(state("deploying", instance("a", "app_1", "draining"))).toBe("deploying");
    expect(state("deploying", instance("a", "app_1", "running"))).toBe("ready");
    expect(state("failing", instance("a", "app_1", "running", "unready"))).toBe("empty");
  });

  it("sends nothing to a release that does not serve yet, however ready its instances are", () => {
    const serving = { metadata: { uid: "app_1" }, status: { phase: "deploying", release: 1 } } as Resource<"App">;
    const of = (uid: string, release: number) => {
      const made = instance(uid, "app_1", "running");
      return { ...made, spec: { ...made.spec, release } } as Resource<"Instance">;
    };
    const [backend] = assembleRouting(1, [route("x", "app_1")], [serving], [of("old", 1), of("new", 2)]).backends;
    expect(backend?.endpoints.map(({ id }) => id)).toEqual(["old"]);
  });

  it("leaves out routes of apps that are gone", () => {
    expect(assembleRouting(1, [route("x", "app_9")], [], [])).toEqual({ version: 1, routes: [], backends: [] });
  });
});
