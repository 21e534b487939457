import { posix } from "node:path";
import { hasWildcard, sourceMatcher } from "./pattern.ts";
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
 * path must exist (MissingSource). Throws AppError `invalid` for loops.
 */
export async function selectSource(tree: ContextTree, source: string): Promise<readonly Selected[]> {
  const segments = posix.join("/", source).split("/").filter(Boolean);
  const first = segments.findIndex(hasWildcard);
  if (first < 0) return [await named(tree, source, segments.join("/"))];
  const base = await tree.find(segments.slice(0, first).join("/"), true);
  if (base?.kind !== "directory") throw new MissingSource(source, `there is no directory ${segments.slice(0, first).join("/")}`);
  const paths = await matchBelow(tree, base, segments.slice(first).map(sourceMatcher));
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
