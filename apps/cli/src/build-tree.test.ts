import { stripVTControlCharacters } from "node:util";
import type { BuildEvent, Image } from "@plimsoll/core";
import { waterfall } from "@plimsoll/core/waterfall";
import { describe, expect, it } from "vitest";
import { BuildTree } from "./build-tree.ts";
import { LiveTerminal } from "./live-terminal.ts";
import { columnsOf } from "./render.ts";
import { waterfallText } from "./waterfall-text.ts";

const ROOM = { columns: 80, rows: 40 };
const steps = [
  { index: 0, stage: "deps", label: "FROM node:22-slim", line: 1 },
  { index: 1, stage: "deps", label: "RUN npm ci", line: 2 },
  { index: 2, stage: "build", label: "COPY . .", line: 3 },
  { index: 3, stage: "build", label: "RUN npm run build", line: 4 },
];
const PLAN: BuildEvent = { type: "plan", atMs: 0, dockerfile: "Dockerfile", target: "build", steps };
const image = { digest: `sha256:9a41${"0".repeat(60)}`, layers: [] } as unknown as Image;
const done = (step: number, outcome: "cached" | "done" | "failed", durationMs = 0, savedMs?: number): BuildEvent => ({
  type: "step-done",
  atMs: 100,
  step,
  outcome,
  durationMs,
  ...(savedMs === undefined ? {} : { savedMs }),
});
const log = (step: number, text: string): BuildEvent => ({ type: "step-log", atMs: 50, step, stream: "stdout", text });
const tree = (...events: BuildEvent[]) => {
  const made = new BuildTree();
  for (const event of [PLAN, ...events]) made.push(event);
  return made;
};
const shown = (lines: readonly string[]) => lines.map((line) => stripVTControlCharacters(line).trimEnd());

describe("a build as a tree", () => {
  it("shows what runs with its last lines, what is over, and what waits", () => {
    const running = tree(
      done(0, "cached"),
      done(1, "cached", 0, 12_300),
      done(2, "done", 100),
      { type: "step-started", atMs: 100, step: 3 },
      log(3, "one\ntwo\nthree\n10%\r20%\r"),
      log(3, "30%\nfour\n\u001b[31mfi"),
      log(3, "ve\u001b[2J"),
    );
    expect(shown(running.frame(1_100, ROOM))).toEqual([
      "Build   Dockerfile, target build",
      "  ├─ deps    FROM node:22-slim  cached",
      "  │          RUN npm ci         cached, saved 12.3 s",
      "  └─ build   COPY . .           0.1 s",
      "           ⠙ RUN npm run build  1.0 s",
      "        three",
      "        30%",
      "        four",
      "        five",
    ]);
  });

  it("never needs more room than there is, and keeps what runs in it", () => {
    const many = Array.from({ length: 100 }, (_, index) => ({
      index,
      stage: "a",
      label: `RUN ${index} ${"x".repeat(index)}`,
      line: index + 1,
    }));
    const made = new BuildTree();
    made.push({ ...PLAN, steps: many });
    for (let step = 0; step < 60; step++) made.push(done(step, "done", 10));
    made.push({ type: "step-started", atMs: 0, step: 60 });
    for (let line = 0; line < 50; line++) made.push(log(60, `${"漢".repeat(100)}${line}\n`));
    for (const rows of [2, 5, 12, 24])
      for (const columns of [20, 80]) {
        const frame = made.frame(10, { columns, rows });
        expect(frame.length).toBeLessThan(rows);
        for (const line of frame) expect(columnsOf(line)).toBeLessThan(columns);
        if (rows > 5 && columns > 20) expect(shown(frame).join("\n")).toMatch(/RUN 60 .*/);
      }
    expect(shown(made.frame(10, { columns: 80, rows: 12 }))[1]).toBe("  … 60 steps above are over");
  });

  it("ends with the whole tree and what came of it", () => {
    const over = tree(...steps.map(({ index }) => done(index, "done", 10)), {
      type: "warning",
      atMs: 1,
      warning: { check: "MaintainerDeprecated", message: "Old.", file: "Dockerfile", line: 2 },
    });
    over.push({ type: "advice", atMs: 2, advice: [{ about: "user", message: "It runs as root.", why: "Bad.", fix: "USER 1000" }] });
    over.push({ type: "done", atMs: 2_100, image, sizeBytes: 61e6, newBytes: 0.4e6 });
    expect(shown(over.end()).slice(-3)).toEqual([
      "image sha256:9a41… · 61 MB, 0.4 MB new · 2.1 s",
      "warning  Dockerfile:2  Old. (MaintainerDeprecated)",
      "1 thing could be better: It runs as root. All of them: plim build --advise",
    ]);
  });

  it("ends a failed one with the last lines, the place and the reason", () => {
    const failure = {
      reason: "command",
      message: "RUN npm run build ended with 2.",
      file: "Dockerfile",
      line: 4,
      instruction: "RUN npm run build",
      excerpt: [
        { line: 3, text: "COPY . ." },
        { line: 4, text: "RUN npm run build", marked: true },
      ],
    } as const;
    const over = tree(log(3, "error TS2322\n"), done(3, "failed", 1_400), { type: "failed", atMs: 1_500, failure });
    expect(shown(over.end()).slice(-8)).toEqual([
      "             RUN npm run build  failed, 1.4 s",
      "",
      "    error TS2322",
      "",
      "Dockerfile:4    RUN npm run build",
      "    3  COPY . .",
      "  > 4  RUN npm run build",
      "RUN npm run build ended with 2.",
    ]);
  });

  it("begins anew with a new plan", () => {
    const again = tree(done(0, "done", 10), { type: "notice", atMs: 1, text: "old" });
    again.push(PLAN);
    expect(shown(again.end()).join("\n")).not.toMatch(/old|0\.0 s/);
  });
});

