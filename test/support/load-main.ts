/**
 * A load meter in a process and a network namespace of its own: what the test does meanwhile must not show in what is measured. Takes its
 * options as JSON; answers each line that it reads with a report so far, and the end of its input with the whole one.
 */
import { createInterface } from "node:readline";
import { type LoadOptions, type LoadReport, startLoad } from "../../packages/testkit/src/load-meter.ts";

const load = startLoad(JSON.parse(process.argv[2] ?? "") as LoadOptions);
const startedAtMs = Date.now();

function tell(report: LoadReport): void {
  process.stdout.write(`${JSON.stringify({ ...report, bodies: Object.fromEntries(report.bodies), startedAtMs })}\n`);
}

// Nobody is left who would read it.
process.stdout.once("error", () => process.exit());
const lines = createInterface({ input: process.stdin });
lines.on("line", () => tell(load.report()));
lines.once("close", () => void load.stop().then(tell));
