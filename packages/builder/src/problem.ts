import type { BuildFailure } from "@plimsoll/core";

/** Where in the recipe something stands: what every error of the front end names. */
export interface SourceLocation {
  /** Path in the repository, `Dockerfile` or `services/api/.dockerignore`. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** The instruction as written, on one line. */
  readonly instruction?: string;
}

/** A reason why no image can be made that the person who pushed can act on. Carries what they are shown; never a stack trace. */
export class BuildProblem extends Error {
  readonly failure: BuildFailure;

  constructor(failure: BuildFailure, options: { readonly cause?: unknown } = {}) {
    super(failure.message, options);
    this.name = "BuildProblem";
    this.failure = failure;
  }
}

const READABLE = 300;

/** A problem at a place of the recipe. The message says what is wrong and what to write instead. */
export function problemAt(
  at: SourceLocation,
  reason: BuildFailure["reason"],
  message: string,
  options: { readonly cause?: unknown } = {},
): BuildProblem {
  const place = { file: at.file, line: at.line, ...(at.instruction === undefined ? {} : { instruction: at.instruction }) };
  return new BuildProblem({ reason, message: readable(message), ...place }, options);
}

/** What a Dockerfile says may be as long as it likes, and stands in the middle: what is wrong and what to do is left whole. What a
 * terminal would obey is not shown. */
function readable(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = message.replace(/\s+/g, " ").replace(/[\0-\x1f\x7f-\x9f]/g, "\uFFFD");
  return line.length <= 2 * READABLE ? line : `${line.slice(0, READABLE)}…${line.slice(-READABLE)}`;
}
