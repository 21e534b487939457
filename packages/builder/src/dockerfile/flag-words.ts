import type { Escape } from "./directives.ts";

/** Cuts leading `--flag` words off an instruction's arguments; `--` ends them. Quotes and escapes are taken away as BuildKit does. */
export function splitFlags(line: string, escapeChar: Escape): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let position = 0;
  for (;;) {
    while (position < line.length && /\s/.test(line[position] ?? "")) position++;
    if (!line.startsWith("--", position)) return { flags, rest: line.slice(position) };
    let word = "";
    let quote = "";
    for (; position < line.length; position++) {
      let char = line[position] ?? "";
      if (quote === "" && /\s/.test(char)) break;
      if (quote === "" && (char === "'" || char === '"')) {
        quote = char;
        continue;
      }
      if (char === quote) {
        quote = "";
        continue;
      }
      if (char === escapeChar) {
        if (position + 1 === line.length) continue;
        char = line[++position] ?? "";
      }
      word += char;
    }
    if (word === "--") return { flags, rest: line.slice(position) };
    flags.push(word);
  }
}
