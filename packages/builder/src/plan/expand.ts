import { WordError } from "../dockerfile/word-error.ts";
import { expandWord, type Variables, type WordOptions } from "../dockerfile/words.ts";
import { problemAt, type SourceLocation } from "../problem.ts";

/** Expands a word for one instruction; a bad word becomes a problem at its place. */
export function expandAt(word: string, variables: Variables, options: WordOptions, at: SourceLocation): string {
  try {
    return expandWord(word, variables, options);
  } catch (error) {
    throw wordProblem(error, word, at);
  }
}

export function wordProblem(error: unknown, word: string, at: SourceLocation): unknown {
  if (!(error instanceof WordError)) return error;
  return problemAt(at, "dockerfile", `"${word.slice(0, 100)}" cannot be read: ${error.message.replace(/\s+/g, " ")}.`);
}
