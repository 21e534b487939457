import { problemAt, type SourceLocation } from "../problem.ts";
import type { Action } from "./actions.ts";

/** Parts of actions that are planned, and refused until the executor can do them. */
export type Feature =
  | "run.mount.bind"
  | "run.mount.cache"
  | "run.mount.tmpfs"
  | "run.mount.secret"
  | "run.mount.ssh"
  | "run.network.none"
  | "run.files"
  | "copy.inline"
  | "copy.chmod.symbolic"
  | "copy.link"
  | "copy.parents"
  | "copy.exclude"
  | "add.local"
  | "add.url"
  | "add.git"
  | "add.inline"
  | "add.chmod.symbolic"
  | "add.link"
  | "add.exclude";

/** The one place that knows what cannot be executed yet. Whoever teaches the executor a feature removes its entry. */
const NOT_EXECUTED_YET: ReadonlySet<Feature> = new Set<Feature>(["run.mount.ssh"]);

const ADVICE: Readonly<Record<Feature, string>> = {
  "run.mount.bind": "RUN --mount=type=bind is not executed yet; COPY what the command needs",
  "run.mount.cache": "RUN --mount=type=cache is not executed yet; remove the flag, the step's own result is kept",
  "run.mount.tmpfs": "RUN --mount=type=tmpfs is not executed yet; write to /tmp and remove the files in the same RUN",
  "run.mount.secret": "RUN --mount=type=secret is not executed yet; use secrets at run time (plim secrets set)",
  "run.mount.ssh": "RUN --mount=type=ssh is not executed yet; fetch over https, or commit what is needed",
  "run.network.none": "RUN --network=none is not executed yet; remove the flag",
  "run.files": "RUN heredocs that begin with #! are not executed yet; COPY a script and RUN it",
  "copy.inline": "COPY with a heredoc is not executed yet; put the content into a file of the repository",
  "copy.chmod.symbolic": "COPY with a symbolic --chmod is not executed yet; write it in octal, as in --chmod=755",
  "copy.link": "COPY --link is not executed yet; remove the flag",
  "copy.parents": "COPY --parents is not executed yet; write one COPY per directory",
  "copy.exclude": "COPY --exclude is not executed yet; list the files in .dockerignore",
  "add.local": "ADD is not executed yet; use COPY, and RUN with tar for archives",
  "add.url": "ADD of a URL is not executed yet; fetch it with RUN and curl",
  "add.git": "ADD of a git repository is not executed yet; clone it with RUN and git",
  "add.inline": "ADD with a heredoc is not executed yet; put the content into a file of the repository",
  "add.chmod.symbolic": "ADD with a symbolic --chmod is not executed yet; write it in octal, as in --chmod=755",
  "add.link": "ADD --link is not executed yet; remove the flag",
  "add.exclude": "ADD --exclude is not executed yet; list the files in .dockerignore",
};

/** Throws BuildProblem `unsupported` for an action that needs what is not executed yet, so that nothing is silently left out. */
export function refuseUnexecutable(action: Action, at: SourceLocation): void {
  for (const feature of featuresOf(action)) if (NOT_EXECUTED_YET.has(feature)) throw problemAt(at, "unsupported", `${ADVICE[feature]}.`);
}

/** What an action asks of the executor beyond the plain RUN, COPY and WORKDIR. */
export function featuresOf(action: Action): readonly Feature[] {
  switch (action.type) {
    case "workdir":
      return [];
    case "run":
      return [
        ...action.mounts.map(({ type }) => `run.mount.${type}` as const),
        ...(action.network === "none" ? (["run.network.none"] as const) : []),
        ...(action.files.length > 0 ? (["run.files"] as const) : []),
      ];
    case "copy":
    case "add":
      return [
        ...(action.type === "add" ? action.sources.map(({ kind }) => `add.${kind}` as const) : []),
        ...(action.type === "copy" && action.parents ? (["copy.parents"] as const) : []),
        ...(action.inline.length > 0 ? [`${action.type}.inline` as const] : []),
        ...(typeof action.chmod === "string" ? [`${action.type}.chmod.symbolic` as const] : []),
        ...(action.link ? [`${action.type}.link` as const] : []),
        ...(action.exclude.length > 0 ? [`${action.type}.exclude` as const] : []),
      ];
  }
}
