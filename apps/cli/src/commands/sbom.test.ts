import { stripVTControlCharacters } from "node:util";
import type { ImagePackages } from "@plimsoll/contracts";
import { describe, expect, it } from "vitest";
import { sbomText } from "./sbom.ts";

const IMAGE = `sha256:${"9a".repeat(32)}` as const;
const NOTHING: ImagePackages = {
  image: IMAGE,
  state: "listed",
  counts: [],
  packages: [],
  notes: [],
  lookedFor: [
    { type: "deb", what: "Debian's dpkg database" },
    { type: "npm", what: "package.json in node_modules" },
  ],
};
const lines = (text: string) => stripVTControlCharacters(text).split("\n");

describe("plim sbom", () => {
  it("shows packages with where they are, and nothing of an image's can drive the terminal", () => {
    const text = sbomText("shop-v14", {
      ...NOTHING,
      distribution: "Debian\u001b[31m 12",
      counts: [
        { type: "deb", count: 1 },
        { type: "npm", count: 2 },
      ],
      packages: [
        { type: "deb", name: "bash", version: "5.2", paths: ["var/lib/dpkg/status"] },
        { type: "npm", name: "a\u001b]0;x", version: "1.0.0", license: "MIT", paths: ["a/package.json", "b/package.json"], morePaths: 3 },
        { type: "npm", name: "b", version: "", paths: ["c"] },
      ],
      notes: ["x is malformed, and was passed over."],
    });
    expect(text).not.toContain("\u001b]");
    const shown = lines(text);
    expect(shown[0]).toMatch(/^shop-v14 {3}Debian.* 12 {3}1 deb, 2 npm$/);
    expect(shown[2]).toMatch(/^TYPE +NAME +VERSION +LICENCE +WHERE$/);
    expect(shown[3]).toMatch(/^deb +bash +5\.2 +– +var\/lib\/dpkg\/status$/);
    expect(shown[4]).toMatch(/ MIT +a\/package\.json and 4 more$/);
    expect(shown[5]).toMatch(/^npm +b +– +– +c$/);
    expect(shown.at(-1)).toBe("Note: x is malformed, and was passed over.");
  });

  it("says what was looked for where nothing was found", () => {
    expect(lines(sbomText("shop-v1", NOTHING))).toEqual([
      "No packages were found in shop-v1. What was looked for:",
      "",
      "  deb   Debian's dpkg database",
      "  npm   package.json in node_modules",
    ]);
    expect(sbomText("shop-v1", NOTHING, "gem")).toMatch(/^No package of the kind gem was found in shop-v1/);
  });
});
