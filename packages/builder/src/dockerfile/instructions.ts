import { problemAt, type SourceLocation } from "../problem.ts";
import type { ArgDeclaration, Command, FromInstruction, Instruction } from "./instruction.ts";
import { readKeyValues, splitWords } from "./key-values.ts";
import type { Escape, RawInstruction } from "./lines.ts";
import { HARMLESS_FLAGS, KEYWORDS, nearest, REFUSED_FLAGS, REFUSED_INSTRUCTIONS } from "./refusals.ts";

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;
const SPACES = /[\t\v\f\r ]+/;

/** Reads one instruction's arguments. Throws BuildProblem `dockerfile` (wrong) or `unsupported` (understood and refused). */
export function readInstruction(raw: RawInstruction, escapeChar: Escape): Instruction | FromInstruction {
  const { keyword, rest, at } = raw;
  switch (keyword) {
    case "FROM":
      return readFrom(raw);
    case "RUN":
      readFlags(raw, []);
      return { type: "run", at, command: readCommand(raw), mounts: [], network: "default", heredocs: [] };
    case "CMD":
    case "ENTRYPOINT":
      readFlags(raw, []);
      return { type: keyword.toLowerCase() as "cmd" | "entrypoint", at, command: readCommand(raw) };
    case "COPY":
      return readCopy(raw);
    case "ENV":
    case "LABEL": {
      readFlags(raw, []);
      const pairs = readKeyValues(keyword, rest, escapeChar);
      if (typeof pairs === "string") throw problemAt(at, "dockerfile", `${pairs}.`);
      return { type: keyword === "ENV" ? "env" : "label", at, pairs };
    }
    case "ARG":
      readFlags(raw, []);
      return { type: "arg", at, args: readArgs(raw, escapeChar) };
    case "WORKDIR":
      readFlags(raw, []);
      return { type: "workdir", at, path: required(raw, "a directory, as in WORKDIR /app") };
    case "USER":
      readFlags(raw, []);
      return { type: "user", at, user: required(raw, "a user, as in USER node or USER 1000:1000") };
    case "EXPOSE":
      readFlags(raw, []);
      return { type: "expose", at, ports: required(raw, "a port, as in EXPOSE 8080").split(SPACES) };
    default:
      throw unknownInstruction(keyword, at);
  }
}

function unknownInstruction(keyword: string, at: SourceLocation) {
  const refused = REFUSED_INSTRUCTIONS[keyword];
  if (refused !== undefined && Object.hasOwn(REFUSED_INSTRUCTIONS, keyword)) return problemAt(at, "unsupported", refused);
  const meant = nearest(keyword, KEYWORDS);
  const hint = meant === undefined ? "a line that continues the one before needs a \\ at the end of that line" : `did you mean ${meant}?`;
  return problemAt(at, "dockerfile", `${keyword.slice(0, 40)} is no Dockerfile instruction; ${hint}`);
}

function required(raw: RawInstruction, what: string): string {
  if (raw.rest === "") throw problemAt(raw.at, "dockerfile", `${raw.keyword} needs ${what}.`);
  return raw.rest;
}

/** Flags by name; refuses known ones that we do not run, unknown ones, repeated ones and ones without a value. */
function readFlags(raw: RawInstruction, known: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const flag of raw.flags) {
    if (HARMLESS_FLAGS[raw.keyword]?.includes(flag.toLowerCase())) continue;
    const equals = flag.indexOf("=");
    const name = flag.slice(2, equals < 0 ? undefined : equals);
    const refused = REFUSED_FLAGS[raw.keyword];
    if (refused !== undefined && Object.hasOwn(refused, name)) throw problemAt(raw.at, "unsupported", refused[name] ?? "");
    if (!known.includes(name)) {
      const can =
        known.length === 0 ? `${raw.keyword} takes no flags` : `${raw.keyword} takes ${known.map((one) => `--${one}`).join(", ")}`;
      throw problemAt(raw.at, "dockerfile", `--${name.slice(0, 40)} is no flag of ${raw.keyword}; ${can}.`);
    }
    if (values.has(name)) throw problemAt(raw.at, "dockerfile", `--${name} is given twice; remove one.`);
    if (equals < 0) throw problemAt(raw.at, "dockerfile", `--${name} needs a value, as in --${name}=…`);
    values.set(name, flag.slice(equals + 1));
  }
  return values;
}

function readFrom(raw: RawInstruction): FromInstruction {
  const flags = readFlags(raw, ["platform"]);
  const words = raw.rest === "" ? [] : raw.rest.split(SPACES);
  const [base, as, name] = words;
  const wrong = "FROM takes an image, and optionally AS and a stage name: FROM node:22-slim AS build.";
  if (base === undefined || (words.length !== 1 && words.length !== 3)) throw problemAt(raw.at, "dockerfile", wrong);
  const platform = flags.get("platform");
  const result = { type: "from", at: raw.at, base, ...(platform === undefined ? {} : { platform }) } as const;
  if (name === undefined) return result;
  if (as?.toLowerCase() !== "as") throw problemAt(raw.at, "dockerfile", wrong);
  if (!STAGE_NAME.test(name.toLowerCase())) {
    throw problemAt(
      raw.at,
      "dockerfile",
      `"${name}" cannot name a stage; names start with a letter and have only letters, digits, - _ and .`,
    );
  }
  return { ...result, name: name.toLowerCase() };
}

function readCopy(raw: RawInstruction): Instruction {
  const flags = readFlags(raw, ["from", "chown", "chmod"]);
  const words = readJson(raw) ?? (raw.rest === "" ? [] : raw.rest.split(SPACES));
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw problemAt(raw.at, "dockerfile", "COPY needs at least one source and a destination, as in COPY package.json ./");
  }
  const from = flags.get("from");
  const chown = flags.get("chown");
  const chmod = flags.get("chmod");
  return {
    type: "copy",
    at: raw.at,
    sources: words.slice(0, -1),
    destination,
    heredocs: [],
    link: false,
    parents: false,
    exclude: [],
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
  };
}

function readCommand(raw: RawInstruction): Command {
  const argv = readJson(raw);
  if (argv !== undefined) {
    if (raw.keyword === "RUN" && argv.length === 0) throw problemAt(raw.at, "dockerfile", "RUN [] has no program; name one.");
    return { form: "exec", argv };
  }
  return { form: "shell", line: required(raw, "a command") };
}

/** A JSON list of strings; anything that is not valid JSON is the shell form, as everywhere in Dockerfiles. */
function readJson(raw: RawInstruction): string[] | undefined {
  if (!raw.rest.startsWith("[")) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(raw.rest);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const strings = list.filter((item) => typeof item === "string");
  if (strings.length !== list.length) {
    throw problemAt(raw.at, "dockerfile", `The list of ${raw.keyword} may hold strings only; put every item in double quotes.`);
  }
  if (strings.some((item) => item.includes("\0")))
    throw problemAt(raw.at, "dockerfile", "A NUL character cannot be part of an argument; remove it.");
  return strings;
}

function readArgs(raw: RawInstruction, escapeChar: Escape): ArgDeclaration[] {
  const words = splitWords(required(raw, "a name, as in ARG VERSION=1"), escapeChar);
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw problemAt(raw.at, "dockerfile", `"${word}" has no name before the =.`);
    return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}
