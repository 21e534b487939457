import { describe, expect, it } from "vitest";
import { placeOf } from "./place.ts";

const hex = "ab".repeat(32);
const kindOf = (path: string) => {
  const place = placeOf(path);
  return place.what === "whole" ? place.kind : place.what;
};

describe("placeOf", () => {
  it("knows everything that a host has in its directory, and whose it is", () => {
    expect(placeOf(`layers/${hex}`)).toEqual({ what: "whole", kind: "layers", layer: `sha256:${hex}` });
    expect(placeOf("logs/ns_a/ins_1")).toEqual({ what: "whole", kind: "logs", namespaceUid: "ns_a", instanceUid: "ins_1" });
    expect(placeOf("mirrors/app_1.git")).toEqual({ what: "whole", kind: "repositories", appUid: "app_1" });
    expect(placeOf(`build-cache/namespaces/ns_a/mounts/${hex}/0`)).toMatchObject({ kind: "cache-mounts", namespaceUid: "ns_a" });
    const kinds = Object.fromEntries(
      [
        "layers/tmp/12-345-ab0f",
        `images/${hex}.json`,
        "snapshots/ins_1",
        "build-cache/namespaces/ns_a/steps",
        "build-cache/code",
        `references/${hex}.json`,
        "scratch/pull-12-345-x7",
        "identity.json",
        "desired.sealed.new",
        "logs/ns_a",
      ].map((path) => [path, kindOf(path)]),
    );
    expect(kinds).toEqual({
      "layers/tmp/12-345-ab0f": "scratch",
      [`images/${hex}.json`]: "platform",
      "snapshots/ins_1": "instances",
      "build-cache/namespaces/ns_a/steps": "build-cache",
      "build-cache/code": "platform",
      [`references/${hex}.json`]: "platform",
      "scratch/pull-12-345-x7": "scratch",
      "identity.json": "platform",
      "desired.sealed.new": "platform",
      "logs/ns_a": "layout",
    });
  });

  it("takes whatever it does not know for somebody else's", () => {
    const foreign = [
      "README",
      "layers/README",
      `layers/${hex.slice(1)}`,
      "layers/tmp/notes",
      "images/backup.json",
      "mirrors/app_1",
      "mirrors/.git",
      "build-cache/namespaces/ns_a/notes",
      "build-cache/namespaces/.hidden",
      "logs/lost+found",
      "scratch/mine",
      "identity.json.bak",
    ];
    for (const path of foreign) expect(kindOf(path), path).toBe("foreign");
  });
});
