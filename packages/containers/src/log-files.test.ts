import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { followLog, LogParser, rotateLog, tailLog } from "./log-files.ts";

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

describe("a reader that comes back with a cursor", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-log-files-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  // All at one time, and some of them equal: only the place tells them apart.
  const write = (...texts: string[]) => appendFileSync(join(dir, "log"), texts.map((text) => `${T} stdout F ${text}\n`).join(""));
  const rotate = (number: number) => renameSync(join(dir, "log"), join(dir, `log.${number}`));
  async function follow(count: number, options: { tail?: number; after?: string } = {}): Promise<string[]> {
    const abort = new AbortController();
    const texts: string[] = [];
    if (count === 0) setTimeout(() => abort.abort(), 50);
    for await (const { text } of followLog(dir, { tail: 10, signal: abort.signal, ...options })) {
      texts.push(text);
      if (texts.length >= count) break;
    }
    return texts;
  }

  it("gets each line after it once, among lines that look the same", async () => {
    write("x", "x", "x", "y");
    const [, second] = tailLog(dir, 10);
    expect(await follow(2, { after: second?.cursor ?? "" })).toEqual(["x", "y"]);
  });

  it("gets them when its file was put aside meanwhile, once or several times", async () => {
    write("a", "b");
    const [first, second] = tailLog(dir, 10);
    rotate(1);
    write("c");
    expect(await follow(2, { after: first?.cursor ?? "" })).toEqual(["b", "c"]);
    const [third] = tailLog(dir, 1);
    rotate(2);
    write("d", "e");
    expect(await follow(3, { after: second?.cursor ?? "" })).toEqual(["c", "d", "e"]);
    expect(await follow(2, { after: third?.cursor ?? "" })).toEqual(["d", "e"]);
    expect(tailLog(dir, 3).map(({ text }) => text)).toEqual(["c", "d", "e"]);
  });

  it("gets nothing when nothing came, and all that is kept when its place is gone", async () => {
    write("a");
    const [only] = tailLog(dir, 1);
    expect(await follow(0, { after: only?.cursor ?? "" })).toEqual([]);
    rotate(1);
    write("b");
    rotate(2);
    write("c");
    rmSync(join(dir, "log.1"));
    expect(await follow(2, { after: only?.cursor ?? "" })).toEqual(["b", "c"]);
    expect(await follow(2, { after: "no cursor" })).toEqual(["b", "c"]);
  });

  it("gives a follower the same cursors as whoever reads the end", async () => {
    write("a", "b");
    rotate(1);
    write("c");
    const seen: string[] = [];
    for await (const { cursor } of followLog(dir, { tail: 10, signal: new AbortController().signal })) {
      if (seen.push(cursor) === 3) break;
    }
    expect(tailLog(dir, 10).map(({ cursor }) => cursor)).toEqual(seen);
  });

  it("gives a line whole that was begun in one file and ended in the next", async () => {
    write("a");
    appendFileSync(join(dir, "log"), `${T} stdout P lin\n${T} stderr P err\n`);
    // Reads while only the beginning is there.
    const following = follow(4);
    await new Promise((resolve) => setTimeout(resolve, 150));
    rotate(1);
    appendFileSync(join(dir, "log"), `${T} stdout F e 1\n${T} stderr F or\n`);
    write("b");
    const whole = ["a", "line 1", "error", "b"];
    expect(await following).toEqual(whole);
    expect(await follow(4)).toEqual(whole);
    for (const count of [4, 3, 2, 1]) expect(tailLog(dir, count).map(({ text }) => text)).toEqual(whole.slice(-count));
    expect(tailLog(dir, 0)).toEqual([]);
  });
});

describe("what is kept of a log", () => {
  it.each([
    ["many small files: as many as it may have", [100, 100, 100, 100, 100, 100], 5],
    ["files that grew beyond their size before they were put aside: as much as it may have", [150, 150, 150, 150], 2],
    ["one that alone is more than all: that one", [900, 900], 1],
  ])("%s", (_, sizes, kept) => {
    const dir = mkdtempSync(join(tmpdir(), "plimsoll-log-budget-"));
    try {
      for (const size of sizes) {
        writeFileSync(join(dir, "log"), Buffer.alloc(size));
        expect(rotateLog(dir, join(dir, "no-monitor"), { maxBytes: 100, keep: 5 })).toBe(true);
      }
      const names = readdirSync(dir);
      expect(names.sort()).toEqual(sizes.map((_, index) => `log.${index + 1}`).slice(-Math.min(kept, 4)));
      expect(names.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)).toBeLessThanOrEqual(Math.max(500, sizes.at(-1) ?? 0));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
