import type { Escape } from "./directives.ts";
import { isSpace } from "./words.ts";

/** Words as they stand: split at unquoted blanks, quotes and escapes kept for the expansion that follows. */
export function splitWords(text: string, escapeChar: Escape): string[] {
  const words: string[] = [];
  const chars = Array.from(text);
  let word: string | undefined;
  let quote = "";
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] ?? "";
    if (quote === "" && isSpace(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    if (char === escapeChar && quote !== "'") {
      if (index + 1 === chars.length) continue; // An escape at the end of the line escapes nothing.
      word += char + (chars[++index] ?? "");
      continue;
    }
    if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
    word += char;
  }
  if (word !== undefined && word !== "") words.push(word);
  return words;
}

/**
 * The arguments of ENV and LABEL: `name=value …`, or the old form `name value with blanks`. Which one is meant is decided by the first
 * word: with `=` the new one. An error is a sentence.
 */
export function readKeyValues(keyword: string, rest: string, escapeChar: Escape): [string, string][] | string {
  const words = splitWords(rest, escapeChar);
  const first = words[0];
  if (first === undefined) return `${keyword} needs at least one name and value, as in ${keyword} NAME=value`;
  if (!first.includes("=")) {
    const split = rest.match(/[\t\v\f\r ]+/);
    if (split?.index === undefined) return `${keyword} ${first} has no value; write ${keyword} ${first}=value`;
    return [[rest.slice(0, split.index), rest.slice(split.index + split[0].length)]];
  }
  const pairs: [string, string][] = [];
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals < 0) return `"${word}" has no =; write name=value, with quotes around a value that has blanks`;
    if (equals === 0) return `"${word}" has no name before the =; write name=value`;
    pairs.push([word.slice(0, equals), word.slice(equals + 1)]);
  }
  return pairs;
}
