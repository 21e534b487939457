import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import { type DetectedRecipe, detect, type ProjectFiles } from "@plimsoll/detect";
import type { GitObjects } from "../context/git-objects.ts";
import { type ContextNode, ContextTree } from "../context/tree.ts";
import { BuildProblem } from "../problem.ts";

/** Larger files are looked at by their names only: lock files of big projects, mostly. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;
/** Of one directory: what somebody keeps a program's beginnings among. */
const MAX_NAMES = 10_000;

/** A Dockerfile for the directory of a commit that has none. Throws BuildProblem that says what was looked for. */
export async function writeRecipe(objects: GitObjects, rootId: string): Promise<DetectedRecipe> {
  const detection = await detect(filesOf(objects, new ContextTree(objects, rootId)));
  if (detection.kind === "recipe") return detection.recipe;
  throw new BuildProblem({ reason: "dockerfile", message: detection.message });
}

/** What people read of it, first thing in their build. */
export function foundSentences({ what, because }: DetectedRecipe): readonly string[] {
  return [
    `No Dockerfile: this is ${what} (${because.join("; ")}).`,
    "One was written for it. See it: plim build --explain · make it your own: plim build --eject",
  ];
}

/** Links are followed in the directory only, as everywhere in a context. */
function filesOf(objects: GitObjects, tree: ContextTree): ProjectFiles {
  const find = (path: string): Promise<ContextNode | undefined> => unlessInvalid(tree.find(path, true));
  return {
    async list(directory) {
      const node = await find(directory);
      if (node?.kind !== "directory") return [];
      const children = (await tree.children(node)).slice(0, MAX_NAMES);
      return Promise.all(
        children.map(async (child) => {
          const real = child.kind === "symlink" ? await find(child.path) : child;
          return `${posix.basename(child.path)}${real?.kind === "directory" ? "/" : ""}`;
        }),
      );
    },
    async read(path) {
      const node = await find(path);
      if (node?.kind !== "file" && node?.kind !== "executable") return undefined;
      const text = await unlessInvalid(objects.read(node.id, "blob", MAX_TEXT_BYTES));
      return text?.toString("utf8");
    },
  };
}

/** A circle of links or a file too large is as good as none; everything else says that the commit cannot be read. */
async function unlessInvalid<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof AppError && error.code === "invalid") return undefined;
    throw error;
  }
}
