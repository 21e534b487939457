import { describe, expect, it } from "vitest";
import { CommandOutput } from "./output.ts";

describe("CommandOutput", () => {
  const collect = (limitBytes: number, chunks: (string | Buffer)[]) => {
    const budget = { remainingBytes: limitBytes, limitBytes };
    let text = "";
    const output = new CommandOutput(budget, (_, part) => {
      text += part;
    });
    for (const chunk of chunks) output.add("stdout", Buffer.from(chunk));
    output.end();
    return { text, tail: output.tail() };
  };

  it("puts characters together that were cut apart", () => {
    const bytes = Buffer.from("ä€\n");
    expect(collect(100, [bytes.subarray(0, 1), bytes.subarray(1, 3), bytes.subarray(3)]).text).toBe("ä€\n");
  });

  it("keeps up to the limit, says so, counts the rest and knows the last lines all the same", () => {
    const { text, tail } = collect(10, ["0123456789", "abc\n", "last line\n"]);
    expect(text).toContain("0123456789\n[the build's output limit of 10 bytes is reached");
    expect(text).toContain("[14 bytes of output not kept]");
    expect(tail).toEqual(["0123456789abc", "last line"]);
  });

  it("remembers twenty lines, each shortened", () => {
    const { tail } = collect(1e6, [Array.from({ length: 50 }, (_, index) => `line ${index} ${"x".repeat(600)}`).join("\n")]);
    expect(tail).toHaveLength(20);
    expect(tail[19]?.startsWith("line 49 ")).toBe(true);
    expect(tail[0]?.length).toBe(500);
  });
});
