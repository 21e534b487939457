import { formatSize } from "@plimsoll/core/size";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanLine, cleanLines, formatDuration, shorten } from "./text.ts";

describe("foreign text on a terminal", () => {
  it("loses colours, window titles, links and cursor moves", () => {
    expect(
      cleanLine(
        "\u001b[31;1mred\u001b[0m \u001b]0;owned\u0007title \u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\ \u001b[2J\u001b[1;1Hend",
      ),
    ).toBe("red title link end");
    expect(cleanLine("\u009b31mc1 \u0085 \u0007bell \b\b\bback")).toBe("c1  bell back");
  });

  it("loses marks that turn the direction of text", () => {
    expect(cleanLine("admin\u202e txt.exe\u2066")).toBe("admin txt.exe");
  });

  it("shows the last state of a line that was redrawn", () => {
    expect(cleanLine("10 %\r50 %\r100 %\n")).toBe("100 %");
  });

  it("never lets a control character through", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
        expect(cleanLine(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
        for (const line of cleanLines(text)) expect(line).not.toContain("\n");
      }),
    );
  });

  it("cuts a long line without splitting a character", () => {
    expect(shorten("😀😀😀😀", 3)).toBe("😀😀…");
    expect([...cleanLine("x".repeat(1000))]).toHaveLength(300);
  });
});

describe("quantities", () => {
  it("are as people read them", () => {
    expect([0, 49, 59_940, 59_960, 72_000, 3_780_000].map(formatDuration)).toEqual([
      "0.0 s",
      "0.0 s",
      "59.9 s",
      "1 min 0 s",
      "1 min 12 s",
      "1 h 3 min",
    ]);
    expect([0, 400_000, 61_000_000, 999_600_000, 1_234_000_000].map(formatSize)).toEqual(["0.0 MB", "0.4 MB", "61 MB", "1.0 GB", "1.2 GB"]);
  });
});
