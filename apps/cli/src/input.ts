import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { AppError } from "@plimsoll/core/errors";
import { usageError } from "./failure.ts";

/** A file's text, or standard input's for `-`, without its last line break: how a secret is given without showing up in the history. */
export async function readValue(source: string): Promise<string> {
  const text = source === "-" ? await readStandardInput() : await readFile(source, "utf8").catch(unreadable(source));
  return text.replace(/\r?\n$/, "");
}

function unreadable(path: string) {
  return (cause: unknown): never => {
    throw new AppError("invalid", `${path} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? "unknown error"}.`, {
      cause,
      details: { usage: true },
    });
  };
}

async function readStandardInput(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write("Type or paste the value, then Ctrl-D:\n");
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += chunk;
  return text;
}

export interface Asked {
  /** What is typed is not shown. */
  readonly hidden?: boolean;
  /** Where there is no terminal: how it is said instead, and of which command. */
  readonly instead: string;
  readonly command: string;
}

/** Asks on the terminal; refused where there is none, so that a script does not wait for ever. */
export async function ask(question: string, { hidden = false, instead, command }: Asked): Promise<string> {
  if (!process.stdin.isTTY)
    throw usageError(`There is no terminal to ask \`${question.replace(/[:\s]+$/, "")}\` on: give ${instead}.`, command);
  // readline echoes what is typed by its own writes; a stream of ours is the one place that sees all of them.
  let silent = false;
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!silent) process.stderr.write(chunk);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const left = new Promise<never>((_, reject) => {
      terminal.once("SIGINT", () => reject(new AppError("invalid", "Nothing was done.", { details: { interrupted: true } })));
    });
    const answer = terminal.question(question);
    silent = hidden;
    return await Promise.race([answer, left]);
  } finally {
    if (hidden) process.stderr.write("\n");
    terminal.close();
  }
}

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** `3GiB`, `512MiB`, `1048576` in bytes; undefined for what is no amount. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB|TiB|)$/.exec(text) ?? [];
  return amount === undefined ? undefined : Math.round(Number(amount) * (UNITS[unit] ?? 1));
}

/** A whole number of an option or argument, within its bounds. */
export function parseCount(text: string, name: string, { from, to }: { readonly from: number; readonly to: number }): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count) || count < from || count > to)
    throw usageError(`${name} is a whole number from ${from} to ${to}, not \`${text}\`.`);
  return count;
}

/** `15`, `#15`, `v15` or the whole name `shop-d15` as number and, where it says so, app; `letter` is what the names have before it. */
export function parseNumbered(text: string, kind: string, letter: string): { readonly number: number; readonly app?: string } {
  const [, app, number] = new RegExp(`^(?:([a-z](?:[a-z0-9-]*[a-z0-9])?)-)?(?:#|${letter})?(\\d{1,9})$`).exec(text) ?? [];
  if (number === undefined || Number(number) < 1) throw usageError(`A ${kind} is named by its number, like 15, not \`${text}\`.`);
  return { number: Number(number), ...(app === undefined ? {} : { app }) };
}
