import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BuildEvent } from "@plimsoll/core";
import { describe, expect, it } from "vitest";
import { BuildOutput } from "./build-output.ts";
import { outputLine } from "./build-remarks.ts";
import { buildArgs } from "./commands/build.ts";
import { appNameFrom } from "./commands/init.ts";
import { parseLimits } from "./commands/limits.ts";
import { parseQuota } from "./commands/tenants.ts";
import { originOf } from "./config.ts";
import { parseNumbered } from "./input.ts";
import { parseRemote } from "./place.ts";
import { referencePage } from "./reference.ts";
import { age, between, plain, table } from "./render.ts";
import { COMMANDS } from "./table.ts";

describe("docs/reference/cli.md", () => {
  it("is what the table makes; else: plim help --markdown > docs/reference/cli.md", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/reference/cli.md"), "utf8");
    expect(page).toBe(referencePage(COMMANDS));
  });
});

describe("quota arguments", () => {
  it("take units where they make sense and refuse the rest with an example", () => {
    expect(parseQuota(["cpu=1.5", "memory=3GiB"])).toEqual({ cpuMillis: 1_500, memoryBytes: 3 * 1024 ** 3 });
    expect(parseLimits(["memory=3GiB", "disk=16GiB", "files=10", "time=30m", "cpu=0.5"])).toEqual({
      memoryBytes: 3 * 1024 ** 3,
      diskBytes: 16 * 1024 ** 3,
      diskFiles: 10,
      timeoutMs: 1_800_000,
      cpuMillis: 500,
    });
    for (const wrong of ["memory", "memory=much", "files=1.5", "time=30", "disks=1GiB", "pids=0"])
      expect(() => parseLimits([wrong])).toThrow(/write memory=4GiB/);
    for (const wrong of ["cpu=2GiB", "disk=1", "memory=3GB", "builds=1.5", "cpu=", "=1"])
      expect(() => parseQuota([wrong])).toThrow(/write cpu=1.5/);
  });
});

describe("--build-arg", () => {
  it("takes values as they are, or from the shell", () => {
    expect(buildArgs(["A=1=2", "B", "C="], { B: "of the shell" })).toEqual({ A: "1=2", B: "of the shell", C: "" });
    expect(buildArgs([])).toBeUndefined();
  });
  it.each([
    ["=x", /NAME=value, not `=x`/],
    ["a-b=c", /NAME=value/],
    ["NONE", /write NONE=value/],
  ])("refuses %s", (given, words) => expect(() => buildArgs([given], {})).toThrow(words));
});

describe("app name from a folder", () => {
  it.each([
    ["My Shop", "my-shop"],
    ["42-things", "things"],
    ["api_v2", "api-v2"],
    [`${"a".repeat(39)}-b`, "a".repeat(39)],
  ])("%s becomes %s", (folder, name) => expect(appNameFrom(folder)).toBe(name));
});

describe("names", () => {
  it.each([
    ["ssh://git@plimsoll.example:2222/acme/store/shop.git", "shop"],
    ["https://plimsoll.example/git/acme/store/shop.git", "shop"],
    ["git@plimsoll.example:acme/store/shop", "shop"],
  ])("of a remote %s", (url, app) => expect(parseRemote(url)).toEqual({ team: "acme", namespace: "store", app }));
  it("of something else are none", () => expect(parseRemote("/srv/git/shop.git")).toBeUndefined());
  it("of a build may be its number or whole", () => {
    expect(parseNumbered("212", "build", "b")).toEqual({ number: 212 });
    expect(parseNumbered("#212", "build", "b")).toEqual({ number: 212 });
    expect(parseNumbered("my-shop-b212", "build", "b")).toEqual({ number: 212, app: "my-shop" });
    for (const wrong of ["shop", "0", "-1", "1.5", "v12"]) expect(() => parseNumbered(wrong, "build", "b")).toThrow(/named by its number/);
  });
  it.each([
    ["localhost:8080", "http://localhost:8080"],
    ["plimsoll.example", "https://plimsoll.example"],
    ["http://plimsoll.example/acme/store?x=1", "http://plimsoll.example"],
  ])("of a platform: %s is %s", (text, origin) => expect(originOf(text)).toBe(origin));
  it("of no platform are refused", () => expect(() => originOf("http://")).toThrow(/is no address/));
});

describe("rendering", () => {
  it("aligns columns", () =>
    expect(
      table([
        ["a", "bb", "c"],
        ["aaa", "b", "c"],
      ]),
    ).toBe("a     bb   c\naaa   b    c"));
  it("says ages and times as people do", () => {
    expect(age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:10:00Z"))).toBe("2 h");
    expect(between("2026-01-01T00:00:00Z", "2026-01-01T00:01:12Z")).toBe("1 min 12 s");
    expect(between("2026-01-01T00:00:00Z", undefined)).toBe("–");
  });
  it("takes away what could drive the terminal or turn its text", () => {
    expect(plain("a\u001b[2Jb\u0007c\u202ed")).toBe("ab?c?d");
    expect(outputLine("10 %\r50 %\r100 %\r")).toBe("100 %");
  });
});

describe("a build's output", () => {
  const plan: BuildEvent = {
    type: "plan",
    atMs: 0,
    dockerfile: "Dockerfile",
    target: "run",
    steps: [
      { index: 0, stage: "deps", label: "RUN npm ci", line: 2 },
      { index: 1, stage: "run", label: "RUN make", line: 5 },
    ],
  };
  const log = (step: number, text: string): BuildEvent => ({ type: "step-log", atMs: 1, step, stream: "stdout", text });
  const say = (output: BuildOutput, events: readonly BuildEvent[]) => events.flatMap((event) => output.lines(event));

  it("says whose it is whenever that changes, and loses no line without an end", () => {
    const lines = say(new BuildOutput(), [
      plan,
      { type: "step-started", atMs: 1, step: 0 },
      log(0, "one\ntw"),
      { type: "step-started", atMs: 1, step: 1 },
      log(1, "made\n"),
      log(0, "o\n"),
      log(0, "no end"),
      { type: "step-done", atMs: 9, step: 0, outcome: "done", durationMs: 1_000 },
      { type: "step-done", atMs: 9, step: 1, outcome: "done", durationMs: 2_000 },
    ]);
    expect(lines).toEqual([
      "Build   Dockerfile, target run",
      "deps  RUN npm ci",
      "    one",
      "run  RUN make",
      "    made",
      "deps  RUN npm ci",
      "    two",
      "    no end",
      "  done, 1.0 s",
      "run  RUN make  done, 2.0 s",
    ]);
  });

  it("begins anew with a new plan: nothing of the first try is left over", () => {
    const output = new BuildOutput();
    say(output, [plan, { type: "step-started", atMs: 1, step: 0 }, log(0, "half a li")]);
    output.restart();
    expect(say(output, [plan, { type: "step-started", atMs: 1, step: 0 }, log(0, "whole\n")])).toEqual([
      "Build   Dockerfile, target run",
      "deps  RUN npm ci",
      "    whole",
    ]);
  });

  it("ends a failed one with its place and reason", () => {
    const failure = { reason: "command", message: "RUN make failed, exit 2", line: 5, instruction: "RUN make" } as const;
    expect(say(new BuildOutput(), [plan, { type: "failed", atMs: 9, failure }])).toEqual([
      "Build   Dockerfile, target run",
      "Dockerfile:5    RUN make",
      "RUN make failed, exit 2",
    ]);
  });
});
