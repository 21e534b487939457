/**
 * A prober in a process and a network namespace of its own: asks at once when it reads a line, then every `everyMs`, each time on a new
 * connection and whether or not the one before was answered. Tells in JSON lines when it is `ready`, when the `wanted` body came first,
 * and at the end of its input the whole. Takes ProbeOptions as JSON.
 */
import { createInterface } from "node:readline";
import { askOnce, type ProbeEvent, type ProbeOptions, ProbeRecord } from "./probe.ts";

const options = JSON.parse(process.argv[2] ?? "") as ProbeOptions;
const record = new ProbeRecord(options.wanted);
const underWay = new Set<Promise<void>>();

function tell(event: ProbeEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function ask(): void {
  const sentAtMs = Date.now();
  const asked = askOnce(options).then((answer) => {
    if (record.add({ ...answer, sentAtMs, endedAtMs: Date.now() })) tell({ kind: "first", atMs: Date.now() });
  });
  underWay.add(asked);
  void asked.finally(() => underWay.delete(asked));
}

// Nobody is left who would read it.
process.stdout.once("error", () => process.exit());
let timer: NodeJS.Timeout | undefined;
const lines = createInterface({ input: process.stdin });
lines.on("line", () => {
  timer ??= setInterval(ask, options.everyMs);
  ask();
});
lines.once("close", async () => {
  clearInterval(timer);
  await Promise.all(underWay);
  tell({ kind: "end", report: record.report() });
});
tell({ kind: "ready" });
