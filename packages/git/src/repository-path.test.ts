import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRepositoryPath, parseSshCommand } from "./repository-path.ts";

const shop = { team: "acme", namespace: "store", app: "shop" };

describe("parseRepositoryPath", () => {
  it("takes team, namespace and app, with and without slash and .git", () => {
    for (const path of ["/acme/store/shop.git", "acme/store/shop.git", "/acme/store/shop", "acme/store/shop", "/acme/store/shop.git/"]) {
      expect(parseRepositoryPath(path)).toEqual(shop);
    }
  });

  it.each([
    "../x",
    "/acme/../shop.git",
    "/acme/store/..",
    "/acme/store/../../etc",
    "//acme/store/shop.git",
    "/acme/store",
    "/acme/store/shop/more",
    "/acme/store/.git",
    "/acme/store/shop.git.git",
    "/acme/store/SHOP",
    "/acme/store/$(id)",
    "/acme/store/a;id",
    "/acme/store/a`id`",
    "/acme/store/a\nb",
    "/acme/store/shop\n",
    "/acme/store/-upload-pack=id",
    "/acme/%2e%2e/shop",
    "/acme/store/shop\0",
    "",
    "/",
  ])("refuses %j", (path) => {
    expect(parseRepositoryPath(path)).toBeUndefined();
  });

  it("gives only names that need no quoting, whatever it is given", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "b", "/", ".", "-", "g", "i", "t", " ", "'", "\n", "A", "0", "%") }), (path) => {
        const ref = parseRepositoryPath(path);
        if (ref !== undefined) for (const name of Object.values(ref)) expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
      }),
    );
  });
});

describe("parseSshCommand", () => {
  it("takes what git sends", () => {
    expect(parseSshCommand("git-receive-pack '/acme/store/shop.git'")).toEqual({ type: "git", service: "git-receive-pack", ref: shop });
    expect(parseSshCommand("git-upload-pack 'acme/store/shop.git'")).toEqual({ type: "git", service: "git-upload-pack", ref: shop });
    expect(parseSshCommand("git upload-pack acme/store/shop")).toEqual({ type: "git", service: "git-upload-pack", ref: shop });
  });

  it.each([
    "git-upload-archive '/acme/store/shop.git'",
    "git-receive-pack '/acme/store/shop.git'; id",
    "git-receive-pack '/acme/store/shop.git' && id",
    "git-receive-pack --help '/acme/store/shop.git'",
    "git-receive-pack",
    "ls",
    "",
    "git-receive-pack '/acme/store/'\\''$(id)'\\'''",
  ])("knows nothing of %j", (command) => {
    expect(parseSshCommand(command)).toEqual({ type: "unknown" });
  });

  it("tells a wrong path from a wrong command", () => {
    expect(parseSshCommand("git-receive-pack '../x'")).toEqual({ type: "bad-path", service: "git-receive-pack" });
    expect(parseSshCommand("git-receive-pack '$(id)'")).toEqual({ type: "bad-path", service: "git-receive-pack" });
  });
});
