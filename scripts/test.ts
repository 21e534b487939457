/**
 * `npm test`: all suites against the real kernel, databases, programs and browser, then the proof that nothing of them is left
 * on the machine. Arguments go to vitest as they are (`npm test -- --project unit`).
 */

import { readFile, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { start } from "@plimsoll/exec";
import { readTraces, tracesAdded } from "./test/traces.ts";

const root = resolve(import.meta.dirname, "..");
const reportPath = resolve(root, `node_modules/.plimsoll/test-report-${process.pid}.json`);

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

async function main(): Promise<number> {
  const before = await readTraces();
  const code = await runVitest(process.argv.slice(2));
  const report = await readReport();
  const left = await whatIsLeft(before);
  if (left.length > 0) console.log(["", "Left behind by the tests:", ...left.map((trace) => `  ${trace}`)].join("\n"));
  // A file that could not even be loaded has no test that failed.
  const brokenFiles = report?.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length ?? 0;
  const failed = (report?.numFailedTests ?? 0) + brokenFiles + (left.length > 0 ? 1 : 0) + (report === undefined ? 1 : 0);
  const reallyFailed = failed === 0 && code !== 0 ? 1 : failed;
  console.log(`\n${report?.numPassedTests ?? 0} passed, ${reallyFailed} failed`);
  return reallyFailed === 0 ? 0 : 1;
}

async function runVitest(args: readonly string[]): Promise<number> {
  const vitest = resolve(root, "node_modules/vitest/vitest.mjs");
  const argv = [process.execPath, vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`, ...args];
  const child = await start(argv, { cwd: root, env: testEnvironment(), stdio: "inherit" });
  return new Promise((done) => child.once("close", (code) => done(code ?? 1)));
}

async function readReport(): Promise<Report | undefined> {
  try {
    return JSON.parse(await readFile(reportPath, "utf8")) as Report;
  } catch {
    return undefined; // vitest ended before it could write one; its exit code tells
  } finally {
    await rm(reportPath, { force: true });
  }
}

/** Ends of processes and namespaces take a moment; what is still there after it was forgotten. */
async function whatIsLeft(before: Awaited<ReturnType<typeof readTraces>>): Promise<readonly string[]> {
  const GRACE_MS = 5_000;
  const deadline = performance.now() + GRACE_MS;
  for (;;) {
    const left = tracesAdded(before, await readTraces());
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((wake) => setTimeout(wake, 250));
  }
}

function testEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

process.exitCode = await main();
