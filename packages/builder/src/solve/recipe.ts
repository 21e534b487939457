import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import type { DetectedRecipe } from "@plimsoll/detect";
import { type GitObjects, parseCommit } from "../context/git-objects.ts";
import { IgnoreRules } from "../context/ignore.ts";
import { type ContextNode, ContextTree } from "../context/tree.ts";
import { excerpted } from "../dockerfile/excerpt.ts";
import { type Dockerfile, parseDockerfile } from "../dockerfile/parse.ts";
import type { ContextSource } from "../execute/protocol.ts";
import { BuildProblem } from "../problem.ts";
import { writeRecipe } from "./detected.ts";

/** What is to be built, as the commit has it. */
export interface Recipe {
  readonly dockerfile: Dockerfile;
  /** As it was read. */
  readonly text: string;
  readonly context: ContextTree;
  readonly rules?: IgnoreRules;
  /** Where the commit has no Dockerfile: what this one was written for. */
  readonly written?: DetectedRecipe;
  /** For the worker, which reads the context again. */
  readonly source: ContextSource;
}

export interface RecipeRequest {
  readonly commit: string;
  /** In the repository. Default: `Dockerfile` in the context. */
  readonly dockerfile?: string;
  /** In the repository. Default: its root. */
  readonly contextDir?: string;
}

const MAX_TEXT_BYTES = 1024 * 1024;

/**
 * Reads Dockerfile, ignore file and context root of a commit; where none is asked for and there is no Dockerfile, one is written for what
 * is there. Links are followed inside the repository only. Throws BuildProblem, and AppError `not_found` when the commit is not in the
 * repository.
 */
export async function readRecipe(objects: GitObjects, request: RecipeRequest): Promise<Recipe> {
  const { tree, committedAt } = parseCommit(await objects.read(request.commit, "commit"));
  const repository = new ContextTree(objects, tree);
  const directory = trimmed(request.contextDir ?? "");
  const file = trimmed(request.dockerfile ?? posix.join(directory, "Dockerfile"));
  const root = await find(repository, directory);
  if (root?.kind !== "directory") {
    throw new BuildProblem({
      reason: "context",
      message: `The repository has no directory ${directory} to build from; set the app's build directory.`,
    });
  }
  const written =
    request.dockerfile === undefined && (await repository.find(file, false)) === undefined
      ? await writeRecipe(objects, root.id)
      : undefined;
  const text = written?.dockerfile ?? (await readDockerfile(objects, repository, file));
  const dockerfile = excerpted({ file, text }, () => parseDockerfile(text, file));
  const ignore =
    (await readIgnoreFile(objects, repository, `${file}.dockerignore`)) ??
    (await readIgnoreFile(objects, repository, posix.join(directory, ".dockerignore"))) ??
    (written === undefined ? undefined : { text: written.dockerignore, file: posix.join(directory, ".dockerignore") });
  const rules = ignore === undefined ? undefined : excerpted(ignore, () => IgnoreRules.parse(ignore.text, ignore.file));
  return {
    dockerfile,
    text,
    context: new ContextTree(objects, root.id, rules),
    ...(rules === undefined ? {} : { rules }),
    ...(written === undefined ? {} : { written }),
    source: { rootId: root.id, directory, committedAt, ...(ignore === undefined ? {} : { ignore }) },
  };
}

/** A directory of the repository that a named context is. */
export interface NamedContext {
  readonly tree: ContextTree;
  /** For the worker. */
  readonly source: ContextSource;
}

/** The directories, each without what its own .dockerignore leaves out, by path. Throws BuildProblem for one that is not there. */
export async function readContexts(
  objects: GitObjects,
  { commit }: Pick<RecipeRequest, "commit">,
  directories: readonly string[],
): Promise<ReadonlyMap<string, NamedContext>> {
  const { tree, committedAt } = parseCommit(await objects.read(commit, "commit"));
  const repository = new ContextTree(objects, tree);
  const contexts = await Promise.all(
    directories.map(async (directory): Promise<readonly [string, NamedContext]> => {
      const root = await find(repository, directory);
      if (root?.kind !== "directory") {
        const message = `The repository has no directory ${directory}, which a build context is to be; correct build.contexts.`;
        throw new BuildProblem({ reason: "context", message });
      }
      const ignore = await readIgnoreFile(objects, repository, posix.join(directory, ".dockerignore"));
      const rules = ignore === undefined ? undefined : excerpted(ignore, () => IgnoreRules.parse(ignore.text, ignore.file));
      const source = { rootId: root.id, directory, committedAt, ...(ignore === undefined ? {} : { ignore }) };
      return [directory, { tree: new ContextTree(objects, root.id, rules), source }];
    }),
  );
  return new Map(contexts);
}

function trimmed(path: string): string {
  return posix.join("/", path).replace(/^\/+|\/+$/g, "");
}

async function readDockerfile(objects: GitObjects, repository: ContextTree, file: string): Promise<string> {
  const node = await find(repository, file);
  if (node !== undefined && node.kind !== "directory" && node.kind !== "submodule") return readText(objects, node, file);
  const link = await repository.find(file, false);
  const message =
    link?.kind === "symlink"
      ? `${file} is a link to ${(await repository.linkTarget(link)).slice(0, 200)}, which is not a file of the repository. Commit the Dockerfile itself.`
      : `The repository has no ${file}. Add one (it tells how the app is built), or set the app's Dockerfile to where it is.`;
  throw new BuildProblem({ reason: "dockerfile", message, file, line: 1 });
}

async function readIgnoreFile(
  objects: GitObjects,
  repository: ContextTree,
  file: string,
): Promise<{ text: string; file: string } | undefined> {
  const node = await find(repository, file);
  if (node?.kind !== "file" && node?.kind !== "executable") return undefined;
  return { text: await readText(objects, node, file), file };
}

async function readText(objects: GitObjects, node: ContextNode, file: string): Promise<string> {
  try {
    return (await objects.read(node.id, "blob", MAX_TEXT_BYTES)).toString("utf8");
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "invalid") throw error;
    throw new BuildProblem({ reason: "dockerfile", message: `${file} is larger than 1 MiB; that is no recipe.`, file, line: 1 });
  }
}

async function find(tree: ContextTree, path: string): Promise<ContextNode | undefined> {
  try {
    return await tree.find(path, true);
  } catch (error) {
    if (error instanceof AppError && error.code === "invalid") throw new BuildProblem({ reason: "context", message: error.message });
    throw error;
  }
}
