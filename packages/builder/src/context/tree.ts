import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import { type GitObjects, type ObjectId, parseTree, type TreeEntry, treeId } from "./git-objects.ts";
import type { IgnoreRules, Verdict } from "./ignore.ts";

/** Something in the context: a file, directory, link or submodule, with the path it really has. */
export interface ContextNode {
  /** Relative to the context, without leading slash; empty for the context itself. */
  readonly path: string;
  readonly kind: TreeEntry["kind"];
  readonly id: ObjectId;
}

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;
const MAX_LINK_BYTES = 4_096;

/**
 * A directory of a commit as build context: the raw git tree without what ignore rules leave out. Directories are read when they are
 * asked for; a directory below which no rule reaches is never read for its id. Links are followed inside the context only.
 */
export class ContextTree {
  private readonly objects: GitObjects;
  private readonly rules: IgnoreRules | undefined;
  private readonly rootId: ObjectId;
  private readonly raw = new Map<ObjectId, Promise<readonly TreeEntry[]>>();
  /** Filtered directories by path. Undefined: nothing of it is left. */
  private readonly filtered = new Map<string, Promise<readonly TreeEntry[] | undefined>>();

  constructor(objects: GitObjects, rootId: ObjectId, rules?: IgnoreRules) {
    this.objects = objects;
    this.rootId = rootId;
    this.rules = rules;
  }

  /** The context itself; its id stands for everything that is left in it. */
  async root(): Promise<ContextNode> {
    const entries = await this.entriesAt("", this.rootId, this.rules?.root());
    return { path: "", kind: "directory", id: entries === undefined ? treeId([], this.idBytes) : entries.id };
  }

  /** What a directory holds, in git's order. `node` must come from this tree. */
  async children(node: ContextNode): Promise<readonly ContextNode[]> {
    const known = this.filtered.get(node.path);
    const entries = (known === undefined ? undefined : await known) ?? (await this.rawEntries(node.id));
    return entries.map(({ name, kind, id }) => ({ path: node.path === "" ? name : `${node.path}/${name}`, kind, id }));
  }

  /**
   * The node at a path, `..` clamped at the context, links in the middle followed; at the end too when `follow`. Undefined when nothing is
   * there. Throws AppError `invalid` for a loop of links.
   */
  async find(path: string, follow: boolean): Promise<ContextNode | undefined> {
    let links = 0;
    const pending = posix.join("/", path).split("/").filter(Boolean).reverse();
    const stack: ContextNode[] = [await this.root()];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const directory = stack.at(-1);
      if (directory === undefined || directory.kind !== "directory") return undefined;
      if (name === ".") continue;
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const wanted = directory.path === "" ? name : `${directory.path}/${name}`;
      const node = (await this.children(directory)).find((child) => child.path === wanted);
      if (node === undefined) return undefined;
      if (node.kind !== "symlink" || (pending.length === 0 && !follow)) {
        stack.push(node);
        continue;
      }
      if (++links > MAX_LINKS) throw new AppError("invalid", `${path} leads through more than ${MAX_LINKS} links, probably in a circle.`);
      const target = await this.linkTarget(node);
      if (target.startsWith("/")) stack.length = 1;
      pending.push(...target.split("/").filter(Boolean).reverse());
    }
    return stack.at(-1);
  }

  async linkTarget(node: ContextNode): Promise<string> {
    return (await this.objects.read(node.id, "blob", MAX_LINK_BYTES)).toString("utf8");
  }

  private get idBytes(): 20 | 32 {
    return this.rootId.length === 40 ? 20 : 32;
  }

  private rawEntries(id: ObjectId): Promise<readonly TreeEntry[]> {
    let entries = this.raw.get(id);
    if (entries === undefined) {
      entries = this.objects.read(id, "tree").then((data) => parseTree(data, this.idBytes));
      this.raw.set(id, entries);
    }
    return entries;
  }

  /** A directory after the rules: its id, and in `filtered` its entries where rules reach below it. Undefined: it is left out. */
  private async entriesAt(path: string, id: ObjectId, verdict: Verdict | undefined): Promise<{ id: ObjectId } | undefined> {
    if (this.rules === undefined || verdict === undefined) return { id };
    if (!this.rules.reachesBelow(path, verdict)) return verdict.ignored ? undefined : { id };
    let entries = this.filtered.get(path);
    if (entries === undefined) {
      entries = this.filter(path, id, verdict);
      this.filtered.set(path, entries);
    }
    const left = await entries;
    return left === undefined ? undefined : { id: treeId(left, this.idBytes) };
  }

  private async filter(path: string, id: ObjectId, verdict: Verdict): Promise<readonly TreeEntry[] | undefined> {
    const rules = this.rules;
    const entries = await this.rawEntries(id);
    if (rules === undefined) return entries;
    const kept = await Promise.all(
      entries.map(async (entry): Promise<TreeEntry | undefined> => {
        const childPath = path === "" ? entry.name : `${path}/${entry.name}`;
        const judged = rules.judge(childPath, verdict);
        if (entry.kind !== "directory") return judged.ignored ? undefined : entry;
        const child = await this.entriesAt(childPath, entry.id, judged);
        return child === undefined ? undefined : { ...entry, id: child.id };
      }),
    );
    const left = kept.filter((entry) => entry !== undefined);
    // An ignored directory stays only as the way to something that a later rule takes back in.
    return verdict.ignored && left.length === 0 ? undefined : left;
  }
}
