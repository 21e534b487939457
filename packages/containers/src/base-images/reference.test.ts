import { AppError, type RegistryAccess } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { matchesReference, parseReference } from "./reference.ts";
import { translate } from "./registry.ts";
import { imageSources, type MirrorTable } from "./sources.ts";
import { defaultSubstitutes, findRule } from "./substitutes.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("image references", () => {
  it.each([
    ["node:22", "docker.io/library/node:22", "node:22"],
    ["node", "docker.io/library/node:latest", "node:latest"],
    ["acme/shop:1", "docker.io/acme/shop:1", "acme/shop:1"],
    ["ghcr.io/a/b/c:x", "ghcr.io/a/b/c:x", "ghcr.io/a/b/c:x"],
    ["localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"],
    [`node:22@${DIGEST}`, `docker.io/library/node@${DIGEST}`, `node@${DIGEST}`],
  ])("completes %s", (text, full, familiar) => expect(parseReference(text)).toMatchObject({ full, familiar }));

  it.each(["", "UPPER/case", "a b", "--flag", "node:", "x".repeat(600), "docker://node", "node:22;id", "../etc"])("refuses %j", (text) =>
    expect(() => parseReference(text)).toThrow(/no image reference/),
  );
});

describe("stand-ins", () => {
  it("are there for Debian, Node, and what Debian has of Python, Go, Rust, Ruby and PHP, never for a digest or another image", () => {
    const rule = (text: string) => findRule(parseReference(text), defaultSubstitutes)?.make.kind;
    expect(rule("node:22-slim")).toBe("node");
    expect(rule("debian:bookworm-slim")).toBe("debian");
    expect(rule("python:3.11-slim")).toBe("python");
    expect(rule("python:3.12")).toBeUndefined();
    expect(rule("golang:1.22")).toBe("golang");
    expect([rule("rust:1-trixie"), rule("rust:1.82-trixie"), rule("debian:trixie-slim")]).toEqual(["rust", undefined, "debian"]);
    expect([rule("ruby:3.3-slim"), rule("ruby:3.4"), rule("php:8.4-apache"), rule("php:8.3-apache")]).toEqual([
      "ruby",
      undefined,
      "php",
      undefined,
    ]);
    expect(rule("nginx:1")).toBeUndefined();
    expect(rule(`node@${DIGEST}`)).toBeUndefined();
    expect(rule("ghcr.io/node:22")).toBeUndefined();
  });

  it("match by wildcard only where one stands", () => {
    expect(matchesReference("node:22.1", "node:*")).toBe(true);
    expect(matchesReference("nodex:22", "node:*")).toBe(false);
    expect(matchesReference("debianXbookworm", "debian.bookworm")).toBe(false);
  });
});

describe("a registry's refusal", () => {
  const refuse = (stderr: string, credential?: { username: string; password: string }) =>
    translate(
      parseReference("node:22"),
      { registry: "docker.io", ...(credential === undefined ? {} : { credential }) },
      new AppError("internal", "skopeo", { details: { stderr } }),
    );
  it.each([
    ["dial tcp: lookup registry-1.docker.io: no such host", "unavailable", true],
    ["manifest unknown: manifest unknown", "not_found", undefined],
    ["unauthorized: authentication required", "forbidden", undefined],
    ["toomanyrequests: You have reached your pull rate limit", "unavailable", undefined],
  ])("%s: %s", (words, code, isUnreachable) =>
    expect(refuse(words)).toMatchObject({ code, details: isUnreachable ? { unreachable: true } : {} }),
  );

  it("says how to log in, and as whom one is refused", () => {
    expect(refuse("unauthorized").message).toMatch(/plim registries set docker\.io --user NAME$/);
    expect(refuse("unauthorized", { username: "ana", password: "secret" }).message).toMatch(
      /refused user ana .*plim registries set docker\.io --user ana$/,
    );
  });
});

describe("where an image is asked for", () => {
  const credential = (username: string) => ({ username, password: "p" });
  const of = (text: string, registries: RegistryAccess, platform: MirrorTable = {}) =>
    imageSources(parseReference(text), { namespaceUid: "ns", registries }, platform).map((source) => [
      `${source.repository}${source.suffix}`,
      source.credential?.username ?? "",
      source.isPrivate,
    ]);

  it("is the registry itself, with nothing, where nothing is set", () =>
    expect(of("node:22", {})).toEqual([["docker.io/library/node:22", "", false]]));

  it("is the namespace's mirrors, the platform's, and the registry, in this order", () =>
    expect(of("node:22", { "docker.io": { mirrors: ["m.example:5000", "h.example/hub"] } }, { "docker.io": ["p.example"] })).toEqual([
      ["m.example:5000/library/node:22", "", true],
      ["h.example/hub/library/node:22", "", true],
      ["p.example/library/node:22", "", false],
      ["docker.io/library/node:22", "", false],
    ]));

  it("gets the credential that was set for that very registry and no other", () =>
    expect(
      of("node:22", {
        "docker.io": { credential: credential("hub"), mirrors: ["m.example"] },
        "m.example:443": { credential: credential("m") },
      }),
    ).toEqual([
      ["m.example/library/node:22", "", true],
      ["docker.io/library/node:22", "hub", true],
    ]));

  it("is not misled by names that every object has", () =>
    expect(of("constructor:5000/x", JSON.parse('{"__proto__":{"mirrors":["m.example"]}}'))).toEqual([
      ["constructor:5000/x:latest", "", false],
    ]));
});
