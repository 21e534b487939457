import { createHash } from "node:crypto";
import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import type { CopyContent } from "../plan/keys.ts";
import { CopyFilter, type FilterState, readSource, type Taking } from "./filter.ts";
import { hasWildcard } from "./pattern.ts";
import { MissingSource, type Selected, selectSource } from "./select.ts";
import type { ContextNode, ContextTree } from "./tree.ts";

/** One thing that a COPY takes out of the context, with what of it is taken. */
export interface Taken extends Selected {
  readonly filter: CopyFilter;
}

/** An entry that is taken. */
export interface TakenEntry {
  /** Relative to the selected node; empty for the node itself. */
  readonly relative: string;
  readonly node: ContextNode;
}

/** What the sources of a COPY name, in their order. Throws what selectSource throws. */
export async function take(tree: ContextTree, taking: Taking): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (const source of taking.sources) {
    const { start, filter } = readSource(source, taking);
    for (const selected of await selectSource(tree, start)) {
      if (taking.parents !== true) {
        if (selected.node.kind === "directory" || !isExcluded(selected.name, taking)) taken.push({ ...selected, filter });
        continue;
      }
      const found = { name: "", node: selected.node, filter };
      // A pattern may match nothing; a path must be there.
      if (!hasWildcard(source) && (await isEmpty(walkTaken(tree, found)))) throw new MissingSource(source, `${source} does not exist`);
      taken.push(found);
    }
  }
  return taken;
}

/** What names the content that is taken: git's own id where all of it is, else the list of what is. */
export async function contentOf(tree: ContextTree, taken: Taken): Promise<CopyContent> {
  const { name, node, filter } = taken;
  if (node.kind !== "directory") return { name, kind: node.kind, content: node.id };
  if (filter.takesAll) return { name: "", kind: node.kind, content: node.id };
  const hash = createHash("sha256");
  for await (const { relative, node: entry } of walkTaken(tree, taken)) {
    hash.update(`${JSON.stringify([relative, entry.kind, entry.kind === "directory" ? "" : entry.id])}\n`);
  }
  return { name: "", kind: "directory", content: hash.digest("hex") };
}

/**
 * Everything that is taken below a node, the node first, directories before what they hold; a directory that is not taken itself comes
 * only with something that is. Throws AppError `unsupported` for a submodule: git holds only its commit id.
 */
export async function* walkTaken(tree: ContextTree, { node, filter }: Taken): AsyncGenerator<TakenEntry> {
  refuseSubmodule(node);
  yield { relative: "", node };
  if (node.kind === "directory") yield* below(tree, node, "", filter, filter.root(), []);
}

async function* below(
  tree: ContextTree,
  directory: ContextNode,
  relative: string,
  filter: CopyFilter,
  state: FilterState,
  /** Directories above that have not been told yet. */
  untold: TakenEntry[],
): AsyncGenerator<TakenEntry> {
  for (const node of await tree.children(directory)) {
    const path = posix.join(relative, posix.basename(node.path));
    const verdict = filter.judge(path, state);
    if (!verdict.taken && (node.kind !== "directory" || !verdict.mayHoldTaken)) continue;
    if (verdict.taken) {
      refuseSubmodule(node);
      yield* untold.splice(0);
      yield { relative: path, node };
    } else {
      untold.push({ relative: path, node });
    }
    if (node.kind === "directory") yield* below(tree, node, path, filter, verdict.state, untold);
    // Nothing in it was taken.
    if (untold.at(-1)?.relative === path) untold.pop();
  }
}

/** BuildKit's reference excludes also what a source names itself. */
function isExcluded(name: string, { exclude }: Taking): boolean {
  if (exclude === undefined || exclude.length === 0) return false;
  const filter = new CopyFilter({ exclude });
  return !filter.judge(name, filter.root()).taken;
}

async function isEmpty(entries: AsyncGenerator<TakenEntry>): Promise<boolean> {
  for await (const { relative } of entries) if (relative !== "") return false;
  return true;
}

function refuseSubmodule(node: ContextNode): void {
  if (node.kind !== "submodule") return;
  throw new AppError(
    "unsupported",
    `${node.path} is a git submodule; a push does not bring its files. Put them into the repository itself (git subtree), or leave ${node.path} out with .dockerignore.`,
  );
}
