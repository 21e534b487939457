import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "../command.ts";
import { candidates, SHELLS, shellScript } from "../completion.ts";
import { usageError } from "../failure.ts";
import { commandHelp, overview } from "../help.ts";
import { findCommand } from "../parse.ts";
import { referencePage } from "../reference.ts";

export const version: Run = async (call) => {
  const { version: own } = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
  call.show({ plim: own, node: process.versions.node }, () => `plim ${own}, Node ${process.versions.node}`);
};

export const help: Run = async (call) => {
  if (call.has("markdown")) return call.print(referencePage(call.commands).trimEnd());
  const words = call.all("command");
  if (words.length === 0) return call.print(overview(call.commands));
  const found = findCommand(call.commands, words);
  if (found !== undefined && found.rest.length === 0) return call.print(commandHelp(call.commands, found.spec));
  const below = call.commands.filter(({ name }) => name.startsWith(`${words.join(" ")} `));
  if (below.length === 0) throw usageError(`There is no command ${words.join(" ")}.`);
  call.print(below.map((spec) => commandHelp(call.commands, spec)).join("\n\n"));
};

export const completion: Run = async (call) => {
  const shell = SHELLS.find((one) => one === call.argument("bash|zsh|fish"));
  if (shell === undefined) throw usageError(`plim completes for ${SHELLS.join(", ")}.`, "completion");
  call.print(shellScript(shell));
};

/** Asked by the shells: what could stand at the place of the last word. Says nothing rather than an error. */
export const complete: Run = async (call) => {
  for (const word of await candidates(call.commands, call.all("word"), call).catch(() => [])) call.print(word);
};
