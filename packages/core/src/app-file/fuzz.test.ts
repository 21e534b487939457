import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppError } from "../errors.ts";
import { NAME_PATTERN } from "../ids.ts";
import { readProcfile } from "./procfile.ts";
import { type FileProblem, readAppFile } from "./read.ts";

/** As in the builder: the same few thousand in `npm test`, many and others in `npm run test:fuzz`, which prints the seed of what it finds. */
const RUNS = Number(process.env.PLIMSOLL_FUZZ_RUNS ?? 20_000);
const SEED = process.env.PLIMSOLL_FUZZ_RUNS === undefined ? 20_261_121 : Number(process.env.PLIMSOLL_FUZZ_SEED ?? Date.now() % 2 ** 31);
/** Reading YAML and explaining it take longer than reading a line. */
const share = (part: number) => ({ seed: SEED, numRuns: Math.max(1, Math.round(RUNS * part)) });
const LONG = { timeout: 60_000 + RUNS * 10 };
/** Of processor time: what others use of the machine must not count. */
const MOST_CPU_MS = 2_000;

function explained<T>(text: string, file: string, read: () => T): T | undefined {
  const before = process.cpuUsage();
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid") throw error;
    const problems = error.details?.problems as readonly FileProblem[];
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem.file).toBe(file);
      expect(problem.line).toBeGreaterThanOrEqual(1);
      expect(problem.line).toBeLessThanOrEqual(text.split("\n").length);
      expect(problem.column).toBeGreaterThanOrEqual(1);
      expect(problem.message).toMatch(/\w+ \w+/);
      expect(problem.message.length).toBeLessThan(500);
      expect(problem.message).not.toMatch(/undefined|\[object|is not a function|of null|[\n\0]/);
    }
    return undefined;
  } finally {
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
  }
}

const any = <T>(...all: readonly T[]) => fc.constantFrom(...all);
const odd = fc.oneof(
  any(
    "",
    "null",
    "~",
    "[]",
    "{}",
    "- ",
    "? ",
    ": ",
    "|",
    ">-",
    "&a",
    "*a",
    "<<: *a",
    "!!set",
    "!x",
    "%YAML 1.2",
    "---",
    "...",
    "\t",
    "\0",
    "\uFEFF",
    "\r",
  ),
  any("constructor", "__proto__", "toString", "hasOwnProperty", "1e999", "0x10", ".nan", "yes", "2026-11-21", "'", '"', "#", "\u{1F6A2}"),
  fc.string({ maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 5 }),
);
const key = fc.oneof(
  {
    weight: 5,
    arbitrary: any("build", "env", "secrets", "processes", "web", "worker", "command", "replicas", "cpu", "memory", "port", "ready"),
  },
  {
    weight: 2,
    arbitrary: any("readyTimeout", "stopGrace", "context", "file", "target", "args", "release", "cron", "volumes", "replica", "A_B"),
  },
  { weight: 1, arbitrary: odd },
);
const value = fc.oneof(
  any(
    "node server.js",
    "[node, a.js]",
    "2",
    "-1",
    "0.5",
    "250m",
    "512 MiB",
    "1.5GiB",
    "9 TiB",
    "8080",
    "99999",
    "/healthz",
    "tcp",
    "none",
    "30s",
    "1h",
    "../x",
    "[A, B]",
  ),
  odd,
);
const tree: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    value,
    fc
      .array(fc.tuple(key, tie("node")), { minLength: 1, maxLength: 4 })
      .map((all) =>
        all
          .map(([name, below]) => `${name}:${below.includes("\n") || /^\w+:/.test(below) ? `\n${indent(below)}` : ` ${below}`}`)
          .join("\n"),
      ),
    fc.array(tie("node"), { maxLength: 3 }).map((all) => all.map((one) => `- ${one.replaceAll("\n", "\n  ")}`).join("\n")),
  ),
})).node;
const indent = (text: string) =>
  text
    .split("\n")
    .map((one) => `  ${one}`)
    .join("\n");

const REAL = [
  "build: { context: services/api, file: ops/Dockerfile, target: runtime, args: { NODE: 22, EXACT: 1.10 } }\nenv:\n  LOG_LEVEL: info\n  ON: true\nsecrets: [DATABASE_URL]\n",
  "processes:\n  web:\n    command: node server.js\n    replicas: 2\n    cpu: 0.5\n    memory: 512 MiB\n    port: 3000\n    ready: /healthz\n    readyTimeout: 30s\n    stopGrace: 500ms\n  worker:\n    command: [node, worker.js]\n    cpu: 250m\n",
];
const mutated = fc
  .tuple(
    any(...REAL),
    fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(10), fc.oneof(odd, key, value)), { minLength: 1, maxLength: 4 }),
  )
  .map(([text, edits]) =>
    edits.reduce((now, [from, length, put]) => {
      const at = Math.floor(from * now.length);
      return now.slice(0, at) + put + now.slice(at + length);
    }, text),
  );

describe("what a repository says of its app", () => {
  it("is read from any plimsoll.yaml, or refused with the place and what to write", LONG, () => {
    let read = 0;
    const runs = share(0.25);
    fc.assert(
      fc.property(fc.oneof(tree, mutated), (text) => {
        const file = explained(text, "plimsoll.yaml", () => readAppFile(text, "plimsoll.yaml"));
        if (file === undefined) return;
        read++;
        for (const [name, { command }] of Object.entries(file.processes ?? {})) {
          expect(name).toMatch(NAME_PATTERN);
          if (command !== undefined) expect(command.every((one) => typeof one === "string")).toBe(true);
        }
        for (const one of [...Object.values(file.env ?? {}), ...Object.values(file.build?.args ?? {})]) expect(typeof one).toBe("string");
      }),
      runs,
    );
    expect(read).toBeGreaterThan(runs.numRuns * 0.02);
  });

  it("is read from any Procfile, each name once, or refused with the line", LONG, () => {
    const name = fc.oneof(any("web", "worker", "release", "Web", "a-b", "constructor", "to-string", "valueof", "9x", "-", ""), odd);
    const line = fc.oneof(
      fc
        .tuple(name, any(":", ": ", " : ", "", "::"), fc.oneof(any("node server.js", "", " ", "a: b", "#"), odd))
        .map((all) => all.join("")),
      odd,
    );
    const lines = fc.array(line, { maxLength: 6 }).map((all) => all.join("\n"));
    fc.assert(
      fc.property(lines, (text) => {
        const commands = explained(text, "Procfile", () => readProcfile(text, "Procfile"));
        if (commands === undefined) return;
        const written = text.split("\n").filter((one) => one.trim() !== "" && !one.trim().startsWith("#"));
        expect(Object.keys(commands)).toHaveLength(written.length);
        for (const [process, command] of Object.entries(commands)) {
          expect(process).toMatch(NAME_PATTERN);
          expect(command).toMatch(/\S/);
        }
      }),
      share(0.5),
    );
  });
});
