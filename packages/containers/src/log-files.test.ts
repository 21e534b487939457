import fc from "fast-check";
import { expect, it } from "vitest";
import { LogParser } from "./log-files.ts";

const T = "2026-01-01T00:00:00.000000000+00:00";

it("joins pieces of long lines, stream by stream", () => {
  const text = `${T} stdout P one \n${T} stderr F other\n${T} stdout F two\n${T} stdout F \n`;
  expect(new LogParser().push(Buffer.from(text)).map(({ stream, text: line }) => `${stream}:${line}`)).toEqual([
    "stderr:other",
    "stdout:one two",
    "stdout:",
  ]);
});

it("gives the same lines however the file is read", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replaceAll("\n", " "))),
      fc.integer({ min: 1, max: 40 }),
      (lines, size) => {
        const file = Buffer.from(lines.map((line) => `${T} stdout F ${line}\n`).join(""));
        const parser = new LogParser();
        const read: string[] = [];
        for (let at = 0; at < file.length; at += size) read.push(...parser.push(file.subarray(at, at + size)).map(({ text }) => text));
        expect(read).toEqual(lines);
      },
    ),
  );
});

it("gives out a line that never ends in pieces", () => {
  const piece = `${T} stdout P ${"x".repeat(8_000)}\n`;
  const lines = new LogParser().push(Buffer.from(piece.repeat(20)));
  expect(lines.length).toBe(2);
  expect(lines[0]?.text.length).toBeGreaterThanOrEqual(64 * 1024);
});
