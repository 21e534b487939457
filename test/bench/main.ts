/**
 * `npm run bench -- NAME…`: runs benchmarks and prints their figures; `list` names them, `all` is every one. Each measures its peer in the
 * same run. It ends with 1 when a target is missed or a benchmark fails.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { BENCHMARKS, chosen } from "./catalogue.ts";
import { type OpenLab, openLab } from "./lab.ts";
import { type Line, lineOf, type Measurement, tableOf } from "./report.ts";

const USAGE = `npm run bench -- NAME… [--json] [--smoke] [--pairs N] [--fresh] [--out DIRECTORY]
  list       names the benchmarks; all: every one
  --json     one object a line on standard output, everything else on standard error
  --smoke    each once, to see that it works; a peer that is not installed is left out
  --pairs N  samples of each side (default 15)
  --fresh    first.url also makes a whole fresh machine, which takes minutes
  --out      where the raw samples go (default ${join(tmpdir(), "plimsoll-bench")})`;

const PAIRS = 15;
const ROOT = resolve(import.meta.dirname, "../..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    smoke: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    pairs: { type: "string" },
    out: { type: "string", default: join(tmpdir(), "plimsoll-bench") },
  },
});

/** What people read; standard output is for the figures alone where a program reads them. */
function say(text: string): void {
  (values.json ? process.stderr : process.stdout).write(`${text}\n`);
}

interface Failure {
  readonly bench: string;
  readonly error: string;
}

async function main(): Promise<number> {
  if (positionals.length === 0) {
    console.error(USAGE);
    return 2;
  }
  if (positionals.includes("list")) {
    for (const { name, about } of BENCHMARKS) console.log(`${name.padEnd(16)} ${about}`);
    return 0;
  }
  const benchmarks = positionals.includes("all") ? BENCHMARKS : chosen(positionals);
  const pairs = values.smoke ? 1 : Number(values.pairs ?? PAIRS);
  if (!Number.isInteger(pairs) || pairs < 1) throw new Error("--pairs takes a number from 1");
  const machine = await describeMachine();
  say(machine);
  const lab = await openLab({ smoke: values.smoke, fresh: values.fresh, pairs, say: (text) => say(`  … ${text}`) });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void lab.close().finally(() => process.exit(130)));
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  try {
    for (const { name, run: measure } of benchmarks) {
      say(name);
      try {
        for (const measurement of await measure(lab)) {
          measurements.push(measurement);
          tell(measurement);
        }
      } catch (error) {
        failures.push({ bench: name, error: errorText(error) });
        say(`  ✖ it failed: ${errorText(error)}`);
      }
    }
  } finally {
    await lab.close();
  }
  const lines = measurements.map((measurement) => lineOf(measurement).line);
  if (lines.length > 0) say(`\n${tableOf(lines)}\n`);
  say(`Raw samples: ${await keepRaw(machine, lab, measurements, lines, failures)}`);
  const missed = lines.filter(({ ok }) => ok === false);
  return failures.length > 0 || (missed.length > 0 && !values.smoke) ? 1 : 0;
}

function tell(measurement: Measurement): void {
  const { line, misses } = lineOf(measurement);
  if (values.json) process.stdout.write(`${JSON.stringify(line)}\n`);
  for (const note of measurement.notes) say(`  ${note}`);
  for (const miss of misses) say(`  missed: ${miss}`);
}

async function describeMachine(): Promise<string> {
  const commit = (await run(["git", "-C", ROOT, "describe", "--always", "--dirty"])).stdout.trim();
  const cores = `${cpus().length} × ${cpus()[0]?.model ?? "?"}`;
  const load = loadavg()[0]?.toFixed(2);
  return `Plimsoll ${commit}, Node ${process.version}, Linux ${release()}, ${cores}, ${Math.round(totalmem() / 1024 ** 3)} GiB, load average ${load}`;
}

async function keepRaw(
  machine: string,
  lab: OpenLab,
  measurements: readonly Measurement[],
  lines: readonly Line[],
  failures: readonly Failure[],
): Promise<string> {
  await mkdir(values.out, { recursive: true });
  const path = join(values.out, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  const raw = { command: process.argv.slice(2), machine, peer: lab.peer(), lines, failures, measurements };
  await writeFile(path, `${JSON.stringify(raw, undefined, 1)}\n`);
  return path;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 2;
}
