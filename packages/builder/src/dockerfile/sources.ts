import { problemAt } from "../problem.ts";
import { readList } from "./command.ts";
import { Flags } from "./flags.ts";
import { type Heredoc, readMark } from "./heredoc.ts";
import type { AddInstruction, CopyInstruction } from "./instruction.ts";
import type { RawInstruction } from "./lines.ts";

export function readCopy(raw: RawInstruction): CopyInstruction {
  const flags = Flags.read(raw, { from: "text", chown: "text", chmod: "text", link: "switch", parents: "switch", exclude: "texts" });
  // Empty, it is the build context, as everywhere in Dockerfiles.
  const from = flags.text("from") || undefined;
  return {
    type: "copy",
    ...readPlacing(raw, flags),
    parents: flags.switch("parents") ?? false,
    ...(from === undefined ? {} : { from }),
  };
}

export function readAdd(raw: RawInstruction): AddInstruction {
  const flags = Flags.read(raw, {
    chown: "text",
    chmod: "text",
    link: "switch",
    exclude: "texts",
    checksum: "text",
    "keep-git-dir": "switch",
    unpack: "switch",
  });
  const checksum = flags.text("checksum");
  const unpack = flags.switch("unpack");
  const keepGitDir = flags.switch("keep-git-dir");
  return {
    type: "add",
    ...readPlacing(raw, flags),
    ...(checksum === undefined ? {} : { checksum }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

function readPlacing(raw: RawInstruction, flags: Flags): Omit<CopyInstruction, "type" | "from" | "parents"> {
  const words = readList(raw);
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    const message = `${raw.keyword} needs at least one source and a destination, as in ${raw.keyword} package.json ./`;
    throw problemAt(raw.at, "dockerfile", message);
  }
  const isList = raw.rest.startsWith("[") && raw.heredocs.length === 0;
  if (!isList && readMark(destination) !== undefined) {
    throw problemAt(raw.at, "dockerfile", `${raw.keyword} needs a destination behind the heredoc, as in ${raw.keyword} <<EOF /etc/motd`);
  }
  const chown = flags.text("chown");
  const chmod = flags.text("chmod");
  return {
    ...readSources(raw, words.slice(0, -1), isList),
    destination,
    link: flags.switch("link") ?? false,
    exclude: flags.texts("exclude"),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
  };
}

/** Splits sources into paths and heredocs; of two heredocs with one name the last content counts, as in BuildKit. */
function readSources(
  raw: RawInstruction,
  words: readonly string[],
  isList: boolean,
): { readonly sources: readonly string[]; readonly heredocs: readonly Heredoc[] } {
  const bodies = new Map(raw.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources: string[] = [];
  const heredocs: Heredoc[] = [];
  for (const word of words) {
    const mark = isList ? undefined : readMark(word);
    const body = mark === undefined ? undefined : bodies.get(mark.name);
    if (body === undefined) sources.push(word);
    else heredocs.push(body);
  }
  if (heredocs.length !== raw.heredocs.length) {
    throw problemAt(raw.at, "dockerfile", `${raw.keyword} takes heredocs as words of their own; write <<EOF without blanks in it.`);
  }
  const strange = heredocs.find(({ name }) => name === "." || name === ".." || name.includes("/"));
  if (strange !== undefined) {
    throw problemAt(
      raw.at,
      "dockerfile",
      `"${strange.name.slice(0, 40)}" names a heredoc's file and so cannot be a path; choose another name.`,
    );
  }
  return { sources, heredocs };
}
