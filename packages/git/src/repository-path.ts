import { NAME_PATTERN } from "@plimsoll/core";
import type { RepositoryRef } from "./ports.ts";

export type GitService = "git-receive-pack" | "git-upload-pack";

/**
 * The repository that a path names: `/<team>/<namespace>/<app>.git`, with or without the first slash, the last slash and `.git`.
 * Undefined for everything else. Only names of the platform pass (no dot, no percent sign, no shell character), so no path on disk,
 * command or message can be made of it.
 */
export function parseRepositoryPath(path: string): RepositoryRef | undefined {
  const parts = path.replace(/^\//, "").replace(/\/$/, "").split("/");
  const [team, namespace, last] = parts;
  if (parts.length !== 3 || team === undefined || namespace === undefined || last === undefined) return undefined;
  const app = last.replace(/\.git$/, "");
  return [team, namespace, app].every((name) => NAME_PATTERN.test(name)) ? { team, namespace, app } : undefined;
}

export type SshCommand =
  | { readonly type: "git"; readonly service: GitService; readonly ref: RepositoryRef }
  | { readonly type: "bad-path"; readonly service: GitService }
  | { readonly type: "unknown" };

/**
 * What an SSH client asks to run. git sends `git-receive-pack '/team/namespace/app.git'`, quoted for a shell; there is no shell here,
 * so the quotes are part of the grammar and nothing inside them is interpreted.
 */
export function parseSshCommand(command: string): SshCommand {
  const match = /^git[- ](receive-pack|upload-pack) (?:'([^']*)'|([^' ]*))$/.exec(command);
  if (match === null) return { type: "unknown" };
  const service = match[1] === "receive-pack" ? "git-receive-pack" : "git-upload-pack";
  const ref = parseRepositoryPath(match[2] ?? match[3] ?? "");
  return ref === undefined ? { type: "bad-path", service } : { type: "git", service, ref };
}

/** The sentence for a client of Git LFS, which would bring the files that a repository only points at. */
export const NO_LFS =
  "Plimsoll keeps no Git LFS objects: what an app needs of them must be in the repository itself (git lfs migrate export), or be fetched by its build.";

/** The sentence for a path that names no repository. */
export const BAD_PATH = "That is no repository path: it must be /<team>/<namespace>/<app>.git, of names like acme/store/shop.";
