import { problemAt, type SourceLocation } from "../problem.ts";
import { readCommand, readJson, readList } from "./command.ts";
import type { Escape } from "./directives.ts";
import { Flags } from "./flags.ts";
import { readHealthcheck } from "./healthcheck.ts";
import type { ArgDeclaration, FromInstruction, Instruction } from "./instruction.ts";
import { readKeyValues, splitWords } from "./key-values.ts";
import { type RawInstruction, readTriggerLine } from "./lines.ts";
import { nearest } from "./nearest.ts";
import { readRun } from "./run.ts";
import { readAdd, readCopy } from "./sources.ts";

type Read = (raw: RawInstruction, escapeChar: Escape) => Instruction | FromInstruction;

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;
const SPACES = /[\t\v\f\r ]+/;

const READERS: Readonly<Record<string, Read>> = {
  FROM: readFrom,
  RUN: (raw) => ({ at: raw.at, ...readRun(raw) }),
  COPY: (raw) => ({ at: raw.at, ...readCopy(raw) }),
  ADD: (raw) => ({ at: raw.at, ...readAdd(raw) }),
  CMD: (raw) => ({ type: "cmd", at: withoutFlags(raw).at, command: readCommand(raw) }),
  ENTRYPOINT: (raw) => ({ type: "entrypoint", at: withoutFlags(raw).at, command: readCommand(raw) }),
  ENV: (raw, escapeChar) => ({ type: "env", at: raw.at, pairs: readPairs(raw, escapeChar) }),
  LABEL: (raw, escapeChar) => ({ type: "label", at: raw.at, pairs: readPairs(raw, escapeChar) }),
  ARG: (raw, escapeChar) => ({ type: "arg", at: raw.at, args: readArgs(withoutFlags(raw), escapeChar) }),
  WORKDIR: (raw) => ({ type: "workdir", at: raw.at, path: required(withoutFlags(raw), "a directory, as in WORKDIR /app") }),
  USER: (raw) => ({ type: "user", at: raw.at, user: required(withoutFlags(raw), "a user, as in USER node or USER 1000:1000") }),
  EXPOSE: (raw) => ({ type: "expose", at: raw.at, ports: required(withoutFlags(raw), "a port, as in EXPOSE 8080").split(SPACES) }),
  VOLUME: readVolume,
  STOPSIGNAL: (raw) => ({ type: "stopsignal", at: raw.at, signal: required(withoutFlags(raw), "a signal, as in STOPSIGNAL SIGINT") }),
  SHELL: readShell,
  HEALTHCHECK: (raw) => ({ at: raw.at, ...readHealthcheck(raw) }),
  MAINTAINER: (raw) => ({ type: "maintainer", at: raw.at, name: required(withoutFlags(raw), "a name") }),
  ONBUILD: readOnbuild,
};

/** Reads one instruction's arguments. Throws BuildProblem `dockerfile` (wrong) or `unsupported` (understood and refused). */
export function readInstruction(raw: RawInstruction, escapeChar: Escape): Instruction | FromInstruction {
  const read = Object.hasOwn(READERS, raw.keyword) ? READERS[raw.keyword] : undefined;
  if (read === undefined) throw unknownInstruction(raw.keyword, raw.at);
  return read(raw, escapeChar);
}

/** The instruction of an ONBUILD trigger. `at` is where it is said to be. Throws BuildProblem. */
export function readTrigger(text: string, at: SourceLocation): Instruction {
  const raw = readTriggerLine(text, at);
  if (raw.keyword === "ONBUILD") throw problemAt(at, "dockerfile", "ONBUILD cannot stand in an ONBUILD; write the instruction itself.");
  if (raw.keyword === "MAINTAINER") {
    throw problemAt(
      at,
      "dockerfile",
      "MAINTAINER cannot stand in an ONBUILD; write ONBUILD LABEL org.opencontainers.image.authors=… instead.",
    );
  }
  const instruction = readInstruction(raw, "\\");
  if (instruction.type === "from") throw problemAt(at, "dockerfile", "FROM cannot stand in an ONBUILD; remove the line.");
  return instruction;
}

