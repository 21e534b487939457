import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseManifestReference, parsePlatformReference, parseRepository, parseScopes, repositoryText } from "./repository.ts";
import { parseTarget } from "./target.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);

describe("names of the registry", () => {
  it("takes repositories of apps, and nothing that only looks like one", () => {
    expect(parseRepository("acme/store/shop")).toEqual({ team: "acme", namespace: "store", app: "shop" });
    for (const text of [
      "",
      "shop",
      "acme/store",
      "acme/store/shop/x",
      "ACME/store/shop",
      "acme//shop",
      "../store/shop",
      "acme/store/shop ",
      "acme/store/-",
    ])
      expect([text, parseRepository(text)]).toEqual([text, undefined]);
    fc.assert(
      fc.property(fc.tuple(name, name, name), ([team, namespace, app]) => {
        expect(parseRepository(repositoryText({ team, namespace, app }))).toEqual({ team, namespace, app });
      }),
    );
  });

  it("reads the scopes that clients ask for, and leaves out what is none", () => {
    const repository = { team: "acme", namespace: "store", app: "shop" };
    expect(
      parseScopes([
        "repository:acme/store/shop:push,pull",
        "registry:catalog:*",
        "repository:a/b:pull",
        "repository:acme/store/shop:pull:x",
      ]),
    ).toEqual([{ repository, actions: ["pull", "push"] }]);
    expect(parseScopes(["repository:acme/store/shop:* repository:acme/store/shop:rename"])).toEqual([
      { repository, actions: ["pull", "push", "delete"] },
    ]);
    expect(parseScopes(["repository:acme/store/shop:pull", "repository:acme/store/shop:delete"])).toEqual([
      { repository, actions: ["pull", "delete"] },
    ]);
  });

  it("knows its own tags, and which are people's", () => {
    expect(parseManifestReference("v12")).toEqual({ kind: "release", number: 12 });
    expect(parseManifestReference("b".repeat(40))).toEqual({ kind: "commit", commit: "b".repeat(40) });
    expect(parseManifestReference(DIGEST)).toEqual({ kind: "digest", digest: DIGEST });
    for (const tag of ["1.4", "latest", "v0", "v01", "V12", "v1.2"]) expect(parseManifestReference(tag)).toEqual({ kind: "tag", tag });
    for (const text of ["", ".", "..", "a/b", "a b", `${DIGEST}0`, "x".repeat(129)]) expect(parseManifestReference(text)).toBeUndefined();
  });

  it("tells references to this platform's registry from all others", () => {
    const origin = "http://localhost:8080";
    const repository = { team: "acme", namespace: "store", app: "shop" };
    expect(parsePlatformReference("localhost:8080/acme/store/shop", origin)).toEqual({ repository, reference: "latest" });
    expect(parsePlatformReference("localhost:8080/acme/store/shop:v2", origin)).toEqual({ repository, reference: "v2" });
    expect(parsePlatformReference(`localhost:8080/acme/store/shop:v2@${DIGEST}`, origin)).toEqual({ repository, reference: DIGEST });
    expect(parsePlatformReference("localhost:8080/acme/shop", origin)).toBe("malformed");
    for (const text of ["node:22", "localhost:80801/acme/store/shop", "localhost/acme/store/shop"])
      expect(parsePlatformReference(text, origin)).toBeUndefined();
  });

  it("serves the paths of the specification for them, in this one spelling", () => {
    expect(parseTarget("/v2/")).toEqual({ kind: "base" });
    expect(parseTarget("/v2/acme/store/shop/blobs/uploads/")).toMatchObject({ kind: "uploads" });
    expect(parseTarget("/v2/acme/store/shop/blobs/uploads/0a-1")).toMatchObject({ kind: "upload" });
    expect(parseTarget(`/v2/acme/store/shop/blobs/${DIGEST}`)).toMatchObject({ kind: "blob" });
    expect(parseTarget("/v2/acme/store/shop/manifests/1.4")).toMatchObject({ kind: "manifest" });
    // A repository may be called like a part of a path.
    expect(parseTarget("/v2/blobs/uploads/manifests/manifests/tags")).toMatchObject({ repository: { app: "manifests" }, text: "tags" });
    for (const path of [
      "/v2/_catalog",
      "/v2/acme/store/shop/blobs/uploads",
      "/v2/acme/store/shop/blobs/latest",
      "/v2/acme/store/shop/manifests/a/b",
      "/v2/acme/store/x/shop/manifests/a",
      "/v2/acme/store/shop/referrers/a",
    ])
      expect([path, parseTarget(path)]).toEqual([path, undefined]);
    fc.assert(
      fc.property(
        fc.string(),
        (rest) => ["..", "%", "//"].every((part) => !rest.includes(part)) || parseTarget(`/v2/${rest}`) === undefined,
      ),
    );
  });
});
