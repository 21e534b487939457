import { describe, expect, it } from "vitest";
import { accessFor, RegistryCredential, readMirror, readRegistryHost } from "./registries.ts";

describe("a registry's host", () => {
  it.each([
    ["ghcr.io", "ghcr.io"],
    ["Registry.Example:5000", "registry.example:5000"],
    ["localhost:5000", "localhost:5000"],
    ["index.docker.io", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    ["127.0.0.1:5000", "127.0.0.1:5000"],
  ])("%s is %s", (text, host) => expect(readRegistryHost(text)).toBe(host));

  it.each(["", "https://ghcr.io", "ghcr.io/acme", "a b", "-x.example", "ghcr", "ghcr.io:", "a..b", "x".repeat(300), "ghcr.io\n"])(
    "%j is none",
    (text) => expect(() => readRegistryHost(text)).toThrow(/is no registry; write/),
  );
});

describe("what one image needs", () => {
  const credential = { username: "a", password: "b" };
  const all = {
    "docker.io": { mirrors: ["m.example/hub"] },
    "m.example": { credential },
    "ghcr.io": { credential },
    "r.example:5000": { credential },
  };
  const of = (reference: string) => Object.keys(accessFor(reference, all));
  it("is its registry and that one's mirrors", () => {
    expect(of("node:22")).toEqual(["docker.io", "m.example"]);
    expect(of("index.docker.io/library/node")).toEqual(["docker.io", "m.example"]);
    expect(of("acme/shop@sha256:1")).toEqual(["docker.io", "m.example"]);
    expect(of("ghcr.io/acme/shop:1")).toEqual(["ghcr.io"]);
    expect(of("R.example:5000/shop")).toEqual(["r.example:5000"]);
    expect(of("elsewhere.example/shop")).toEqual([]);
  });
});

describe("a mirror", () => {
  it("is a host, with a path or without", () => {
    expect(readMirror("m.example:5000")).toEqual({ host: "m.example:5000", path: "" });
    expect(readMirror("h.example/hub/x")).toEqual({ host: "h.example", path: "/hub/x" });
  });
  it.each(["m.example/", "m.example/../x", "m.example/UP", "m.example/x:1", "m.example/x@sha256:1", "/x"])("%j is none", (text) =>
    expect(() => readMirror(text)).toThrow(/is no (mirror|registry)/),
  );
});

describe("a credential", () => {
  it("takes what registries have, and nothing that would break out of its line", () => {
    const ok = (username: string, password: string) => RegistryCredential.safeParse({ username, password }).success;
    expect([ok("ana", "p:w ü"), ok("<token>", "x"), ok("robot$ci", "x"), ok("a@b.example", "x")]).toEqual([true, true, true, true]);
    expect([ok("a:b", "x"), ok("", "x"), ok("a", ""), ok("a", "x\ny"), ok("a\n", "x")]).toEqual([false, false, false, false, false]);
  });
});
