import { WordError } from "./word-error.ts";
import { expandWords } from "./words.ts";

/** One `<<NAME` of a line, with the lines that follow up to its end. */
export interface Heredoc {
  /** Without quotes. */
  readonly name: string;
  /** False where a part of the name is quoted: the content is taken as it stands. */
  readonly expand: boolean;
  /** `<<-`: tabs at the beginning of lines are not part of the content; they are still in here. */
  readonly chomp: boolean;
  /** Whole lines, each with its line break. */
  readonly content: string;
}

export type HeredocMark = Omit<Heredoc, "content">;

/** Rules: BuildKit's parser.ParseHeredoc. */
const MARK = /^\d*<<(-?)/;
const NO_VARIABLES = { get: () => undefined };

/** The heredoc that a word announces, or none. Throws WordError for a name with an open quote. */
export function readMark(word: string): HeredocMark | undefined {
  const match = MARK.exec(word);
  if (match === null) return undefined;
  const rest = word.slice(match[0].length).trimStart();
  if (rest === "" || rest.includes("<")) return undefined;
  const options = { escape: "\\", keepUnset: true } as const;
  const [name, ...more] = expandWords(rest, NO_VARIABLES, options);
  if (name === undefined || more.length > 0) return undefined;
  const raw = expandWords(rest, NO_VARIABLES, { ...options, rawQuotes: true })[0] ?? "";
  return { name, expand: quotes(name) === quotes(raw), chomp: match[1] === "-" };
}

/** The heredocs that a line announces, in order. A line that cannot be read as shell words has none. Throws WordError for a broken mark. */
export function readMarks(line: string): readonly HeredocMark[] {
  if (!line.includes("<<")) return [];
  let words: readonly string[];
  try {
    words = expandWords(line, NO_VARIABLES, { escape: "\\", rawQuotes: true, rawEscapes: true, keepUnset: true });
  } catch (error) {
    if (error instanceof WordError) return [];
    throw error;
  }
  return words.flatMap((word) => readMark(word) ?? []);
}

/** The content as `<<-` means it. */
export function contentOf({ chomp, content }: Heredoc): string {
  return chomp ? content.replace(/^\t+/gm, "") : content;
}

function quotes(text: string): number {
  return text.match(/['"]/g)?.length ?? 0;
}
