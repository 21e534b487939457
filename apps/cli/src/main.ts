#!/usr/bin/env node
import type { AppError } from "@plimsoll/core";
import { createCall } from "./call.ts";
import { exitCodeOf, failureText } from "./failure.ts";
import { parse } from "./parse.ts";
import { COMMANDS } from "./table.ts";

const INTERRUPTED = 130;

/** Runs one command line and answers what to end with. */
async function plim(words: readonly string[], signal: AbortSignal): Promise<number> {
  let failure: AppError | undefined;
  try {
    const parsed = parse(COMMANDS, aliased(words));
    if (parsed.options.has("help")) {
      const { commandHelp } = await import("./help.ts");
      process.stdout.write(`${commandHelp(COMMANDS, parsed.spec)}\n`);
      return 0;
    }
    const run = await parsed.spec.load();
    const fail = (error: AppError) => {
      failure = error;
    };
    await run(createCall(parsed, { commands: COMMANDS, signal, fail }));
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    process.stderr.write(`${failureText(error)}\n`);
    return exitCodeOf(error);
  }
  if (signal.aborted) return INTERRUPTED;
  if (failure === undefined) return 0;
  process.stderr.write(`${failureText(failure)}\n`);
  return exitCodeOf(failure);
}

/** What people type first at any program. */
function aliased(words: readonly string[]): readonly string[] {
  const [first] = words;
  if (first === undefined || first === "-h" || first === "--help") return ["help"];
  return first === "-V" || first === "--version" ? ["version"] : words;
}

const interrupt = new AbortController();
process.once("SIGINT", () => {
  interrupt.abort();
  // A second one ends what does not end by itself.
  process.once("SIGINT", () => process.exit(INTERRUPTED));
});
// `plim logs | head`: whoever reads has had enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await plim(process.argv.slice(2), interrupt.signal);
