import { createHash } from "node:crypto";
import type { Digest } from "@plimsoll/core";
import type { AddAction, CopyAction, RunAction, WorkdirAction } from "./actions.ts";

/** Names the result of a step: equal keys, interchangeable results. 64 hex digits. */
export type StepKey = string & { readonly __stepKey: unique symbol };

/** Raise it when steps start to mean something else, so that old results are not found. */
const GENERATION = 2;

/**
 * Parent files are named by the digests of their layers (content, not how they came about): equal results hit also where a step above
 * ran again. `inputs` names the content of each bind mount, and of what a cache mount begins with, in the mounts' order. Resource limits,
 * contents of caches, values of secrets, build ids and undeclared proxies are outside; what is mounted where is inside.
 */
export function runKey(parents: readonly Digest[], action: RunAction, architecture: string, inputs: readonly string[] = []): StepKey {
  const { argv, env, cwd, user, mounts, network, files } = action;
  const definitions = mounts.map((mount) => Object.entries({ ...mount, from: undefined }).filter(([, value]) => value !== undefined));
  return hash("run", { parents, argv, env, cwd, user, mounts: definitions.map((one) => one.sort()), inputs, network, files, architecture });
}

export function workdirKey(parents: readonly Digest[], action: WorkdirAction): StepKey {
  return hash("workdir", { parents, path: action.path, user: action.user });
}

/** One thing that a COPY takes: its name where it lands in a directory, and what names its content, type and modes. */
export interface CopyContent {
  readonly name: string;
  readonly kind: string;
  readonly content: string;
}

/** A COPY by the content that it takes, wherever it came from in the context. */
export function copyKey(parents: readonly Digest[], action: CopyAction, contents: readonly CopyContent[]): StepKey {
  return hash("copy", { ...placing(parents, action), taken: contents.map(named), parents: action.parents });
}

/** A COPY --from by the whole of what it copies from: found without looking into it. */
export function copyFromKey(parents: readonly Digest[], action: CopyAction, origin: readonly Digest[]): StepKey {
  const { sources, parents: keepsParents } = action;
  return hash("copy-from", { ...placing(parents, action), origin, sources, parents: keepsParents });
}

/** An ADD by the content that it takes: of the context's files, of what was downloaded, or a git commit's id. */
export function addKey(parents: readonly Digest[], action: AddAction, contents: readonly CopyContent[]): StepKey {
  const { unpack, keepGitDir } = action;
  return hash("add", { ...placing(parents, action), taken: contents.map(named), unpack, keepGitDir });
}

/** A download that its checksum names, or a commit of a repository: a layer that stands on nothing. */
export function fetchKey(what: Readonly<Record<string, string | boolean>>): StepKey {
  return hash("fetch", { what: Object.entries(what).sort(([a], [b]) => (a < b ? -1 : 1)) });
}

/** The same step in a build whose files are not younger than SOURCE_DATE_EPOCH: its layers have other times. */
export function epochKey(key: StepKey, sourceDateEpoch: number): StepKey {
  return hash("epoch", { key, sourceDateEpoch });
}

/** A linked layer stands on its own: what is below it does not matter. */
function placing(parents: readonly Digest[], action: CopyAction | AddAction): Readonly<Record<string, unknown>> {
  const { destination, chown, chmod, link, exclude, inline } = action;
  return {
    below: link ? [] : parents,
    destination,
    chown,
    chmod,
    link,
    exclude,
    inline: inline.map(({ name, content }) => [name, content]),
  };
}

function named({ name, kind, content }: CopyContent): readonly string[] {
  return [name, kind, content];
}

function hash(kind: string, value: Readonly<Record<string, unknown>>): StepKey {
  // Arrays keep order, names are fixed in the callers, and JSON separates: no two inputs share a text.
  return createHash("sha256")
    .update(JSON.stringify([GENERATION, kind, Object.entries(value)]))
    .digest("hex") as StepKey;
}
