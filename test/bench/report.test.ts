import { describe, expect, it } from "vitest";
import { lineOf, type Measurement, tableOf } from "./report.ts";

const measured: Measurement = {
  bench: "build.noop",
  unit: "ms",
  target: "<=0.33",
  ours: [41.04, 40, 55.2],
  peer: { name: "docker build (BuildKit 20.10)", samples: [146, 140, 171] },
  notes: [],
};

describe("a benchmark's line", () => {
  it("has the shape that readers of --json rely on, and nothing else", () => {
    const { line, misses } = lineOf(measured);
    expect(JSON.stringify(line)).toBe(
      '{"bench":"build.noop","unit":"ms","ours":{"p50":41,"p95":55.2,"n":3},"peer":{"name":"docker build (BuildKit 20.10)","p50":146,"p95":171,"n":3},"ratio":0.28,"target":"<=0.33","ok":true}',
    );
    expect(misses).toEqual([]);
  });

  it("judges what was measured, not what is printed", () => {
    const { line, misses } = lineOf({ ...measured, ours: [100.4], peer: { name: "x", samples: [100] }, target: "<=1.0" });
    expect(line).toMatchObject({ ratio: 1, ok: false });
    expect(misses).toEqual(["ratio 1.004 > 1"]);
  });

  it("is not judged by a ratio without the peer", () => {
    const { peer: _, ...alone } = measured;
    expect(lineOf(alone).line).toMatchObject({ peer: null, ratio: null, ok: null });
  });

  it("misses when a request was dropped", () => {
    expect(lineOf({ ...measured, target: "<=1.0, dropped<=0", dropped: 1 })).toMatchObject({
      line: { ok: false },
      misses: ["dropped 1 > 0"],
    });
  });
});

describe("the table", () => {
  it("says which targets are met, and by how many samples", () => {
    const lines = [lineOf(measured).line, lineOf({ ...measured, bench: "control.memory", unit: "MB", target: "p50<=30", ours: [41] }).line];
    const [, , first, second] = tableOf(lines).split("\n");
    expect(first).toMatch(/build\.noop .*41 \(55\.2\) ms, n 3 .*146 \(171\) ms, n 3, docker build .*0\.28 .*≤ 0\.33 .*met/);
    expect(second).toMatch(/control\.memory .*41 MB, once .*missed/);
  });
});
