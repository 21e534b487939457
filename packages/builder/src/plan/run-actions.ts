import { contentOf, readMark } from "../dockerfile/heredoc.ts";
import type { RunInstruction } from "../dockerfile/instruction.ts";
import { WordError } from "../dockerfile/word-error.ts";
import type { RunAction, ScriptFile } from "./actions.ts";

/** Where a heredoc that begins with `#!` lies while it runs, as in BuildKit. */
const SCRIPTS = "/dev/pipes";

/**
 * The command of a RUN. A line that is one heredoc runs its content: in the shell, or as a program where it begins with `#!`; in any
 * other line the shell itself reads the heredocs. Nothing is expanded here: that is the shell's.
 */
export function runCommand({ command, heredocs }: RunInstruction, shell: readonly string[]): Pick<RunAction, "argv" | "files"> {
  if (command.form === "exec") return { argv: command.argv, files: [] };
  const [only] = heredocs;
  if (only === undefined) return { argv: [...shell, command.line], files: [] };
  if (!isOneMark(command.line)) {
    const bodies = heredocs.map(({ content, name }) => `\n${content}${name}`);
    return { argv: [...shell, command.line + bodies.join("")], files: [] };
  }
  const content = contentOf(only);
  if (!content.startsWith("#!")) return { argv: [...shell, content], files: [] };
  const script: ScriptFile = { path: `${SCRIPTS}/${fileName(only.name)}`, content };
  return { argv: [...shell, script.path], files: [script] };
}

function isOneMark(line: string): boolean {
  try {
    return readMark(line) !== undefined;
  } catch (error) {
    if (error instanceof WordError) return false;
    throw error;
  }
}

/** The shell gets it as a word, so only plain names stay as they are. */
function fileName(name: string): string {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/.test(name) ? name : "script";
}
