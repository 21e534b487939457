import type { ExpansionBudget } from "./budget.ts";
import { WordError } from "./word-error.ts";

/** A pattern of `${x#p}` and its relatives: `*` any text, `?` one character, `\` makes them literal; no line break is matched by either. */
type Token = { readonly kind: "char"; readonly char: string } | { readonly kind: "any" } | { readonly kind: "star" };

/** `${value#pattern}`, `##`, `%`, `%%`: the value without the shortest or longest match at its start or end. */
export function trimGlob(value: string, pattern: string, side: "start" | "end", longest: boolean, budget: ExpansionBudget): string {
  const tokens = compile(pattern);
  const chars = Array.from(value);
  if (side === "end") {
    tokens.reverse();
    chars.reverse();
  }
  const end = matchAt(chars, 0, tokens, longest, budget);
  const rest = end === undefined ? chars : chars.slice(end);
  if (side === "end") rest.reverse();
  return rest.join("");
}

/** `${value/pattern/replacement}` and `//`: the first or every leftmost longest match replaced. */
export function replaceGlob(value: string, pattern: string, replacement: string, all: boolean, budget: ExpansionBudget): string {
  const tokens = compile(pattern);
  const chars = Array.from(value);
  let text = "";
  let position = 0;
  let done = false;
  let previousEnd = -1;
  while (position <= chars.length) {
    const end = done ? undefined : matchAt(chars, position, tokens, true, budget);
    // An empty match right behind the last one is none (as in Go's ReplaceAllString).
    if (end === undefined || (end === position && position === previousEnd)) {
      text += chars[position] ?? "";
      position++;
      continue;
    }
    text += replacement;
    budget.spend(replacement.length);
    done = !all;
    previousEnd = end;
    if (end === position) {
      text += chars[position] ?? "";
      position++;
    } else {
      position = end;
    }
  }
  return text;
}

function compile(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = Array.from(pattern);
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] ?? "";
    if (char === "*") tokens.push({ kind: "star" });
    else if (char === "?") tokens.push({ kind: "any" });
    else if (char !== "\\") tokens.push({ kind: "char", char });
    else {
      const next = chars[++index];
      if (next === undefined || !"*?\\}/".includes(next)) {
        throw new WordError(`the pattern "${pattern}" escapes ${next ?? "nothing"}; only \\* \\? \\\\ \\} and \\/ can be escaped`);
      }
      tokens.push({ kind: "char", char: next });
    }
  }
  return tokens;
}

/** End of the shortest or longest match that begins at `start`. All states at once: no backtracking, so no slow input. */
function matchAt(
  chars: readonly string[],
  start: number,
  tokens: readonly Token[],
  longest: boolean,
  budget: ExpansionBudget,
): number | undefined {
  let states = close(new Set([0]), tokens);
  let found = states.has(tokens.length) ? start : undefined;
  for (let position = start; position < chars.length && states.size > 0; position++) {
    if (found !== undefined && !longest) return found;
    const char = chars[position] ?? "";
    const next = new Set<number>();
    for (const state of states) {
      budget.spend(1);
      const token = tokens[state];
      if (token === undefined) continue;
      if (token.kind === "star" && char !== "\n") next.add(state);
      else if (token.kind === "any" ? char !== "\n" : token.kind === "char" && token.char === char) next.add(state + 1);
    }
    states = close(next, tokens);
    if (states.has(tokens.length)) found = position + 1;
  }
  return found;
}

function close(states: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const state of states) if (tokens[state]?.kind === "star") states.add(state + 1);
  return states;
}
