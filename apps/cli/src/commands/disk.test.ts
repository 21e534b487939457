import { stripVTControlCharacters } from "node:util";
import type { HostDisk, NamespaceDisk } from "@plimsoll/contracts";
import { describe, expect, it } from "vitest";
import { hostsText, hostText, namespaceText } from "./disk.ts";

const now = () => new Date().toISOString();
const lines = (text: string) => stripVTControlCharacters(text).split("\n");

describe("plim disk", () => {
  it("shows what a namespace has, and what it shares without saying with whom", () => {
    const disk: NamespaceDisk = {
      bytes: 61_000_000,
      sharedBytes: 5_000_000,
      hosts: [{ name: "host-a", measuredAt: now(), cacheNamespaceBytes: 1 }],
      rows: [
        { host: "host-a", kind: "layers", apps: ["shop"], bytes: 61_000_000, items: 3, shared: false },
        { host: "host-a", kind: "layers", apps: ["shop", "api"], bytes: 5_000_000, items: 1, shared: true },
      ],
    };
    expect(lines(namespaceText({ team: "acme", namespace: "store" }, disk))).toEqual([
      "acme/store has 61 MB; 5.0 MB more are shared with other namespaces. Counted: host-a 0 s ago.",
      "",
      "WHAT     APPS       HOST     SIZE",
      "images   shop       host-a   61 MB",
      "images   shop api   host-a   5.0 MB   shared",
    ]);
    expect(namespaceText({ team: "acme", namespace: "new" }, { bytes: 0, sharedBytes: 0, hosts: [], rows: [] })).toMatch(
      /nothing on any disk/,
    );
  });

  it("shows operators whose the bytes of a host are, and nothing of a tenant's can drive the terminal", () => {
    const host: HostDisk = {
      host: "host-a",
      measuredAt: now(),
      sizeBytes: 100_000_000_000,
      freeBytes: 40_000_000_000,
      cacheBytes: 20_000_000_000,
      bytes: 3_000_000_000,
      rows: [
        { kind: "build-cache", owners: [{ namespace: "acme/store", apps: [] }], bytes: 2_000_000_000, items: 9 },
        { kind: "layers", owners: [{ namespace: "acme/store", apps: ["sh\u001b[31mop"] }], bytes: 900_000_000, items: 2 },
        { kind: "foreign", owners: [], bytes: 100_000_000, items: 1 },
      ],
    };
    expect(lines(hostText(host))).toEqual([
      "host-a: 3.0 GB under Plimsoll's directory, 40.0 GB of 100.0 GB free. Build cache at most 20.0 GB. Counted 0 s ago.",
      "",
      "WHAT             WHOSE               COUNT   SIZE",
      "build cache      acme/store          9       2.0 GB",
      "images           acme/store (shop)   2       900 MB",
      "not Plimsoll's                       1       100 MB",
    ]);
    const { measuredAt: _, ...silent } = { ...host, host: "host-b" };
    expect(lines(hostsText([host, silent]))).toEqual([
      "HOST     ALL               IMAGES   BUILDS   NOT OURS   FREE",
      "host-a   3.0 GB            900 MB   2.0 GB   100 MB     40.0 GB of 100.0 GB",
      "host-b   not counted yet",
    ]);
  });
});
