import { describe, expect, it } from "vitest";
import { absentRelease } from "./absent-release.ts";

describe("absentRelease", () => {
  const commit = "4f2c1d9000000000000000000000000000000000";
  it.each([
    ["v3", [5, 14, 9], "Release v3 of shop is not kept any more, only v5 to v14 are"],
    ["v1", [2], "only v2 is"],
    ["v15", [14, 5], "has no release v15; the newest is v14"],
    ["v1", [], "has no release yet"],
    [commit, [5], "built of commit 4f2c1d900000: push the commit again"],
  ])("%s of %s", (tag, kept, said) => {
    expect(absentRelease("shop", tag, kept)).toContain(said);
  });

  it.each(["latest", "1.4", "v1-rc", `sha256:${"0".repeat(64)}`])("%s is not the platform's to explain", (tag) => {
    expect(absentRelease("shop", tag, [1])).toBeUndefined();
  });
});
