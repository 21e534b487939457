import { AppError } from "@plimsoll/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readManifest } from "./manifest.ts";

const LINUX = { os: "linux", architecture: "amd64" } as const;
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const part = (letter: string, size = 10) => ({ mediaType: "m", digest: digest(letter), size });
const read = (document: unknown) => readManifest(JSON.stringify(document), "app:1", LINUX);
const one = (letter: string, os: string, architecture: string, variant?: string) => ({
  ...part(letter),
  platform: { os, architecture, ...(variant === undefined ? {} : { variant }) },
});

describe("a manifest", () => {
  it("is an image's, or the first of a list that is for this platform", () => {
    expect(read({ config: part("c"), layers: [part("a")] })).toMatchObject({ kind: "image", manifest: { layers: [part("a")] } });
    const manifests = [
      one("a", "windows", "amd64"),
      one("b", "linux", "arm64", "v8"),
      one("c", "linux", "amd64"),
      one("d", "linux", "amd64"),
    ];
    expect(read({ manifests })).toMatchObject({ kind: "list", chosen: digest("c") });
  });

  it("of no image for this platform says for which there are some; attestations are none", () => {
    const manifests = [one("a", "linux", "arm", "v7"), one("b", "linux", "s390x"), one("c", "unknown", "unknown")];
    expect(() => read({ manifests })).toThrow(
      "app:1 has no image for linux/amd64, which this host runs; it has linux/arm/v7, linux/s390x.",
    );
    expect(() => read({ manifests: [] })).toThrow("it names no platform.");
  });

  it("says what it is bounded by", () => {
    const layers = Array.from({ length: 128 }, () => part("a"));
    expect(() => read({ config: part("c"), layers })).toThrow("128 layers; 127 are taken at most");
    expect(() => read({ config: part("c", 9 * 1024 ** 2), layers: [] })).toThrow("larger than 8 MiB");
  });

  it("of whatever form is read or refused with a sentence, and its digest is that of its bytes", () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record({ manifests: fc.array(fc.anything()), config: fc.anything(), layers: fc.anything() }).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(anything, (text) => {
        try {
          expect(readManifest(text, "app:1", LINUX).digest).toMatch(/^sha256:[0-9a-f]{64}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
    );
  });
});
