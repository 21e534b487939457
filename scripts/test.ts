/**
 * `npm test`: all suites against the real kernel, databases, programs and browser, then the proof that nothing of them is left
 * on the machine. Arguments go to vitest as they are (`npm test -- packages/host`), in one run.
 */
import { readFile, rm } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { start } from "@plimsoll/exec";
import { readTraces, type Traces, tracesAdded } from "./test/traces.ts";

/** One after the other: what measures or fills the kernel must not meet what another suite does there. */
const SUITES: readonly (readonly string[])[] = [["unit", "integration"], ["host"], ["browser"], ["e2e"]];
/** Ends of processes and namespaces take a moment; what is still there after it was forgotten. */
const GRACE_MS = 5_000;

const root = resolve(import.meta.dirname, "..");

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** Of each failure its place and what it said. */
  readonly failures: readonly string[];
}

async function main(args: readonly string[]): Promise<number> {
  const before = await readTraces();
  const tallies: Tally[] = [];
  if (args.length > 0) tallies.push(await runVitest(args));
  else {
    for (const projects of SUITES) {
      const startedAt = performance.now();
      tallies.push(await runVitest(["--passWithNoTests", ...projects.flatMap((project) => ["--project", project])]));
      console.log(`${projects.join(", ")}: ${Math.round((performance.now() - startedAt) / 1_000)} s\n`);
    }
  }
  const left = await whatIsLeft(before);
  if (left.length > 0) {
    console.log(["Left behind by the tests:", ...left.map((trace) => `  ${trace}`), ""].join("\n"));
    tallies.push({ passed: 0, failed: 1, failures: [`Left behind: ${left.join(", ")}`] });
  }
  // Again at the end: of a long output often only the end is kept.
  for (const failure of tallies.flatMap(({ failures }) => failures)) console.log(`${failure}\n`);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  console.log(`${tallies.reduce((sum, tally) => sum + tally.passed, 0)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function runVitest(args: readonly string[]): Promise<Tally> {
  const reportPath = resolve(root, `node_modules/.plimsoll/test-report-${process.pid}.json`);
  const vitest = resolve(root, "node_modules/vitest/vitest.mjs");
  const argv = [process.execPath, vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`, ...args];
  const env = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const child = await start(argv, { cwd: root, env, stdio: "inherit" });
  const code = await new Promise<number>((done) => child.once("close", (exit) => done(exit ?? 1)));
  const report = await readFile(reportPath, "utf8").then(
    (text) => JSON.parse(text) as Report,
    () => undefined, // it ended before it could write one, or had nothing to run; its exit code tells
  );
  await rm(reportPath, { force: true });
  if (report === undefined) {
    return code === 0
      ? { passed: 0, failed: 0, failures: [] }
      : { passed: 0, failed: 1, failures: [`vitest ${args.join(" ")} ended with ${code}`] };
  }
  // A file that could not even be loaded has no test that failed.
  const brokenFiles = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
  const failed = report.numFailedTests + brokenFiles;
  const failures = failuresOf(report);
  if (failed === 0 && code !== 0) {
    return { passed: report.numPassedTests, failed: 1, failures: [`vitest ${args.join(" ")} ended with ${code}, each test passed`] };
  }
  return { passed: report.numPassedTests, failed, failures };
}

function failuresOf({ testResults }: Report): readonly string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    if (status === "failed" && assertionResults.length === 0) return [`FAILED ${file}\n${message}`];
    return assertionResults
      .filter((test) => test.status === "failed")
      .map(({ fullName, failureMessages }) => `FAILED ${file}: ${fullName}\n${failureMessages.join("\n")}`);
  });
}

async function whatIsLeft(before: Traces): Promise<readonly string[]> {
  const deadline = performance.now() + GRACE_MS;
  for (;;) {
    const left = tracesAdded(before, await readTraces());
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((wake) => setTimeout(wake, 250));
  }
}

process.exitCode = await main(process.argv.slice(2));
