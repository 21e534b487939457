import { posix } from "node:path";
import { problemAt } from "../problem.ts";
import { PatternError, pathMatcher, segmentMatcher } from "./pattern.ts";

interface Rule {
  /** `!pattern`: takes back in. */
  readonly includes: boolean;
  readonly line: number;
  readonly text: string;
  readonly segments: readonly string[];
  readonly match: (path: string) => boolean;
}

/** What the rules say of one directory or file: which of them match it or a directory above it. */
export interface Verdict {
  readonly hits: readonly boolean[];
  readonly ignored: boolean;
}

const MAX_RULES = 2_000;

/**
 * The rules of a .dockerignore file: the last matching one wins, a match of a directory covers what is below it. Our own matcher
 * (rules: moby/patternmatcher): the library at hand misses the vectors with ( ) and + and lets patterns backtrack.
 */
export class IgnoreRules {
  private readonly rules: readonly Rule[];
  readonly file: string;

  private constructor(rules: readonly Rule[], file: string) {
    this.rules = rules;
    this.file = file;
  }

  /** Throws BuildProblem with file and line for a malformed pattern. */
  static parse(text: string, file: string): IgnoreRules {
    const rules: Rule[] = [];
    for (const [index, written] of text
      .replace(/^\uFEFF/, "")
      .split("\n")
      .entries()) {
      if (written.startsWith("#")) continue;
      const trimmed = written.trim();
      if (trimmed === "") continue;
      const at = { file, line: index + 1, instruction: trimmed.slice(0, 200) };
      if (rules.length === MAX_RULES)
        throw problemAt(at, "dockerfile", `More than ${MAX_RULES} rules are not read; use directories and wildcards.`);
      const includes = trimmed.startsWith("!");
      const pattern = clean(includes ? trimmed.slice(1).trim() : trimmed);
      if (pattern === "") throw problemAt(at, "dockerfile", 'A lone "!" takes nothing back in; write !path, or remove the line.');
      try {
        rules.push({ includes, line: index + 1, text: trimmed, segments: pattern.split("/"), match: pathMatcher(pattern) });
      } catch (error) {
        if (!(error instanceof PatternError)) throw error;
        throw problemAt(at, "dockerfile", `The pattern "${trimmed}" ${error.message}; escape characters meant literally with a backslash.`);
      }
    }
    return new IgnoreRules(rules, file);
  }

  /** Of patterns as a flag gives them, in their order. Throws PatternError. */
  static of(patterns: readonly string[]): IgnoreRules {
    if (patterns.length > MAX_RULES) throw new PatternError(`is one of more than ${MAX_RULES}`);
    const rules = patterns.map((text, index): Rule => {
      const includes = text.startsWith("!");
      const pattern = clean(includes ? text.slice(1) : text);
      return { includes, line: index + 1, text, segments: pattern.split("/"), match: pathMatcher(pattern) };
    });
    return new IgnoreRules(rules, "");
  }

  /** The verdict on the context's root: nothing can ignore it. */
  root(): Verdict {
    return { hits: this.rules.map(() => false), ignored: false };
  }

  /** The verdict on `path`, given the one on its directory. */
  judge(path: string, above: Verdict): Verdict {
    const hits = this.rules.map((rule, index) => above.hits[index] === true || rule.match(path));
    return { hits, ignored: this.fold(hits) };
  }

  /** True when path or a directory above it is ignored; for single questions. */
  ignores(path: string): boolean {
    return this.judgeFully(path).ignored;
  }

  /** The line of the rule that ignores the path, for messages. */
  ignoringLine(path: string): number | undefined {
    const { hits, ignored } = this.judgeFully(path);
    if (!ignored) return undefined;
    return this.rules.findLast((rule, index) => hits[index] === true && !rule.includes)?.line;
  }

  /** False when everything below the directory shares its verdict: then its tree id stands for its content. Errs towards true. */
  reachesBelow(directory: string, verdict: Verdict): boolean {
    const path = directory === "" ? [] : directory.split("/");
    return this.rules.some((rule, index) => verdict.hits[index] !== true && couldMatchBelow(rule.segments, path));
  }

  private judgeFully(path: string): Verdict {
    let verdict = this.root();
    const segments = path.split("/");
    for (let count = 1; count <= segments.length; count++) verdict = this.judge(segments.slice(0, count).join("/"), verdict);
    return verdict;
  }

  private fold(hits: readonly boolean[]): boolean {
    let ignored = false;
    for (const [index, rule] of this.rules.entries()) if (hits[index] === true && rule.includes === ignored) ignored = !ignored;
    return ignored;
  }
}

/** Go's filepath.Clean, and without the leading slash. */
function clean(pattern: string): string {
  if (pattern === "") return "";
  const normal = posix.normalize(pattern).replace(/(?<=.)\/+$/, "");
  return normal.length > 1 && normal.startsWith("/") ? normal.slice(1) : normal;
}

function couldMatchBelow(pattern: readonly string[], directory: readonly string[]): boolean {
  for (const [index, name] of directory.entries()) {
    const segment = pattern[index];
    if (segment === undefined) return false;
    // `**` crosses directories; a [^x] group may match a slash, and a backslash may escape one: they make depth meaningless.
    if (segment.includes("**") || /[[\\]/.test(segment)) return true;
    if (!segmentMatcher(segment)(name)) return false;
  }
  return pattern.length > directory.length;
}
