import { describe, expect, it } from "vitest";
import { readSettings } from "./settings.ts";

const base = { PLIMSOLL_DATA_DIR: "/var/lib/plimsoll", PLIMSOLL_API: "unix:/run/api.sock" };

describe("the agent's settings", () => {
  it("leave to the platform and the host what nobody set", () => {
    const settings = readSettings(base);
    expect(settings).toMatchObject({ hostName: "this-host", httpPort: 8080 });
    for (const name of ["roles", "resolvers", "buildCacheBytes", "address"]) expect(settings).not.toHaveProperty(name);
  });

  it("take lists with commas", () => {
    const set = { PLIMSOLL_ROLES: "run, ingress", PLIMSOLL_RESOLVERS: "192.0.2.1,192.0.2.2", PLIMSOLL_BUILD_CACHE_BYTES: "1000" };
    expect(readSettings({ ...base, ...set })).toMatchObject({
      roles: ["run", "ingress"],
      resolvers: ["192.0.2.1", "192.0.2.2"],
      buildCacheBytes: 1_000,
    });
  });

  it("map base images to what is made for them here, or to nothing", () => {
    const rules = readSettings({ ...base, PLIMSOLL_SUBSTITUTES: "node:22*=node:bookworm, quay.io/acme/base:*=debian:trixie" }).substitutes;
    expect(rules).toEqual([
      { match: "node:22*", make: { kind: "node", suite: "bookworm" } },
      { match: "quay.io/acme/base:*", make: { kind: "debian", suite: "trixie" } },
    ]);
    expect(readSettings({ ...base, PLIMSOLL_SUBSTITUTES: "none" }).substitutes).toEqual([]);
    expect(readSettings(base)).not.toHaveProperty("substitutes");
  });

  it("name the operator's registries and mirrors", () => {
    const set = {
      PLIMSOLL_REGISTRY_MIRRORS: "docker.io=mirror.example:5000, index.docker.io=h.example/hub,ghcr.io=g.example",
      PLIMSOLL_REGISTRIES_ON_HOST: "127.0.0.1:5000",
      PLIMSOLL_REGISTRIES_PLAIN_HTTP: "127.0.0.1:5000,registry.lan",
    };
    expect(readSettings({ ...base, ...set }).registries).toEqual({
      mirrors: { "docker.io": ["mirror.example:5000", "h.example/hub"], "ghcr.io": ["g.example"] },
      onHost: ["127.0.0.1:5000"],
      plainHttp: ["127.0.0.1:5000", "registry.lan"],
    });
  });

  it.each([
    ["PLIMSOLL_REGISTRY_MIRRORS", "docker.io"],
    ["PLIMSOLL_REGISTRY_MIRRORS", "docker.io=https://mirror.example"],
    ["PLIMSOLL_REGISTRIES_ON_HOST", "http://registry.lan"],
    ["PLIMSOLL_SUBSTITUTES", "node:22"],
    ["PLIMSOLL_SUBSTITUTES", "node:22=ruby:bookworm"],
    ["PLIMSOLL_ROLES", "run,king"],
    ["PLIMSOLL_RESOLVERS", "192.0.2.1,127.0.0.53"],
    ["PLIMSOLL_RESOLVERS", "dns.example"],
    ["PLIMSOLL_BUILD_CACHE_BYTES", "much"],
    ["PLIMSOLL_API", "http://10.0.0.1"],
  ])("that are wrong are refused by name: %s=%s", (name, value) => {
    expect(() => readSettings({ ...base, [name]: value })).toThrow(
      expect.objectContaining({ code: "invalid", message: expect.stringContaining(name) }),
    );
  });
});
