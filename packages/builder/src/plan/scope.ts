import { posix } from "node:path";
import type { Escape } from "../dockerfile/directives.ts";
import type { Variables } from "../dockerfile/words.ts";
import type { SourceLocation } from "../problem.ts";
import { expandAt } from "./expand.ts";
import type { Origin } from "./origins.ts";

/** What one instruction of a stage sees. */
export interface Scope {
  readonly at: SourceLocation;
  readonly variables: Variables;
  readonly escape: Escape;
  /** Absolute, or empty for `/`. */
  readonly workingDir: string;
  /** What `--from` means in this stage, by the flag's text. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export function expandIn({ variables, escape: escapeChar, at }: Scope, word: string): string {
  return expandAt(word, variables, escapeChar, at);
}

/** Joined to the working directory, without `..`. */
export function absolute({ workingDir }: Scope, path: string): string {
  const joined = path.startsWith("/") ? posix.normalize(path) : posix.join("/", workingDir, path);
  return joined.replace(/(?<=.)\/+$/, "");
}
