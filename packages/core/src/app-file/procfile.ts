import { NAME_PATTERN } from "../ids.ts";
import { type FileProblem, refused } from "./read.ts";

export const PROCFILE = "Procfile";
const MAX_BYTES = 64 * 1024;

/** The line of a Procfile that is no process: it runs once before each release. */
export const RELEASE = "release";

/** A Procfile's lines `name: command`: the command of each process and of `release`, for the shell. Throws as `readAppFile` does. */
export function readProcfile(text: string, file: string): Readonly<Record<string, string>> {
  const commands: Record<string, string> = {};
  const problems: FileProblem[] = [];
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw refused([{ file, line: 1, column: 1, message: "is larger than 64 KiB; that is no Procfile" }]);
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const line = written.trim();
    if (line === "" || line.startsWith("#")) continue;
    const problem = (message: string) => problems.push({ file, line: index + 1, column: 1, message });
    const [, name, command = ""] = /^([A-Za-z0-9_-]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined) problem("is no `name: command`; write `web: node server.js`");
    else if (!NAME_PATTERN.test(name)) problem(`the name \`${name}\` must be 1 to 40 of a-z, 0-9 and -, starting with a letter`);
    else if (command === "") problem(`\`${name}\` has no command; write \`${name}: node server.js\``);
    else if (Object.hasOwn(commands, name)) problem(`\`${name}\` is there twice; remove one of them`);
    else commands[name] = command;
  }
  if (problems.length > 0) throw refused(problems);
  return commands;
}
