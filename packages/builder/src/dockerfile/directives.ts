import { problemAt } from "../problem.ts";

/** The character that escapes and continues lines; `# escape=` chooses. */
export type Escape = "\\" | "`";

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)$/;
const DIRECTIVES = new Set(["syntax", "escape", "check"]);

/**
 * Reads the directives at the very top; any other line, comments included, ends their zone. `syntax` and `check` are accepted and change
 * nothing: no front end is ever downloaded. Throws BuildProblem for a repeated or bad one.
 */
export function readDirectives(lines: readonly string[], file: string): Escape {
  let escapeChar: Escape = "\\";
  const seen = new Set<string>();
  const start = lines[0]?.startsWith("#!") ? 1 : 0;
  for (let index = start; index < lines.length; index++) {
    const match = DIRECTIVE.exec((lines[index] ?? "").trim());
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || !DIRECTIVES.has(name)) break;
    const at = { file, line: index + 1, instruction: (lines[index] ?? "").trim() };
    if (seen.has(name)) throw problemAt(at, "dockerfile", `The directive "${name}" may be given once only; remove this line.`);
    seen.add(name);
    if (name !== "escape") continue;
    const value = match?.[2] ?? "";
    if (value !== "\\" && value !== "`") {
      throw problemAt(at, "dockerfile", `The escape character must be \\ or \`, not "${value.slice(0, 40)}"; correct or remove this line.`);
    }
    escapeChar = value;
  }
  return escapeChar;
}
