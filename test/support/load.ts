import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { start } from "@plimsoll/exec";
import type { LoadOptions, LoadReport } from "../../packages/testkit/src/load-meter.ts";
import { insidePlatform, type Platform } from "./platform.ts";

export interface MeteredFailure {
  /** Milliseconds since 1970 when the request was sent. */
  readonly atMs: number;
  /** How long it was under way. */
  readonly tookMs: number;
  readonly reason: string;
}

export interface MeterReport extends Omit<LoadReport, "failures" | "bodies"> {
  readonly failures: readonly MeteredFailure[];
  readonly bodies: Readonly<Record<string, number>>;
}

/** Load on one app, from a process of its own in the platform's network namespace. */
export interface Meter {
  /** So far; the load goes on. */
  report(): Promise<MeterReport>;
  /** Lets requests under way end, and answers the whole. Idempotent. */
  stop(): Promise<MeterReport>;
}

/** Resolves when the first request was answered. `host` is the app's host name. */
export async function startMeter(platform: Platform, host: string, options: Partial<LoadOptions> = {}): Promise<Meter> {
  const load: LoadOptions = { address: "127.0.0.1", port: platform.place.httpPort, host, connections: 6, pauseMs: 15, ...options };
  const argv = insidePlatform(platform, [process.execPath, join(import.meta.dirname, "load-main.ts"), JSON.stringify(load)]);
  const child = await start(argv, { stdio: ["pipe", "pipe", "inherit"] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the meter has no pipes");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  let turn: Promise<unknown> = Promise.resolve();
  let stopped: Promise<MeterReport> | undefined;

  const ask = (how: () => void): Promise<MeterReport> => {
    const mine = turn.then(async () => {
      how();
      const { value, done } = await lines.next();
      if (done === true) throw new Error("the meter ended without a report");
      return parse(value);
    });
    turn = mine.catch(() => undefined);
    return mine;
  };
  const meter: Meter = {
    report: () => ask(() => stdin.write("\n")),
    stop: () => {
      stopped ??= ask(() => stdin.end()).finally(async () => {
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      });
      return stopped;
    },
  };
  while ((await meter.report()).requests === 0);
  return meter;
}

function parse(line: string): MeterReport {
  const report = JSON.parse(line) as Omit<MeterReport, "failures"> & {
    readonly startedAtMs: number;
    readonly failures: readonly MeteredFailure[];
  };
  return { ...report, failures: report.failures.map((one) => ({ ...one, atMs: report.startedAtMs + one.atMs })) };
}
