import { describe, expect, it } from "vitest";
import { cleanLine, findLines, LineSplitter } from "./lines.ts";

describe("log lines", () => {
  it("are whole, however the output was cut", () => {
    const splitter = new LineSplitter();
    expect([splitter.push("a\nb"), splitter.push("c\n\nd"), splitter.flush(), splitter.flush()]).toEqual([["a"], ["bc", ""], ["d"], []]);
  });

  it("lose what would drive a terminal, and keep what is left to see", () => {
    expect(cleanLine("\u001b[1;31mred\u001b[0m \u001b]8;;https://evil\u0007link\u001b]8;;\u0007")).toBe("red link");
    expect(cleanLine("10%\r 50%\r100%\r")).toBe("100%");
    expect(cleanLine("a\tb\u0000\u0008c")).toBe("a    bc");
  });

  it("are found ignoring case", () => {
    const lines = ["GET /a", "warn", "get /b"].map((text) => ({ text, tone: "plain" as const }));
    expect(findLines(lines, "GET")).toEqual([0, 2]);
    expect(findLines(lines, "")).toEqual([]);
  });
});
