import { describe, expect, it } from "vitest";
import { BuildProblem } from "../problem.ts";
import { parseDuration } from "./healthcheck.ts";
import { parseDockerfile } from "./parse.ts";

const read = (line: string) => parseDockerfile(`FROM a\n${line}\n`, "Dockerfile").stages[0]?.instructions[0];
const message = (line: string) => {
  try {
    read(line);
  } catch (error) {
    if (error instanceof BuildProblem) return error.failure.message;
    throw error;
  }
  throw new Error("it was read");
};

describe("HEALTHCHECK", () => {
  it("reads its options in nanoseconds and leaves what is not said to the runtime", () => {
    const all = "--interval=1m30s --timeout=500ms --start-period=0s --start-interval=1.5s --retries=4";
    expect(read(`HEALTHCHECK ${all} CMD curl -f http://localhost/ || exit 1`)).toMatchObject({
      kind: "cmd",
      command: { form: "shell", line: "curl -f http://localhost/ || exit 1" },
      intervalNs: 90e9,
      timeoutNs: 500e6,
      startIntervalNs: 1.5e9,
      retries: 4,
    });
    expect(Object.keys(read("HEALTHCHECK --retries=0 --start-period=0 cmd x") ?? {})).not.toEqual(expect.arrayContaining(["retries"]));
    expect(read('HEALTHCHECK CMD ["/probe", "x"]')).toMatchObject({ command: { form: "exec", argv: ["/probe", "x"] } });
    expect(read("HEALTHCHECK none")).toMatchObject({ kind: "none" });
  });

  it.each([
    ["HEALTHCHECK", "CMD or NONE"],
    ["HEALTHCHECK curl x", "CMD or NONE"],
    ["HEALTHCHECK NONE x", "stands alone"],
    ["HEALTHCHECK CMD", "needs a command"],
    ["HEALTHCHECK CMD []", "no program"],
    ["HEALTHCHECK --interval=5 CMD x", "no duration"],
    ["HEALTHCHECK --interval=1us CMD x", "less than 1ms"],
    ["HEALTHCHECK --timeout=-1s CMD x", "less than 1ms"],
    ["HEALTHCHECK --retries=-1 CMD x", "no count"],
    ["HEALTHCHECK --retries=many CMD x", "no count"],
    ["HEALTHCHECK --intervall=5s CMD x", "did you mean --interval"],
    ["HEALTHCHECK --interval=9000000h CMD x", "no duration"],
  ])("explains %s", (line, advice) => {
    expect(message(line)).toContain(advice);
  });
});

describe("parseDuration", () => {
  it.each([
    ["0", 0],
    ["1h2m3s", 3_723e9],
    [".5s", 5e8],
    ["1.s", 1e9],
    ["+2s", 2e9],
    ["-2s", -2e9],
    ["1\u00b5s", 1e3],
    ["", undefined],
    ["s", undefined],
    [".s", undefined],
    ["1", undefined],
    ["1d", undefined],
    ["1s 2s", undefined],
  ])("%s", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });
});
