import { describe, expect, it } from "vitest";
import { attributeDisk } from "./attribute.ts";

const NOBODY = { images: new Map(), apps: new Map() };

describe("attributeDisk", () => {
  it("gives a layer to the apps whose releases stand on it, before the cache that also names it", () => {
    const images = new Map([
      ["sha256:1", [{ namespaceUid: "ns_b", app: "api" }]],
      [
        "sha256:2",
        [
          { namespaceUid: "ns_a", app: "web" },
          { namespaceUid: "ns_a", app: "shop" },
        ],
      ],
    ]);
    const layer = { kind: "layers", bytes: 5, items: 1, images: ["sha256:1", "sha256:2"], owners: [{ namespaceUid: "ns_c" }] } as const;
    expect(attributeDisk([{ ...layer, images: [...layer.images], owners: [...layer.owners] }], { ...NOBODY, images })).toEqual([
      {
        kind: "layers",
        bytes: 5,
        items: 1,
        holders: [
          { namespaceUid: "ns_a", apps: ["shop", "web"] },
          { namespaceUid: "ns_b", apps: ["api"] },
        ],
      },
    ]);
  });

  it("takes a layer of no release for cache, and one that nobody names for unused", () => {
    const owners = [{ namespaceUid: "ns_a" }];
    expect(
      attributeDisk(
        [
          { kind: "layers", bytes: 3, items: 1, owners, images: ["sha256:pruned"] },
          { kind: "build-cache", bytes: 1, items: 1, owners },
          { kind: "layers", bytes: 2, items: 1 },
        ],
        NOBODY,
      ),
    ).toEqual([
      { kind: "build-cache", bytes: 4, items: 2, holders: [{ namespaceUid: "ns_a", apps: [] }] },
      { kind: "unused", bytes: 2, items: 1, holders: [] },
    ]);
  });

  it("gives a repository to its app, and to nobody when that is gone", () => {
    const apps = new Map([["app_1", { namespaceUid: "ns_a", app: "shop" }]]);
    const mirror = (appUid: string) => ({ kind: "repositories", bytes: 1, items: 1, appUid }) as const;
    expect(attributeDisk([mirror("app_1"), mirror("app_gone")], { ...NOBODY, apps }).map(({ holders }) => holders)).toEqual([
      [{ namespaceUid: "ns_a", apps: ["shop"] }],
      [],
    ]);
  });

  it("loses no byte", () => {
    const kinds = ["layers", "logs", "foreign", "platform", "layers"] as const;
    const entries = kinds.map((kind, i) => ({ kind, bytes: 10 ** i, items: 1 }));
    expect(attributeDisk(entries, NOBODY).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(11_111);
  });
});
