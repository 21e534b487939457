import { problemAt, type SourceLocation } from "../problem.ts";
import { type Escape, readDirectives } from "./directives.ts";
import { splitFlags } from "./flag-words.ts";
import { type Heredoc, type HeredocMark, readMarks } from "./heredoc.ts";
import { WordError } from "./word-error.ts";

/** One instruction as it stands in the file: continuations joined, comments and blank lines inside it dropped. */
export interface RawInstruction {
  /** Upper case. */
  readonly keyword: string;
  /** `--name=value` words between keyword and arguments, quotes removed. */
  readonly flags: readonly string[];
  /** What follows, trimmed. */
  readonly rest: string;
  /** All of it: keyword, flags and rest as written. */
  readonly text: string;
  /** Of RUN, COPY and ADD, also behind ONBUILD; in the order of their marks. */
  readonly heredocs: readonly Heredoc[];
  readonly at: SourceLocation;
}

export interface RawDockerfile {
  readonly escape: Escape;
  readonly instructions: readonly RawInstruction[];
}

/** More is no recipe but a mistake or an attack. */
const MAX_DOCKERFILE_BYTES = 1024 * 1024;
const HEREDOC_LINE = /^(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;
const SPACES = /[\t\v\f\r ]+/;

/**
 * Splits a Dockerfile into instructions (rules: BuildKit's frontend/dockerfile/parser). Throws BuildProblem with file and line for a
 * file without instructions, a repeated or bad directive, and a heredoc without an end.
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
  const instructions = new LineReader(lines, file, escapeChar).all();
  if (instructions.length === 0) {
    throw problemAt(
      { file, line: 1 },
      "dockerfile",
      `${file} has no instruction; it needs at least a FROM line, for example: FROM debian:bookworm-slim`,
    );
  }
  return { escape: escapeChar, instructions };
}

/** The one instruction that an ONBUILD trigger holds, as if it stood at `at`. Throws BuildProblem. */
export function readTriggerLine(text: string, at: SourceLocation): RawInstruction {
  const [only, ...more] = new LineReader(text.split("\n"), at.file, "\\", at).all();
  if (only === undefined || more.length > 0) {
    throw problemAt(at, "dockerfile", "ONBUILD needs exactly one instruction; write one ONBUILD per instruction.");
  }
  return only;
}

class LineReader {
  private readonly lines: readonly string[];
  private readonly file: string;
  private readonly escape: Escape;
  /** Where everything is said to be, instead of at its own line. */
  private readonly place: SourceLocation | undefined;
  private next = 0;

  constructor(lines: readonly string[], file: string, escapeChar: Escape, place?: SourceLocation) {
    this.lines = lines;
    this.file = file;
    this.escape = escapeChar;
    this.place = place;
  }

  all(): RawInstruction[] {
    const instructions: RawInstruction[] = [];
    for (let found = this.logicalLine(); found !== undefined; found = this.logicalLine()) {
      if (found.text.trim() === "") continue;
      instructions.push(this.instruction(found.text, found.line));
    }
    return instructions;
  }

  /** The next line with what continues it. */
  private logicalLine(): { text: string; line: number } | undefined {
    while (this.next < this.lines.length) {
      const line = this.next + 1;
      const first = this.take().trimStart();
      if (isComment(first) || (line === 1 && first.startsWith("#!"))) continue;
      let [text, more] = this.continued(first);
      if (!more && text === "") continue;
      while (more && this.next < this.lines.length) {
        const following = this.take();
        if (isComment(following) || following.trim() === "") continue;
        const [part, again] = this.continued(following);
        text += part;
        more = again;
      }
      return { text, line };
    }
    return undefined;
  }

  private instruction(logical: string, line: number): RawInstruction {
    const text = logical.trim();
    const at: SourceLocation = this.place ?? { file: this.file, line, instruction: oneLine(text) };
    if (text.includes("\0")) throw problemAt(at, "dockerfile", "A NUL character cannot be part of an instruction; remove it.");
    const split = text.match(SPACES);
    const keyword = (split === null ? text : text.slice(0, split.index)).toUpperCase();
    const { flags, rest } = splitFlags(split === null ? "" : text.slice((split.index ?? 0) + split[0].length), this.escape);
    const marks = HEREDOC_LINE.test(text) && !isJsonList(lastArguments(keyword, rest, this.escape)) ? readMarksAt(logical, at) : [];
    return { keyword, flags, rest: rest.trim(), text, heredocs: marks.map((mark) => this.heredoc(mark, at)), at };
  }

  /** The lines up to the mark's name; they are taken as they stand. */
  private heredoc(mark: HeredocMark, at: SourceLocation): Heredoc {
    const from = this.next;
    const end = this.lines.length - (this.lines.at(-1) === "" ? 1 : 0);
    while (this.next < end) {
      const bare = this.take();
      if ((mark.chomp ? bare.replace(/^\t+/, "") : bare) !== mark.name) continue;
      const body = this.lines.slice(from, this.next - 1);
      const content = body.map((one) => `${one}\n`).join("");
      if (content.includes("\0")) throw problemAt(at, "dockerfile", "A NUL character cannot be part of a heredoc; copy a file instead.");
      return { ...mark, content };
    }
    const name = mark.name.slice(0, 40);
    throw problemAt(at, "dockerfile", `The heredoc <<${name} has no end; write a line with nothing but ${name} below its content.`);
  }

  private take(): string {
    return trimEnd(this.lines[this.next++] ?? "", "\r\n");
  }

  /** `foo \` continues, `foo \\` does not; blanks after the escape character are tolerated. */
  private continued(line: string): [string, boolean] {
    const end = trimEnd(line, " \t");
    if (!end.endsWith(this.escape) || end.at(-2) === this.escape) return [line, false];
    return [end.slice(0, -1), true];
  }
}

/** An instruction on one line, shortened for people. */
export function oneLine(text: string, limit = 200): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= limit ? flat : `${flat.slice(0, limit - 1)}…`;
}

/** A regular expression would look at every run of such characters from each of its places. */
function trimEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1] ?? "")) end--;
  return text.slice(0, end);
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith("#");
}

function readMarksAt(line: string, at: SourceLocation): readonly HeredocMark[] {
  try {
    return readMarks(line);
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    throw problemAt(at, "dockerfile", `The name of a heredoc (<<) cannot be read: ${error.message}.`);
  }
}

/** What follows keyword and flags; behind ONBUILD those of the instruction in it. */
function lastArguments(keyword: string, rest: string, escapeChar: Escape): string {
  if (keyword !== "ONBUILD") return rest;
  const split = rest.search(/\s/);
  return split < 0 ? "" : splitFlags(rest.slice(split), escapeChar).rest;
}

function isJsonList(rest: string): boolean {
  if (!rest.trimStart().startsWith("[")) return false;
  try {
    return Array.isArray(JSON.parse(rest));
  } catch {
    return false;
  }
}
