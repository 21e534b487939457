import { describe, expect, it } from "vitest";
import { formatSize } from "./size.ts";

describe("a size", () => {
  it("is told in megabytes, then gigabytes, with a decimal where it says something", () => {
    expect([0, 449_000, 9_940_000, 9_960_000, 61_400_000, 999_400_000, 999_600_000, 12_340_000_000].map(formatSize)).toEqual([
      "0.0 MB",
      "0.4 MB",
      "9.9 MB",
      "10 MB",
      "61 MB",
      "999 MB",
      "1.0 GB",
      "12.3 GB",
    ]);
  });
});
