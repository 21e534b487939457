import { describe, expect, it } from "vitest";
import { problemAt } from "../problem.ts";
import { excerpted, excerptOf, withExcerpt } from "./excerpt.ts";

const TEXT = "FROM a\nRUN one\nRUN two \\\n  && three\nRUN four\nRUN five\nCMD six\n";

describe("excerptOf", () => {
  it("marks the instruction with all its lines, and shows two on either side", () => {
    expect(excerptOf(TEXT, 3)).toEqual([
      { line: 1, text: "FROM a" },
      { line: 2, text: "RUN one" },
      { line: 3, text: "RUN two \\", marked: true },
      { line: 4, text: "  && three", marked: true },
      { line: 5, text: "RUN four" },
      { line: 6, text: "RUN five" },
    ]);
  });

  it("ends where the text ends, and is empty for a line that is not there", () => {
    expect(excerptOf(TEXT, 1).map(({ line }) => line)).toEqual([1, 2, 3]);
    expect(excerptOf(TEXT, 7).map(({ line }) => line)).toEqual([5, 6, 7]);
    expect([excerptOf(TEXT, 8), excerptOf(TEXT, 0), excerptOf("", 1)]).toEqual([[], [], []]);
  });

  it("cuts what nobody could read", () => {
    const [line] = excerptOf(`RUN ${"x".repeat(5_000)}`, 1);
    expect(line?.text).toHaveLength(160);
    expect(excerptOf("RUN a \\\n".repeat(500), 1).filter(({ marked }) => marked)).toHaveLength(8);
  });
});

describe("a problem", () => {
  it("has the excerpt of the text that it names, of no other", () => {
    const at = { file: "Dockerfile", line: 2 };
    const read = () => {
      throw problemAt(at, "dockerfile", "no");
    };
    expect(() => excerpted({ file: "Dockerfile", text: TEXT }, read)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ excerpt: excerptOf(TEXT, 2) }) }),
    );
    const failure = { reason: "context", message: "no", ...at } as const;
    expect(withExcerpt(failure, { file: ".dockerignore", text: TEXT })).toBe(failure);
    expect(withExcerpt({ reason: "internal", message: "no" }, { file: "Dockerfile", text: TEXT })).not.toHaveProperty("excerpt");
  });
});
