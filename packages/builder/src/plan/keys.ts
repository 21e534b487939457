import { createHash } from "node:crypto";
import type { Digest } from "@plimsoll/core";
import type { CopyAction, RunAction, WorkdirAction } from "./steps.ts";

/** Names the result of a step: equal keys, interchangeable results. 64 hex digits. */
export type StepKey = string & { readonly __stepKey: unique symbol };

/** Raise it when steps start to mean something else, so that old results are not found. */
const GENERATION = 1;

/**
 * Parent files are named by the digests of their layers (content, not how they came about): equal results hit also where a step above
 * ran again. Resource limits, cache contents, build ids and undeclared proxies are outside.
 */
export function runKey(parents: readonly Digest[], action: RunAction, architecture: string): StepKey {
  const { argv, env, cwd, user } = action;
  return hash("run", { parents, argv, env, cwd, user, architecture });
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
  const { destination, chown, chmod } = action;
  const taken = contents.map(({ name, kind, content }) => [name, kind, content]);
  return hash("copy", { parents, taken, destination, chown, chmod });
}

/** A COPY --from by the whole of what it copies from: found without looking into it. */
export function copyFromKey(parents: readonly Digest[], action: CopyAction, origin: readonly Digest[]): StepKey {
  const { sources, destination, chown, chmod } = action;
  return hash("copy-from", { parents, origin, sources, destination, chown, chmod });
}

function hash(kind: string, value: Readonly<Record<string, unknown>>): StepKey {
  // Arrays keep order, names are fixed in the callers, and JSON separates: no two inputs share a text.
  return createHash("sha256")
    .update(JSON.stringify([GENERATION, kind, Object.entries(value)]))
    .digest("hex") as StepKey;
}
