import type { BuildFailure, ExcerptLine } from "@plimsoll/core";
import { BuildProblem } from "../problem.ts";

/** A text that places are named in. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

const AROUND = 2;
const MOST_MARKED = 8;
const READABLE = 160;
const CONTINUED = /[\\`][ \t]*\r?$/;

/** The line, what continues it, and two lines on either side. Empty for a line that the text does not have. Pure. */
export function excerptOf(text: string, line: number): readonly ExcerptLine[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (line < 1 || line > lines.length) return [];
  let last = line;
  while (last < lines.length && last - line + 1 < MOST_MARKED && CONTINUED.test(lines[last - 1] ?? "")) last++;
  const from = Math.max(1, line - AROUND);
  return lines.slice(from - 1, Math.min(lines.length, last + AROUND)).map((written, at) => {
    const shown = written.replace(/\r$/, "");
    const number = from + at;
    return {
      line: number,
      text: shown.length <= READABLE ? shown : `${shown.slice(0, READABLE - 1)}…`,
      ...(number >= line && number <= last ? { marked: true } : {}),
    };
  });
}

/** The failure with the lines that it is about, where it names some of this text. */
export function withExcerpt(failure: BuildFailure, source: SourceText | undefined): BuildFailure {
  const { file, line, excerpt } = failure;
  if (source === undefined || file !== source.file || line === undefined || excerpt !== undefined) return failure;
  const found = excerptOf(source.text, line);
  return found.length === 0 ? failure : { ...failure, excerpt: found };
}

/** What `read` answers; a problem that it throws has its excerpt. */
export function excerpted<T>(source: SourceText, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BuildProblem)) throw error;
    throw new BuildProblem(withExcerpt(error.failure, source), { cause: error.cause });
  }
}