function unknownInstruction(keyword: string, at: SourceLocation) {
  const meant = nearest(keyword, Object.keys(READERS));
  const hint = meant === undefined ? "a line that continues the one before needs a \\ at the end of that line" : `did you mean ${meant}?`;
  return problemAt(at, "dockerfile", `${keyword.slice(0, 40)} is no Dockerfile instruction; ${hint}`);
}

function required(raw: RawInstruction, what: string): string {
  if (raw.rest === "") throw problemAt(raw.at, "dockerfile", `${raw.keyword} needs ${what}.`);
  return raw.rest;
}

function withoutFlags(raw: RawInstruction): RawInstruction {
  Flags.read(raw);
  return raw;
}

function readFrom(raw: RawInstruction): FromInstruction {
  const flags = Flags.read(raw, { platform: "text" });
  const words = raw.rest === "" ? [] : raw.rest.split(SPACES);
  const [base, as, name] = words;
  const wrong = "FROM takes an image, and optionally AS and a stage name, as in FROM node:22-slim AS build.";
  if (base === undefined || (words.length !== 1 && words.length !== 3)) throw problemAt(raw.at, "dockerfile", wrong);
  const platform = flags.text("platform");
  const result = { type: "from", at: raw.at, base, ...(platform === undefined ? {} : { platform }) } as const;
  if (name === undefined) return result;
  if (as?.toLowerCase() !== "as") throw problemAt(raw.at, "dockerfile", wrong);
  if (!STAGE_NAME.test(name.toLowerCase())) {
    throw problemAt(
      raw.at,
      "dockerfile",
      `"${name.slice(0, 100)}" cannot name a stage; choose a name that starts with a letter and has only letters, digits, - _ and .`,
    );
  }
  return { ...result, name: name.toLowerCase() };
}

function readPairs(raw: RawInstruction, escapeChar: Escape): readonly (readonly [string, string])[] {
  const pairs = readKeyValues(raw.keyword, withoutFlags(raw).rest, escapeChar);
  if (typeof pairs === "string") throw problemAt(raw.at, "dockerfile", `${pairs}.`);
  return pairs;
}

function readArgs(raw: RawInstruction, escapeChar: Escape): ArgDeclaration[] {
  const words = splitWords(required(raw, "a name, as in ARG VERSION=1"), escapeChar);
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals === 0) throw problemAt(raw.at, "dockerfile", `"${word.slice(0, 100)}" has no name before the =; write ARG NAME=value.`);
    return equals < 0 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) };
  });
}

function readVolume(raw: RawInstruction): Instruction {
  const paths = readList(withoutFlags(raw)).map((path) => path.trim());
  if (paths.length === 0 || paths.includes("")) throw problemAt(raw.at, "dockerfile", "VOLUME needs a path, as in VOLUME /data.");
  return { type: "volume", at: raw.at, paths };
}

function readShell(raw: RawInstruction): Instruction {
  const argv = readJson(raw.keyword, withoutFlags(raw).rest, raw.at);
  if (argv === undefined || argv.length === 0) {
    throw problemAt(raw.at, "dockerfile", 'SHELL needs a JSON list of program and arguments, as in SHELL ["/bin/bash", "-c"].');
  }
  return { type: "shell", at: raw.at, argv };
}

/** Kept as text; it is read here too, so that a mistake is found where it is made and not in the builds that stand on the image. */
function readOnbuild(raw: RawInstruction): Instruction {
  required(withoutFlags(raw), "an instruction, as in ONBUILD COPY . /app");
  const bodies = raw.heredocs.map(({ content, name }) => `\n${content}${name}`);
  const trigger = raw.text.replace(/^ONBUILD\s*/i, "") + bodies.join("");
  readTrigger(trigger, raw.at);
  return { type: "onbuild", at: raw.at, trigger };
}
