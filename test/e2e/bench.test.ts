import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { run } from "@plimsoll/exec";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Line } from "../bench/report.ts";

/** A benchmark is no test: its figures mean nothing here, only that each still measures what it says. */
const MAIN = resolve(import.meta.dirname, "../bench/main.ts");
const TIMEOUT_MS = 270_000;

let out: string;

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "plimsoll-e2e-bench-"));
});

afterAll(async () => {
  await rm(out, { recursive: true, force: true });
});

describe("npm run bench", () => {
  it("measures each benchmark once in its short form, drops nothing, and keeps the raw samples", async () => {
    const env = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
    const argv = [process.execPath, MAIN, "all", "--smoke", "--json", "--out", out];
    const { stdout, stderr, code } = await run(argv, { env, timeoutMs: TIMEOUT_MS, okCodes: [0, 1] });
    expect(code, stderr).toBe(0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    expect(lines.map(({ bench }) => bench)).toEqual([
      "control.memory",
      "first.url.second",
      "build.noop",
      "build.edit",
      "build.stages",
      "build.context",
      "start.instance",
      "push.edit",
    ]);
    for (const { bench, ours } of lines) {
      expect(ours.n, bench).toBe(1);
      expect(ours.p50, bench).toBeGreaterThan(0);
    }
    expect(stderr).toMatch(/dropped: 0 of \d+ probes, 0 of \d+ requests/);
    expect(await readdir(out)).toHaveLength(1);
  });
});
