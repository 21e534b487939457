import { contentOf } from "../dockerfile/heredoc.ts";
import type { AddInstruction, CopyInstruction } from "../dockerfile/instruction.ts";
import { WordError } from "../dockerfile/word-error.ts";
import { expandWord } from "../dockerfile/words.ts";
import { problemAt } from "../problem.ts";
import type { AddAction, CopyAction, InlineFile } from "./actions.ts";
import { readMode } from "./modes.ts";
import { isRemote, readSource } from "./remote-sources.ts";
import { absolute, expandIn, type Scope } from "./scope.ts";

export function copyAction(instruction: CopyInstruction, scope: Scope): CopyAction {
  const { from, parents } = instruction;
  const origin = from === undefined ? ({ kind: "context" } as const) : scope.origins.get(from);
  if (origin === undefined) throw new Error(`the origin ${from} was not planned`);
  const sources = instruction.sources.map((source) => expandIn(scope, source));
  const remote = sources.find(isRemote);
  if (remote !== undefined) {
    throw problemAt(scope.at, "dockerfile", `COPY takes files, not URLs (${remote.slice(0, 100)}); write ADD to fetch it.`);
  }
  return { type: "copy", from: origin, sources, parents, ...placing(instruction, scope) };
}

export function addAction(instruction: AddInstruction, scope: Scope): AddAction {
  const { unpack } = instruction;
  const read = instruction.sources.map((source) => readSource(expandIn(scope, source), scope.at));
  const action = { type: "add", sources: read.map(({ source }) => source), ...placing(instruction, scope) } as const;
  const unnamed = action.sources.find((source) => source.kind === "url" && source.name === "");
  if (unnamed?.kind === "url" && action.destination.endsWith("/")) {
    const example = `${action.destination}name`;
    throw problemAt(
      scope.at,
      "dockerfile",
      `${unnamed.url.slice(0, 100)} names no file; say in the destination what it is called, as in ${example}`,
    );
  }
  const checksum = agreed(scope, "checksum", expanded(instruction.checksum, scope), ...read.map(({ wishes }) => wishes.checksum));
  const keepGitDir = agreed(scope, "keep-git-dir", instruction.keepGitDir, ...read.map(({ wishes }) => wishes.keepGitDir));
  if (checksum !== undefined) checkChecksum(action, checksum, scope);
  return {
    ...action,
    keepGitDir: keepGitDir ?? false,
    ...(checksum === undefined ? {} : { checksum }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function expanded(word: string | undefined, scope: Scope): string | undefined {
  const text = word === undefined ? "" : expandIn(scope, word);
  return text === "" ? undefined : text;
}

/** The one value that a flag and addresses name. */
function agreed<T>({ at }: Scope, what: string, ...values: readonly (T | undefined)[]): T | undefined {
  const [first, ...others] = new Set(values.filter((value) => value !== undefined));
  if (others.length > 0) throw problemAt(at, "dockerfile", `The flag --${what} and the address disagree; remove one of them.`);
  return first;
}

function checkChecksum({ sources, inline }: Pick<AddAction, "sources" | "inline">, checksum: string, { at }: Scope): void {
  const [only, ...others] = sources;
  if (only === undefined || others.length > 0 || inline.length > 0) {
    throw problemAt(at, "dockerfile", "ADD --checksum is for one source; write one ADD for each.");
  }
  if (only.kind === "local") {
    throw problemAt(
      at,
      "dockerfile",
      "ADD --checksum is for what is fetched; files of the repository are what the commit says. Remove it.",
    );
  }
  const isRight =
    only.kind === "url" ? /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/ : /^(?:[0-9a-f]{7,40}|[0-9a-f]{64})$/;
  if (isRight.test(checksum)) return;
  const form = only.kind === "url" ? "sha256: and 64 hex digits" : "the commit's id in hex digits";
  throw problemAt(at, "dockerfile", `--checksum=${checksum.slice(0, 80)} is no checksum of this source; write ${form}.`);
}

function placing(instruction: CopyInstruction | AddInstruction, scope: Scope) {
  const { chown, chmod, link, heredocs } = instruction;
  const destination = expandIn(scope, instruction.destination);
  const owner = expanded(chown, scope);
  const mode = expanded(chmod, scope);
  return {
    inline: heredocs.map((heredoc): InlineFile => {
      const content = contentOf(heredoc);
      return { name: heredoc.name, content: heredoc.expand ? expandBody(heredoc.name, content, scope) : content };
    }),
    destination: destinationPath(destination, scope),
    link,
    exclude: instruction.exclude,
    ...(owner === undefined ? {} : { chown: owner }),
    ...(mode === undefined ? {} : { chmod: readMode(mode, scope.at) }),
  };
}

/** Always `\`, whatever the file's escape character; quotes are text. As BuildKit does. */
function expandBody(name: string, content: string, { variables, words, at }: Scope): string {
  try {
    return expandWord(content, variables, { ...words, escape: "\\", plainQuotes: true });
  } catch (error) {
    if (!(error instanceof WordError)) throw error;
    const reason = error.message.replace(/\s+/g, " ");
    throw problemAt(at, "dockerfile", `The text of <<${name} cannot be read: ${reason}. Write <<'${name}' to take it as it stands.`);
  }
}

/** Joined to the working directory; a trailing slash, and `.` meaning one, is kept. */
function destinationPath(written: string, scope: Scope): string {
  const isDirectory = written === "" || written === "." || written.endsWith("/") || written.endsWith("/.");
  const path = absolute(scope, written);
  return isDirectory && path !== "/" ? `${path}/` : path;
}