/** A terminal as far as it is needed: what is written, lines up, erase below. */
class Paper {
  readonly columns = 80;
  readonly rows = 24;
  lines: string[] = [""];
  #row = 0;
  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what drives a terminal
    for (const [part, up] of text.matchAll(/\u001b\[(\d+)A|\u001b\[\??\d*[a-zA-Z]|\r|\n|[^\u001b\r\n]+/g)) {
      if (up !== undefined) this.#row -= Number(up);
      else if (part === "\u001b[J") this.lines.splice(this.#row, Infinity, "");
      else if (part === "\n") {
        this.#row++;
        this.lines[this.#row] ??= "";
      } else if (!part.startsWith("\u001b") && part !== "\r") this.lines[this.#row] += part;
    }
  }
}

describe("drawing again and again", () => {
  it("leaves nothing on the screen but the last lines, and the cursor shown", () => {
    const paper = new Paper();
    let written = "";
    paper.write("before\n");
    const screen = {
      columns: 80,
      rows: 24,
      write: (text: string) => {
        written += text;
        paper.write(text);
      },
    };
    let frame = ["a", "b", "c"];
    const terminal = new LiveTerminal(screen, () => frame);
    terminal.draw();
    frame = ["a", "longer"];
    terminal.draw();
    terminal.draw();
    terminal.end(["the end", "of it"]);
    expect(paper.lines).toEqual(["before", "the end", "of it", ""]);
    expect(written.endsWith("\u001b[?25h")).toBe(true);
    // The control: the paper keeps what is not erased.
    paper.write("c\n");
    expect(paper.lines.slice(-2)).toEqual(["c", ""]);
  });
});

describe("the waterfall", () => {
  it("has a bar for what ran, a dot for what was cached, and what that saved", () => {
    const events: BuildEvent[] = [
      PLAN,
      { ...done(0, "cached"), atMs: 0 } as BuildEvent,
      { ...done(1, "cached", 0, 12_300), atMs: 0 } as BuildEvent,
      { type: "step-started", atMs: 0, step: 2 },
      { type: "step-done", atMs: 1_000, step: 2, outcome: "done", durationMs: 1_000 },
      { type: "step-started", atMs: 1_000, step: 3 },
      { type: "step-done", atMs: 2_000, step: 3, outcome: "failed", durationMs: 1_000 },
    ];
    const lines = shown(waterfallText(waterfall(events), 64).split("\n"));
    expect(lines).toEqual([
      "STAGE   STEP                TOOK            0 s            2.0 s",
      "deps    FROM node:22-slim   cached          ·",
      "        RUN npm ci          saved 12.3 s    ·",
      "build   COPY . .            1.0 s           ██████████",
      "        RUN npm run build   failed, 1.0 s             ██████████",
      "",
      "2.0 s in all.",
      "2 of 4 steps came from the cache, which saved 12.3 s.",
    ]);
    expect(waterfallText(waterfall([]), 80)).toBe("This build has run no step.");
  });
});
