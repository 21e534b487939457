/** A malformed `*`, `?`, `[…]` pattern. */
export class PatternError extends Error {}

/** `[a-z]`, `[^a]`: code points, as Go's filepath.Match reads them. */
interface CharClass {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [number, number])[];
}

type Token =
  | { readonly kind: "char"; readonly char: string }
  | { readonly kind: "class"; readonly class: CharClass }
  /** `?`: one character but `/`. */
  | { readonly kind: "any" }
  /** `*`: any text without `/`. */
  | { readonly kind: "star" }
  /** `**` before more: any directories, or none. */
  | { readonly kind: "directories" }
  /** `**` at the end: anything. */
  | { readonly kind: "all" };

/** True when the text has `*`, `?` or `[` that no backslash takes the meaning from. */
export function hasWildcard(text: string): boolean {
  return /[*?[]/.test(text.replace(/\\./gs, ""));
}

/** A pattern that matches just this path, for where patterns are read and none is meant. */
export function literalPattern(path: string): string {
  return path.replaceAll(/[*?[\\]/g, (char) => (char === "\\" ? "[\\\\]" : `[${char}]`));
}

/** Go's filepath.Match for one path segment. Throws PatternError. */
export function segmentMatcher(pattern: string): (name: string) => boolean {
  const tokens = compile(pattern, false);
  return (name) => matches(tokens, Array.from(name));
}

/** The same for a part of a COPY's source: a broken pattern is one that nothing matches (fsutil's copy/copy.go, resolveWildcards). */
export function sourceMatcher(pattern: string): (name: string) => boolean {
  try {
    return segmentMatcher(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return () => false;
  }
}

/**
 * A pattern of .dockerignore against a whole path (moby/patternmatcher): like filepath.Match, and `**` crosses directories. Matching
 * keeps all states at once, so no pattern is slow. Throws PatternError.
 */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const tokens = compile(pattern, true);
  if (tokens.every((token) => token.kind === "char")) {
    const literal = tokens.map((token) => (token.kind === "char" ? token.char : "")).join("");
    return (path) => path === literal;
  }
  // `**/name` and `**name` are most of what people write: a comparison of ends does it.
  const literalEnd = pattern.slice(2);
  if (pattern.startsWith("**") && !/[*?[\\]/.test(literalEnd)) {
    return (path) => path.endsWith(literalEnd) || (literalEnd.startsWith("/") && path === literalEnd.slice(1));
  }
  return (path) => matches(tokens, Array.from(path));
}

function compile(pattern: string, doubleStars: boolean): Token[] {
  const chars = Array.from(pattern);
  const tokens: Token[] = [];
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] ?? "";
    if (char === "*" && doubleStars && chars[index + 1] === "*") {
      index++;
      if (chars[index + 1] === "/") index++;
      tokens.push({ kind: index + 1 >= chars.length ? "all" : "directories" });
    } else if (char === "*") {
      tokens.push({ kind: "star" });
    } else if (char === "?") {
      tokens.push({ kind: "any" });
    } else if (char === "[") {
      const { end, read } = readClass(chars, index + 1);
      tokens.push({ kind: "class", class: read });
      index = end;
    } else if (char === "\\") {
      const escaped = chars[++index];
      if (escaped === undefined) throw new PatternError("ends with a backslash that escapes nothing");
      tokens.push({ kind: "char", char: escaped });
    } else {
      tokens.push({ kind: "char", char });
    }
  }
  return tokens;
}

function readClass(chars: readonly string[], start: number): { end: number; read: CharClass } {
  let index = start;
  const negated = chars[index] === "^";
  if (negated) index++;
  const ranges: [number, number][] = [];
  const one = (): number => {
    let char = chars[index++];
    if (char === "\\") char = chars[index++];
    else if (char === "-" || char === "]") throw new PatternError("has an empty or broken [ ] group");
    if (char === undefined) throw new PatternError("has a [ without its ]");
    return char.codePointAt(0) ?? 0;
  };
  while (!(chars[index] === "]" && ranges.length > 0)) {
    const low = one();
    if (chars[index] !== "-") {
      ranges.push([low, low]);
      continue;
    }
    index++;
    ranges.push([low, one()]);
  }
  return { end: index, read: { negated, ranges } };
}

function matches(tokens: readonly Token[], path: readonly string[]): boolean {
  // State 2i: before token i. State 2i+1: inside the `directories` token i, which may end after a slash only.
  let states = close(new Set([0]), tokens);
  for (const char of path) {
    const next = new Set<number>();
    for (const state of states) step(tokens, state, char, next);
    if (next.size === 0) return false;
    states = close(next, tokens);
  }
  return states.has(tokens.length * 2);
}

function step(tokens: readonly Token[], state: number, char: string, next: Set<number>): void {
  const index = state >> 1;
  const token = tokens[index];
  switch (token?.kind) {
    case undefined:
      return;
    case "char":
      if (token.char === char) next.add(state + 2);
      return;
    case "class": {
      const point = char.codePointAt(0) ?? 0;
      if (token.class.ranges.some(([low, high]) => low <= point && point <= high) !== token.class.negated) next.add(state + 2);
      return;
    }
    case "any":
      if (char !== "/") next.add(state + 2);
      return;
    case "star":
      if (char !== "/") next.add(state);
      return;
    case "all":
      next.add(state);
      return;
    case "directories":
      next.add(index * 2 + 1);
      if (char === "/") next.add((index + 1) * 2);
  }
}

function close(states: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const state of states) {
    if ((state & 1) === 1) continue;
    const kind = tokens[state >> 1]?.kind;
    if (kind === "star" || kind === "all" || kind === "directories") states.add(state + 2);
  }
  return states;
}
