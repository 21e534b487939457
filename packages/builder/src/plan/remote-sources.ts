import { posix } from "node:path";
import { problemAt, type SourceLocation } from "../problem.ts";
import type { AddSource } from "./actions.ts";

/** What a git address says beside where it is. */
export interface GitWishes {
  readonly checksum?: string;
  readonly keepGitDir?: boolean;
}

const SCHEME = /^([a-z0-9]+):\/\//i;
/** `git@host:path`, also of other users: what BuildKit's util/sshutil/scpurl.go takes, but for a user that would read as an option. */
const SCP = /^[A-Za-z0-9_][A-Za-z0-9_-]*@[A-Za-z0-9][A-Za-z0-9.-]*:./;
const MAX_LENGTH = 4_096;

/**
 * What an ADD's source is: git (`git@…:…`, `git://`, `ssh://`, and `http(s)://….git`, with `#ref:directory` or `?ref=…&subdir=…`), another
 * URL, or a path. Pure. Throws BuildProblem for addresses that cannot be read and for credentials in them.
 */
export function readSource(text: string, at: SourceLocation): { readonly source: AddSource; readonly wishes: GitWishes } {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined && !SCP.test(text)) return { source: { kind: "local", path: text }, wishes: {} };
  if (text.length > MAX_LENGTH)
    throw problemAt(at, "dockerfile", `An address of more than ${MAX_LENGTH} characters is not fetched; shorten it.`);
  if (scheme === undefined) return readGit(text, text.split(/[?#]/, 1)[0] ?? "", at);
  if (!["http", "https", "ssh", "git"].includes(scheme)) {
    throw problemAt(at, "dockerfile", `${scheme}:// is not fetched (${text.slice(0, 100)}); use https://, a git address, or a path.`);
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw problemAt(at, "dockerfile", `"${text.slice(0, 100)}" is no address that can be read; correct it.`);
  }
  const isHttp = scheme === "http" || scheme === "https";
  if ((isHttp && url.username !== "") || url.password !== "") {
    throw problemAt(
      at,
      "unsupported",
      "A user or password in an address would be kept in the image's history; use an SSH key (git@…), or fetch it in a RUN with --mount=type=secret instead.",
    );
  }
  if (!isHttp || url.pathname.endsWith(".git")) return readGit(text, text.split(/[?#]/, 1)[0] ?? "", at);
  const base = posix.basename(decoded(url.pathname));
  return { source: { kind: "url", url: text, name: base === "." || base === "/" ? "" : base }, wishes: {} };
}

/** True for what COPY does not take. */
export function isRemote(text: string): boolean {
  return /^(?:https?|git|ssh):\/\//i.test(text) || SCP.test(text);
}

function readGit(text: string, remote: string, at: SourceLocation): { readonly source: AddSource; readonly wishes: GitWishes } {
  const fragment = decoded(/#(.*)$/s.exec(text)?.[1] ?? "");
  const colon = fragment.indexOf(":");
  let ref = colon < 0 ? fragment : fragment.slice(0, colon);
  let subdir = colon < 0 ? "" : fragment.slice(colon + 1);
  const wishes: { checksum?: string; keepGitDir?: boolean } = {};
  for (const [name, value] of new URLSearchParams(/\?([^#]*)/.exec(text)?.[1] ?? "")) {
    if (name === "ref") ref = value;
    else if (name === "tag") ref = `refs/tags/${value.replace(/^refs\/tags\//, "")}`;
    else if (name === "branch") ref = `refs/heads/${value.replace(/^refs\/heads\//, "")}`;
    else if (name === "subdir") subdir = value;
    else if (name === "checksum" || name === "commit") wishes.checksum = value;
    else if (name === "keep-git-dir" && /^(?:|true|false|1|0)$/i.test(value)) wishes.keepGitDir = !/^(?:false|0)$/i.test(value);
    else if (name !== "submodules" || !/^(?:false|0)$/i.test(value)) {
      throw problemAt(
        at,
        name === "submodules" ? "unsupported" : "dockerfile",
        `"${name.slice(0, 40)}=${value.slice(0, 40)}" is not known in a git address; ref, tag, branch, subdir, checksum and keep-git-dir are.`,
      );
    }
  }
  if (ref.startsWith("-"))
    throw problemAt(at, "dockerfile", `"${ref.slice(0, 40)}" is no branch, tag or commit; correct the part behind #.`);
  return { source: { kind: "git", remote, ref, subdir: posix.join("/", subdir).slice(1) }, wishes };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
