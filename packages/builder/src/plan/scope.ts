import { posix } from "node:path";
import type { Variables, WordOptions } from "../dockerfile/words.ts";
import type { SourceLocation } from "../problem.ts";
import { expandAt } from "./expand.ts";
import type { Origin } from "./origins.ts";

/** What one instruction of a stage sees. */
export interface Scope {
  readonly at: SourceLocation;
  readonly variables: Variables;
  readonly words: WordOptions;
  /** Absolute, or empty for `/`. */
  readonly workingDir: string;
  /** What `--from` means in this stage, by the flag's text. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export function expandIn({ variables, words, at }: Scope, word: string): string {
  return expandAt(word, variables, words, at);
}

/** Joined to the working directory, without `..`. */
export function absolute({ workingDir }: Scope, path: string): string {
  const joined = path.startsWith("/") ? posix.normalize(path) : posix.join("/", workingDir, path);
  return joined.replace(/(?<=.)\/+$/, "");
}
