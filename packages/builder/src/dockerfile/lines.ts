import { problemAt, type SourceLocation } from "../problem.ts";
import { expandWords } from "./words.ts";

/** The character that escapes and continues lines; `# escape=` chooses. */
export type Escape = "\\" | "`";

/** One instruction as it stands in the file: continuations joined, comments and blank lines inside it dropped. */
export interface RawInstruction {
  /** Upper case. */
  readonly keyword: string;
  /** `--name=value` words between keyword and arguments, quotes removed. */
  readonly flags: readonly string[];
  /** What follows, trimmed. */
  readonly rest: string;
  readonly at: SourceLocation;
}

export interface RawDockerfile {
  readonly escape: Escape;
  readonly instructions: readonly RawInstruction[];
}

/** More is no recipe but a mistake or an attack. */
const MAX_DOCKERFILE_BYTES = 1024 * 1024;
const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVES = new Set(["syntax", "escape", "check"]);
const HEREDOC = /^\d*<<-?\s*[^<]+$/;
const HEREDOC_KEYWORDS = new Set(["RUN", "COPY", "ADD"]);
const SPACES = /[\t\v\f\r ]+/;

/**
 * Splits a Dockerfile into instructions (rules: BuildKit's frontend/dockerfile/parser). Throws BuildProblem with file and line for a
 * file without instructions, a repeated or bad directive, and heredocs.
 */
export function readLines(text: string, file: string): RawDockerfile {
  if (text.length > MAX_DOCKERFILE_BYTES) {
    throw problemAt(
      { file, line: 1 },
      "dockerfile",
      `${file} is larger than 1 MiB; a recipe is a few kilobytes: copy large content from files.`,
    );
  }
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  const escapeChar = readDirectives(lines, file);
  const continued = continuation(escapeChar);
  const instructions: RawInstruction[] = [];

  for (let index = 0; index < lines.length; ) {
    const line = index + 1;
    const first = (lines[index++] ?? "").replace(/[\r\n]+$/, "").trimStart();
    if (isComment(first) || (line === 1 && first.startsWith("#!"))) continue;
    let [logical, more] = continued(first);
    if (!more && logical === "") continue;
    while (more && index < lines.length) {
      const next = (lines[index++] ?? "").replace(/[\r\n]+$/, "");
      if (isComment(next) || next.trim() === "") continue;
      const [part, again] = continued(next);
      logical += part;
      more = again;
    }
    if (logical.trim() === "") continue;
    instructions.push(readInstruction(logical, { file, line }, escapeChar));
  }
  if (instructions.length === 0) {
    throw problemAt(
      { file, line: 1 },
      "dockerfile",
      `${file} has no instruction; it needs at least a FROM line, for example: FROM debian:bookworm-slim`,
    );
  }
  return { escape: escapeChar, instructions };
}

function readInstruction(logical: string, where: { file: string; line: number }, escapeChar: Escape): RawInstruction {
  const trimmed = logical.trim();
  const at: SourceLocation = { ...where, instruction: oneLine(trimmed) };
  if (trimmed.includes("\0")) throw problemAt(at, "dockerfile", "A NUL character cannot be part of an instruction; remove it.");
  const split = trimmed.match(SPACES);
  const keyword = (split === null ? trimmed : trimmed.slice(0, split.index)).toUpperCase();
  const { flags, rest } = readFlags(split === null ? "" : trimmed.slice((split.index ?? 0) + split[0].length), escapeChar);
  if (HEREDOC_KEYWORDS.has(keyword) && !isJsonList(rest) && hasHeredoc(rest)) {
    throw problemAt(
      at,
      "unsupported",
      keyword === "RUN"
        ? "Heredocs (<<EOF) are not supported yet; join the commands with && and line continuations, or COPY a script and RUN it."
        : "Heredocs (<<EOF) are not supported yet; put the content into a file of the repository and COPY it.",
    );
  }
  return { keyword, flags, rest: rest.trim(), at };
}

/** An instruction on one line, shortened for people. */
export function oneLine(text: string, limit = 200): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`;
}

/** Directives stand at the very top; any other line, comments included, ends their zone. */
function readDirectives(lines: readonly string[], file: string): Escape {
  let escapeChar: Escape = "\\";
  const seen = new Set<string>();
  const start = lines[0]?.startsWith("#!") ? 1 : 0;
  for (let index = start; index < lines.length; index++) {
    const match = DIRECTIVE.exec((lines[index] ?? "").replace(/\r$/, "").trimStart());
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || !DIRECTIVES.has(name)) break;
    const at = { file, line: index + 1, instruction: (lines[index] ?? "").trim() };
    if (seen.has(name)) throw problemAt(at, "dockerfile", `The directive "${name}" may be given once only; remove this line.`);
    seen.add(name);
    if (name !== "escape") continue;
    const value = match?.[2] ?? "";
    if (value !== "\\" && value !== "`") {
      throw problemAt(at, "dockerfile", `The escape character must be \\ or \`, not "${value}".`);
    }
    escapeChar = value;
  }
  return escapeChar;
}

/** `foo \` continues, `foo \\` does not; blanks after the escape character are tolerated. */
function continuation(escapeChar: Escape): (line: string) => [string, boolean] {
  return (line) => {
    const end = line.replace(/[ \t]+$/, "");
    if (!end.endsWith(escapeChar) || end.at(-2) === escapeChar) return [line, false];
    return [end.slice(0, -1), true];
  };
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith("#");
}

function isJsonList(rest: string): boolean {
  if (!rest.trimStart().startsWith("[")) return false;
  try {
    return Array.isArray(JSON.parse(rest));
  } catch {
    return false;
  }
}

function hasHeredoc(rest: string): boolean {
  if (!rest.includes("<<")) return false;
  try {
    return expandWords(rest, { get: () => undefined }, { escape: "\\", rawQuotes: true, rawEscapes: true, keepUnset: true }).some((word) =>
      HEREDOC.test(word),
    );
  } catch {
    return false; // Not readable as shell words, so no heredoc to BuildKit either.
  }
}

/** Reads leading `--flag` words; `--` ends them. Quotes and escapes are taken away as BuildKit does. */
function readFlags(line: string, escapeChar: Escape): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let position = 0;
  for (;;) {
    while (position < line.length && /\s/.test(line[position] ?? "")) position++;
    if (!line.startsWith("--", position)) return { flags, rest: line.slice(position) };
    let word = "";
    let quote = "";
    for (; position < line.length; position++) {
      let char = line[position] ?? "";
      if (quote === "" && /\s/.test(char)) break;
      if (quote === "" && (char === "'" || char === '"')) {
        quote = char;
        continue;
      }
      if (char === quote) {
        quote = "";
        continue;
      }
      if (char === escapeChar) {
        if (position + 1 === line.length) continue;
        char = line[++position] ?? "";
      }
      word += char;
    }
    if (word === "--") return { flags, rest: line.slice(position) };
    flags.push(word);
  }
}
