import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import { hasWildcard, segmentMatcher } from "./pattern.ts";
import type { ContextNode, ContextTree } from "./tree.ts";

/** One thing that a COPY takes: the node (named links followed) under the name it was asked by. */
export interface Selected {
  /** Last part of the path as written or matched; what it is called in a destination directory. Empty for the whole context. */
  readonly name: string;
  readonly node: ContextNode;
}

/** A source that names nothing. */
export class MissingSource extends Error {
  readonly source: string;
  constructor(source: string, message: string) {
    super(message);
    this.source = source;
  }
}

/**
 * The nodes that one source of a COPY names. Named and matched links are followed inside the context. A wildcard may match nothing; a plain
 * path must exist (MissingSource). Throws PatternError for a broken pattern, AppError `invalid` for loops.
 */
export async function selectSource(tree: ContextTree, source: string): Promise<readonly Selected[]> {
  const segments = posix.join("/", source).split("/").filter(Boolean);
  const first = segments.findIndex(hasWildcard);
  if (first < 0) return [await named(tree, source, segments.join("/"))];
  const base = await tree.find(segments.slice(0, first).join("/"), true);
  if (base?.kind !== "directory") throw new MissingSource(source, `there is no directory ${segments.slice(0, first).join("/")}`);
  const paths = await matchBelow(tree, base, segments.slice(first).map(segmentMatcher));
  return Promise.all(paths.map((path) => named(tree, source, path)));
}

async function named(tree: ContextTree, source: string, path: string): Promise<Selected> {
  const node = await tree.find(path, true);
  if (node === undefined) {
    const link = await tree.find(path, false);
    if (link === undefined) throw new MissingSource(source, `${path} does not exist`);
    throw new MissingSource(source, `${path} is a link to ${await tree.linkTarget(link)}, which does not exist in the context`);
  }
  return { name: posix.basename(path), node };
}

async function matchBelow(tree: ContextTree, directory: ContextNode, segments: readonly ((name: string) => boolean)[]): Promise<string[]> {
  const [matches, ...rest] = segments;
  if (matches === undefined) return [directory.path];
  const children = (await tree.children(directory)).filter((child) => matches(posix.basename(child.path)));
  children.sort((a, b) => (a.path < b.path ? -1 : 1));
  if (rest.length === 0) return children.map((child) => child.path);
  const below = children.filter((child) => child.kind === "directory").map((child) => matchBelow(tree, child, rest));
  return (await Promise.all(below)).flat();
}

/** An entry of a selected directory. */
export interface WalkEntry {
  /** Relative to the selected node; empty for the node itself. */
  readonly relative: string;
  readonly node: ContextNode;
}

/**
 * Everything below a node, the node first, directories before what they hold. Throws AppError `unsupported` for a submodule: git holds
 * only its commit id.
 */
export async function* walk(tree: ContextTree, root: ContextNode): AsyncGenerator<WalkEntry> {
  const pending: WalkEntry[] = [{ relative: "", node: root }];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const { relative, node } = entry;
    if (node.kind === "submodule") {
      throw new AppError(
        "unsupported",
        `${node.path} is a git submodule; a push does not bring its files. Put them into the repository itself (git subtree), or leave ${node.path} out with .dockerignore.`,
      );
    }
    yield entry;
    if (node.kind !== "directory") continue;
    for (const child of (await tree.children(node)).toReversed()) {
      const name = posix.basename(child.path);
      pending.push({ relative: relative === "" ? name : `${relative}/${name}`, node: child });
    }
  }
}
