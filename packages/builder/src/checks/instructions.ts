import { posix } from "node:path";
import type { Instruction } from "../dockerfile/instruction.ts";
import { splitWords } from "../dockerfile/key-values.ts";
import type { Dockerfile, StageSource } from "../dockerfile/parse.ts";
import { type Finding, finding, quoted } from "./finding.ts";

export interface InstructionFacts {
  /** Whether a path of the context is left out of it. */
  readonly isIgnored: (path: string) => boolean;
}

const SECRET = /(?:^|[_-])(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:[_-]|$)/i;
const PUBLIC = /(?:^|[_-])public(?:[_-]|$)/i;

/** Checks that look at one instruction at a time. */
export function checkInstructions(dockerfile: Dockerfile, facts: InstructionFacts): readonly Finding[] {
  const findings: Finding[] = dockerfile.globalArgs.flatMap((arg) => [...secrets(arg)]);
  const named = new Map<string, boolean>();
  for (const stage of dockerfile.stages) {
    const hasWorkdir = checkStage(stage, named.get(stage.from.base.toLowerCase()) ?? false, dockerfile.escape, facts, findings);
    if (stage.from.name !== undefined) named.set(stage.from.name, hasWorkdir);
  }
  return findings;
}

/** Whether the stage has an absolute WORKDIR, which stages on top of it stand in. */
function checkStage(
  stage: StageSource,
  below: boolean,
  escapeChar: Dockerfile["escape"],
  facts: InstructionFacts,
  findings: Finding[],
): boolean {
  let hasWorkdir = below;
  const hasShell = stage.instructions.some(({ type }) => type === "shell");
  for (const instruction of stage.instructions) {
    const { at } = instruction;
    switch (instruction.type) {
      case "workdir":
        if (instruction.path.startsWith("/") || instruction.path.includes("$")) hasWorkdir = true;
        else if (!hasWorkdir)
          findings.push(
            finding(
              "WorkdirRelativePath",
              at,
              `WORKDIR ${quoted(instruction.path)} depends on where the base image happens to stand; write an absolute path, as in /app.`,
            ),
          );
        break;
      case "cmd":
      case "entrypoint":
        if (instruction.command.form === "shell" && !hasShell)
          findings.push(
            finding(
              "JSONArgsRecommended",
              at,
              `${instruction.type.toUpperCase()} runs in a shell, which keeps the stop signal from the program; write it as a JSON list: ${instruction.type.toUpperCase()} ${jsonOf(instruction.command.line)}`,
            ),
          );
        break;
      case "maintainer":
        findings.push(
          finding("MaintainerDeprecated", at, "MAINTAINER is out of use; write LABEL org.opencontainers.image.authors=… instead."),
        );
        break;
      case "env":
      case "label":
        findings.push(...legacy(instruction, escapeChar), ...secrets(instruction));
        break;
      case "arg":
        findings.push(...secrets(instruction));
        break;
      case "expose":
        for (const port of instruction.ports) findings.push(...expose(port, instruction));
        break;
      case "copy":
      case "add":
        if (instruction.type === "add" || instruction.from === undefined)
          for (const source of instruction.sources) findings.push(...ignored(source, instruction, facts));
        break;
      default:
    }
  }
  return hasWorkdir;
}

function jsonOf(line: string): string {
  const isPlain = /^[\w./:=@%+, -]+$/.test(line);
  return isPlain ? JSON.stringify(line.trim().split(/\s+/)).replaceAll(",", ", ").slice(0, 120) : '["program", "argument"]';
}

function* legacy({ at, type }: Instruction, escapeChar: Dockerfile["escape"]): Generator<Finding> {
  const rest = (at.instruction ?? "").replace(/^\S+\s+/, "");
  const [first = ""] = splitWords(rest, escapeChar);
  const keyword = type.toUpperCase();
  if (first === "" || first.includes("=")) return;
  yield finding(
    "LegacyKeyValueFormat",
    at,
    `${keyword} with a blank between name and value is the old form; write ${keyword} ${quoted(first)}=….`,
  );
}

/** Where they stay in the image or its history, for everybody who has it. */
function* secrets(instruction: Instruction): Generator<Finding> {
  const names =
    instruction.type === "arg"
      ? instruction.args.map(({ name }) => name)
      : instruction.type === "env"
        ? instruction.pairs.map(([name]) => name)
        : [];
  for (const name of names) {
    if (!SECRET.test(name) || PUBLIC.test(name)) continue;
    const what = instruction.type === "arg" ? "a build argument" : "the image's environment";
    yield finding(
      "SecretsUsedInArgOrEnv",
      instruction.at,
      `${quoted(name)} looks like a secret, and ${what} is readable by everybody who has the image; set it with plim secrets set and use RUN --mount=type=secret.`,
    );
  }
}

function* expose(port: string, { at }: Instruction): Generator<Finding> {
  if (port.includes("$")) return;
  const protocol = port.split("/")[1];
  if (protocol !== undefined && protocol !== protocol.toLowerCase())
    yield finding("ExposeProtoCasing", at, `EXPOSE ${quoted(port)} has a protocol in capitals; write ${quoted(port.toLowerCase())}.`);
  if (port.includes(":"))
    yield finding(
      "ExposeInvalidFormat",
      at,
      `EXPOSE ${quoted(port)} names a host's address or port, which an image has no say in; write ${quoted(port.slice(port.lastIndexOf(":") + 1))}.`,
    );
}

function* ignored(source: string, { at, type }: Instruction, { isIgnored }: InstructionFacts): Generator<Finding> {
  if (/[$*?[\]\\]/.test(source) || /^[a-z]+:\/\/|^git@/i.test(source)) return;
  const path = posix.normalize(`/${source}`).replace(/^\/|\/$/g, "");
  if (path === "" || !isIgnored(path)) return;
  yield finding(
    "CopyIgnoredFile",
    at,
    `${type.toUpperCase()} takes ${quoted(source)}, which the ignore file leaves out of the build; take one of the two back.`,
  );
}
