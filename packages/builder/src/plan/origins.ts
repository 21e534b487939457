import type { Dockerfile } from "../dockerfile/parse.ts";
import { problemAt, type SourceLocation } from "../problem.ts";
import { expandAt } from "./expand.ts";

/** Where files come from: a stage of this file, an image, or a directory of the repository that a named context is. */
export type Origin =
  | { readonly kind: "stage"; readonly index: number }
  | { readonly kind: "image"; readonly reference: string }
  | { readonly kind: "directory"; readonly path: string };

export interface OriginName {
  readonly from: string;
  /** `COPY --from`, for messages. */
  readonly flag: string;
  readonly at: SourceLocation;
  /** Index of the stage that it stands in. */
  readonly current: number;
}

/**
 * What a `--from` names: the named context of that name, else a number is a stage, a name is the stage of that name if there is one above, else an image.
 * Throws BuildProblem.
 */
export function readOrigin(
  dockerfile: Dockerfile,
  name: OriginName,
  byName: ReadonlyMap<string, number>,
  contexts: ReadonlyMap<string, Origin>,
): Origin {
  const { from, flag, at, current } = name;
  if (expandAt(from, { get: () => undefined }, { escape: dockerfile.escape }, at) !== from) {
    throw problemAt(
      at,
      "dockerfile",
      `${flag} takes no variables; give the image a stage of its own (FROM $IMAGE AS name) and take from that name.`,
    );
  }
  const context = contexts.get(from.toLowerCase());
  if (context !== undefined) return context;
  if (from.toLowerCase() === "scratch") throw problemAt(at, "dockerfile", `${flag}=scratch has nothing to take; name a stage or an image.`);
  if (from.includes("://")) {
    const message = `${flag}=${from.slice(0, 100)} is no name; give it one as a build context (build.contexts in plimsoll.yaml, or --build-context), write the image's name, or ADD to fetch it.`;
    throw problemAt(at, "unsupported", message);
  }
  if (/^\d+$/.test(from)) return numbered(dockerfile, name);
  const index = byName.get(from.toLowerCase());
  if (index !== undefined) return { kind: "stage", index };
  const later = dockerfile.stages.findIndex(({ from: { name } }) => name === from.toLowerCase());
  if (later === current) throw problemAt(at, "dockerfile", `Stage ${from} cannot copy from itself; a plain RUN cp does that.`);
  if (later >= 0) throw problemAt(at, "dockerfile", `Stage ${from} is defined below; move it above the stage that takes from it.`);
  return { kind: "image", reference: from };
}

function numbered({ stages }: Dockerfile, { from, at, current }: OriginName): Origin {
  const index = Number(from);
  if (index < current) return { kind: "stage", index };
  const reason = index >= stages.length ? `the last stage has number ${stages.length - 1}` : "only stages above this one can be taken from";
  throw problemAt(at, "dockerfile", `There is no stage ${from.slice(0, 20)} to take from here: ${reason}; name one of those.`);
}
