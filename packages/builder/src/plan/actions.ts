import type { Origin } from "./origins.ts";

/** Where files are taken from: a stage, an image, or the build context. */
export type FileOrigin = Origin | { readonly kind: "context" };

/** Runs a command; what it changes becomes a layer. All words are expanded, all paths absolute. */
export interface RunAction {
  readonly type: "run";
  readonly argv: readonly string[];
  /** `NAME=value`, sorted: ENV and declared ARG. */
  readonly env: readonly string[];
  /** `NAME=value`: proxies that the caller gave and nothing declared. Outside the cache key. */
  readonly proxies: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** In the order written: a later one may lie inside an earlier one. What they bring is in no layer. */
  readonly mounts: readonly RunMount[];
  readonly network: "default" | "none";
  /** Scripts of heredocs that begin with `#!`: there for this command only, 0755, read-only. */
  readonly files: readonly ScriptFile[];
}

export interface ScriptFile {
  /** `/dev/pipes/EOF`. */
  readonly path: string;
  readonly content: string;
}

/** Targets are absolute and never `/`; sources are absolute in what they come from, `/` for all of it. */
export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

export interface BindMount {
  readonly type: "bind";
  readonly target: string;
  readonly from: FileOrigin;
  /** A file or directory; it must exist. */
  readonly source: string;
  /** False: the command may write, and what it writes is thrown away. */
  readonly readOnly: boolean;
}

/** A directory that stays from build to build of a namespace. Its content is outside the cache key. */
export interface CacheMount {
  readonly type: "cache";
  readonly target: string;
  /** With the namespace, what names the directory. */
  readonly id: string;
  /** `shared`: by any number at once; `private`: whoever comes while it is used gets another; `locked`: waits. */
  readonly sharing: "shared" | "private" | "locked";
  readonly readOnly: boolean;
  /** What a new one begins with; absent: nothing. */
  readonly from?: FileOrigin;
  readonly source: string;
  /** Of a new, empty directory. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface TmpfsMount {
  readonly type: "tmpfs";
  readonly target: string;
  /** Absent: within the build's memory. */
  readonly sizeBytes?: number;
}

/** A secret of the namespace as a file, an environment variable, or both. Its value is outside key, layers and history. */
export interface SecretMount {
  readonly type: "secret";
  readonly id: string;
  readonly target?: string;
  /** Name of an environment variable. */
  readonly env?: string;
  /** True: the step fails where there is no such secret. False: nothing is mounted then. */
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The socket of an SSH agent; the first one of a step is named by SSH_AUTH_SOCK. */
export interface SshMount {
  readonly type: "ssh";
  readonly id: string;
  readonly target: string;
  readonly required: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A heredoc as a source: a file of that name, 0644, root's. */
export interface InlineFile {
  readonly name: string;
  readonly content: string;
}

/** What COPY and ADD have in common. */
interface Placing {
  /** Come after the sources. */
  readonly inline: readonly InlineFile[];
  /** Absolute; a slash at its end says that it is a directory. */
  readonly destination: string;
  /** `user`, `user:group`, names or numbers. */
  readonly chown?: string;
  /** Octal bits, or a checked symbolic mode (`u=rwX,go=rX`) that is applied to each file's own. */
  readonly chmod?: number | string;
  /** The layer stands on its own: links at the destination are replaced, directories get new modes, parents are no input. */
  readonly link: boolean;
  /** Patterns as in .dockerignore, relative to each source. */
  readonly exclude: readonly string[];
}

export interface CopyAction extends Placing {
  readonly type: "copy";
  readonly from: FileOrigin;
  readonly sources: readonly string[];
  /** Sources keep their directories, or those after a `/./` in them. */
  readonly parents: boolean;
}

export interface AddAction extends Placing {
  readonly type: "add";
  readonly sources: readonly AddSource[];
  /** `sha256:…` of the one remote file's bytes, or the hex id of the one git commit. */
  readonly checksum?: string;
  readonly keepGitDir: boolean;
  /** Absent: local archives are unpacked, remote ones are not. */
  readonly unpack?: boolean;
}

export type AddSource =
  | { readonly kind: "local"; readonly path: string }
  /** `name` is the last part of its path; empty where there is none: then the destination must name a file. */
  | { readonly kind: "url"; readonly url: string; readonly name: string }
  /** `ref`: branch, tag or commit; empty for the default branch. `subdir`: relative, empty for all. */
  | { readonly kind: "git"; readonly remote: string; readonly ref: string; readonly subdir: string };

export interface WorkdirAction {
  readonly type: "workdir";
  readonly path: string;
  /** Owner of what is made. Empty: root. */
  readonly user: string;
}

/** Something that changes files. */
export type Action = RunAction | CopyAction | AddAction | WorkdirAction;
