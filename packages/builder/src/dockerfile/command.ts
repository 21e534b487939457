import { problemAt, type SourceLocation } from "../problem.ts";
import type { Command } from "./instruction.ts";
import type { RawInstruction } from "./lines.ts";

/** JSON list or shell line. `CMD []` is an empty argv; nothing at all is an empty shell line, as everywhere in Dockerfiles. */
export function readCommand(raw: RawInstruction, text = raw.rest): Command {
  const argv = readJson(raw.keyword, text, raw.at);
  if (argv !== undefined) return { form: "exec", argv };
  return { form: "shell", line: text };
}

/** A JSON list of strings; anything that is not valid JSON is the shell form, as everywhere in Dockerfiles. */
export function readJson(keyword: string, text: string, at: SourceLocation): readonly string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const strings = list.filter((item) => typeof item === "string");
  if (strings.length !== list.length) {
    throw problemAt(at, "dockerfile", `The list of ${keyword} may hold strings only; put every item in double quotes.`);
  }
  if (strings.some((item) => item.includes("\0")))
    throw problemAt(at, "dockerfile", "A NUL character cannot be part of an argument; remove it.");
  return strings;
}

/** A JSON list, or words between blanks. */
export function readList(raw: RawInstruction): readonly string[] {
  return readJson(raw.keyword, raw.rest, raw.at) ?? (raw.rest === "" ? [] : raw.rest.split(/[\t\v\f\r ]+/));
}
