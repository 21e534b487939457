/** One line of a log as it is shown. `at` is an ISO time where the log has one. */
export interface LogLine {
  readonly text: string;
  readonly tone: "plain" | "stderr" | "notice" | "failure";
  readonly at?: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences of terminals start with one
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-_])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what remains of them must not reach the page
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** A line without terminal escapes and control characters; of text that was overwritten by carriage returns, what was left to see. */
export function cleanLine(text: string): string {
  const plain = text.replace(ESCAPES, "");
  const last = plain.replace(/\r+$/, "").split("\r").at(-1) ?? "";
  return last.replace(CONTROLS, "").replaceAll("\t", "    ");
}

/**
 * Turns pieces of output into whole lines: a piece may end in the middle of one. `flush` gives what is left when no more comes.
 */
export class LineSplitter {
  #rest = "";

  push(text: string): string[] {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    return parts.map(cleanLine);
  }

  flush(): string[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest === "" ? [] : [cleanLine(rest)];
  }
}

/** Indexes of the lines that contain `query`, ignoring case. */
export function findLines(lines: readonly LogLine[], query: string): number[] {
  const wanted = query.toLowerCase();
  if (wanted === "") return [];
  const found: number[] = [];
  for (let index = 0; index < lines.length; index++) if (lines[index]?.text.toLowerCase().includes(wanted)) found.push(index);
  return found;
}
