import type { Resource, Spec } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { anApp, processes } from "../testing/objects.ts";
import { strayRoutes } from "./ensure-route.ts";
import { routedProcess, routeHosts, urlOf } from "./route-host.ts";

const settings = { appsDomain: "example.app", appsScheme: "http", appsPort: 8080 } as const;

function app(name: string, namespace: string, uid = "app_1") {
  const one = anApp();
  return { ...one, metadata: { ...one.metadata, name, namespace, uid } };
}

describe("host names of an app", () => {
  it("are its own name in its namespace, then one that only it can have", () => {
    const [plain, hashed] = routeHosts(app("shop", "store"), settings);
    expect(plain).toBe("shop-store.example.app");
    expect(hashed).toMatch(/^shop-store-[0-9a-f]{8}\.example\.app$/);
    expect(routeHosts(app("shop", "store", "app_2"), settings)[1]).not.toBe(hashed);
    expect(routeHosts(app("shop", "store"), settings)[1]).toBe(hashed);
  });

  it("fit into a DNS label", () => {
    const hosts = routeHosts(app("a".repeat(40), "b".repeat(40)), settings);
    expect(hosts).toHaveLength(1);
    const label = hosts[0]?.split(".")[0] ?? "";
    expect(label.length).toBeLessThanOrEqual(63);
    expect(label).toMatch(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])$/);
  });

  it("leave reserved names alone", () => {
    expect(routeHosts(app("shop", "store"), { ...settings, reservedHosts: ["shop-store.example.app"] })).toHaveLength(1);
  });
});

it("routes to web, or else to the first process with a port", () => {
  const { port: _, ...portless } = processes.web;
  expect(routedProcess(anApp({ processes: { api: processes.web, web: processes.web } }).spec)).toBe("web");
  expect(routedProcess(anApp({ processes: { worker: portless, http: processes.web, api: processes.web } }).spec)).toBe("api");
  expect(routedProcess(anApp({ processes: { worker: portless } }).spec)).toBeUndefined();
});

it("leads elsewhere once the release that serves has no port where it led", () => {
  const { port: _, ...portless } = processes.web;
  const route = { metadata: { uid: "rte_1" }, spec: { host: "shop", app: "shop", process: "web" } } as Resource<"Route">;
  const serving = (all: Spec<"Release">["processes"]) => ({ spec: { processes: all } }) as Resource<"Release">;
  expect(strayRoutes([route], serving({ api: processes.web, worker: portless }))).toEqual([{ route, process: "api" }]);
  expect(strayRoutes([route], serving({ web: portless, http: processes.web }))).toEqual([{ route, process: "http" }]);
  expect(strayRoutes([route], serving({ web: processes.web, api: processes.web }))).toEqual([]);
  expect(strayRoutes([route], serving({ worker: portless }))).toEqual([]);
  expect(strayRoutes([route], undefined)).toEqual([]);
});

it("shows a port only where it is not the scheme's own", () => {
  expect(urlOf("a.b", settings)).toBe("http://a.b:8080");
  expect(urlOf("a.b", { ...settings, appsScheme: "https", appsPort: 443 })).toBe("https://a.b");
  expect(urlOf("a.b", { appsDomain: "b", appsScheme: "https" })).toBe("https://a.b");
});
