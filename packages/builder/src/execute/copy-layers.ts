import { createHash } from "node:crypto";
import { closeSync, readSync, type Stats } from "node:fs";
import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import { errorCode, type RootedTree } from "@plimsoll/host";
import { CopyFilter, type FilterState, readSource, type Taking } from "../context/filter.ts";
import { hasWildcard, sourceMatcher } from "../context/pattern.ts";
import { MissingSource } from "../context/select.ts";
import type { CopyContent } from "../plan/keys.ts";
import { type Destination, type EntryAttributes, timeNs } from "./destination.ts";
import type { Placement } from "./place.ts";

interface Source {
  /** What it is called in a destination directory; empty for directories, whose contents are taken. */
  readonly name: string;
  /** Without links. */
  readonly path: string;
}

const BLOCK = Buffer.allocUnsafe(1024 * 1024);
/** Deeper than any real tree; the walk is recursive. */
const MAX_DEPTH = 1_000;

/**
 * What a COPY --from takes out of a tree, and the content key of each part: names, types, modes, owners, link targets, extended attributes
 * and bytes, but no times. With a destination, it is written there in the same pass. All access goes through RootedTree: links in
 * the tree lead nowhere outside it. Named links are followed, inner ones stay; owners, setuid bits, hard links inside one source are kept.
 */
export function copyFromTree(
  origin: RootedTree,
  taking: Taking,
  into?: { readonly destination: Destination; readonly placement: Placement },
): readonly CopyContent[] {
  const contents: CopyContent[] = [];
  for (const written of taking.sources) {
    const { start, filter } = readSource(written, taking);
    for (const source of select(origin, start)) {
      const isDirectory = source.name === "";
      if (taking.parents === true && !isDirectory) throw new MissingSource(written, `${source.path} is no directory`);
      if (!isDirectory && !filter.judge(source.name, filter.root()).taken) continue;
      const target = into?.placement.of({ name: source.name, isDirectory });
      const walker = new Walker(origin, into?.destination, filter);
      const content = isDirectory ? walker.directory(source.path, target) : walker.file(source.path, target);
      if (content === undefined && taking.parents === true && !hasWildcard(written)) {
        throw new MissingSource(written, `${written} does not exist there`);
      }
      contents.push({ name: source.name, kind: isDirectory ? "directory" : "file", content: content ?? "" });
    }
  }
  return contents;
}

/** Where an entry stands: what it is called in the source, where it goes, and what was said above it. */
interface Place {
  readonly relative: string;
  readonly target: string | undefined;
  readonly above: FilterState;
  /** Makes the directories above that are not taken themselves. */
  readonly makeParents: () => void;
  readonly depth: number;
}

class Walker {
  private readonly origin: RootedTree;
  private readonly destination: Destination | undefined;
  private readonly filter: CopyFilter;
  /** First path, and where it was copied to, of files with several names. */
  private readonly linked = new Map<string, { path: string; target: string | undefined }>();

  constructor(origin: RootedTree, destination: Destination | undefined, filter: CopyFilter) {
    this.origin = origin;
    this.destination = destination;
    this.filter = filter;
  }

  /** The contents of a directory; undefined where nothing of it is taken. */
  directory(path: string, target: string | undefined): string | undefined {
    return this.children(path, { relative: "", target, above: this.filter.root(), makeParents: () => undefined, depth: 0 });
  }

  /** One file, whatever the filter says. */
  file(path: string, target: string | undefined): string {
    const all = new Walker(this.origin, this.destination, new CopyFilter({}));
    const place = { relative: posix.basename(path), target, above: all.filter.root(), makeParents: () => undefined, depth: 0 };
    return all.entry(path, place) ?? "";
  }

  private children(path: string, { relative, target, above, makeParents, depth }: Place): string | undefined {
    if (depth > MAX_DEPTH) throw new AppError("invalid", `directories are nested more than ${MAX_DEPTH} deep`);
    const hash = createHash("sha256");
    let isEmpty = true;
    for (const name of this.origin.readdir(path)) {
      const text = name.toString("utf8");
      if (!Buffer.from(text).equals(name))
        throw new AppError("invalid", `the name ${JSON.stringify(posix.join(path, text))} is not UTF-8; rename it in that stage`);
      const content = this.entry(posix.join(path, text), {
        relative: posix.join(relative, text),
        target: target === undefined ? undefined : posix.join(target, text),
        above,
        makeParents,
        depth: depth + 1,
      });
      if (content === undefined) continue;
      isEmpty = false;
      hash.update(`${JSON.stringify(text)} ${content}\n`);
    }
    return isEmpty && !this.filter.takesAll ? undefined : hash.digest("hex");
  }

  private entry(path: string, place: Place): string | undefined {
    const { target, makeParents } = place;
    const { taken, mayHoldTaken, state } = this.filter.judge(place.relative, place.above);
    if (!taken && !mayHoldTaken) return undefined;
    const stats = this.origin.lstat(path);
    if (!taken && !stats.isDirectory()) return undefined;
    const xattrs = copiedXattrs(this.origin, path);
    const attributes: EntryAttributes = {
      mode: stats.mode & 0o7777,
      owner: { uid: stats.uid, gid: stats.gid },
      mtimeNs: timeNs(stats.mtimeMs),
      xattrs,
    };
    const hash = createHash("sha256").update(describe(stats, xattrs));
    if (stats.isDirectory()) {
      let made = false;
      const make = () => {
        if (made) return;
        made = true;
        makeParents();
        if (target !== undefined) this.destination?.putDirectory(target, attributes);
      };
      if (taken) make();
      const content = this.children(path, { ...place, above: state, makeParents: make });
      if (content === undefined && !taken) return undefined;
      return hash.update(content ?? "").digest("hex");
    }
    makeParents();
    if (stats.isSymbolicLink()) {
      const link = this.origin.readlink(path);
      hash.update(link);
      if (target !== undefined) this.destination?.putLink(target, link, attributes);
    } else if (stats.isFile()) {
      this.content(path, target, stats, attributes, hash);
    } else if (stats.isFIFO()) {
      if (target !== undefined) this.destination?.putFifo(target, attributes);
    } else {
      throw new AppError("unsupported", `${path} is a device or socket, which is not copied; name the files that are needed`);
    }
    return hash.digest("hex");
  }

  private content(
    path: string,
    target: string | undefined,
    stats: Stats,
    attributes: EntryAttributes,
    hash: ReturnType<typeof createHash>,
  ): void {
    const key = stats.nlink > 1 ? `${stats.dev}:${stats.ino}` : undefined;
    const first = key === undefined ? undefined : this.linked.get(key);
    if (key !== undefined && first === undefined) this.linked.set(key, { path, target });
    const isLink = first?.target !== undefined && target !== undefined;
    if (isLink && first?.target !== undefined) this.destination?.putHardLink(target, first.target);
    const writer = target === undefined || isLink ? undefined : this.destination?.putFile(target, attributes);
    const descriptor = this.origin.openRead(path, { follow: false });
    let complete = false;
    try {
      for (let length = readSync(descriptor, BLOCK); length > 0; length = readSync(descriptor, BLOCK)) {
        const bytes = BLOCK.subarray(0, length);
        hash.update(bytes);
        writer?.write(bytes);
      }
      complete = true;
    } finally {
      closeSync(descriptor);
      if (complete) writer?.end();
      else writer?.abort();
    }
  }
}

function describe(stats: Stats, xattrs: ReadonlyMap<string, Buffer>): string {
  const type = stats.mode & 0o170000;
  const size = stats.isFile() ? stats.size : 0;
  const mode = stats.isSymbolicLink() ? 0o777 : stats.mode & 0o7777;
  const extra = [...xattrs].map(([name, value]) => [name, value.toString("hex")]).sort();
  return `${JSON.stringify([type, mode, stats.uid, stats.gid, size, extra])}\n`;
}

/** Not security labels of this host, not ACLs, not overlayfs' own; file capabilities count. */
function copiedXattrs(tree: RootedTree, path: string): ReadonlyMap<string, Buffer> {
  const all = [...tree.xattrs(path)];
  return new Map(all.filter(([name]) => name === "security.capability" || !/^(?:security|system|trusted\.overlay)\./.test(name)));
}

function select(tree: RootedTree, written: string): readonly Source[] {
  const segments = posix.join("/", written).split("/").filter(Boolean);
  const first = segments.findIndex(hasWildcard);
  if (first < 0) return [named(tree, written, `/${segments.join("/")}`)];
  const base = `/${segments.slice(0, first).join("/")}`;
  if (!isDirectory(tree, base)) throw new MissingSource(written, `there is no directory ${base}`);
  return matchBelow(tree, base, segments.slice(first).map(sourceMatcher)).map((path) => named(tree, written, path));
}

/** Follows the named link, and any on the way, inside the tree. */
function named(tree: RootedTree, written: string, path: string): Source {
  try {
    if (tree.stat(path).isDirectory()) return { name: "", path };
    return { name: posix.basename(path), path: followed(tree, path) };
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) throw error;
    const detail = tree.exists(path)
      ? `${path} is a link to ${tree.readlink(path).toString()}, which leads nowhere in that image`
      : `${path} does not exist there`;
    throw new MissingSource(written, detail);
  }
}

/** The path of a file without a link at its end. */
function followed(tree: RootedTree, path: string): string {
  let current = path;
  for (let links = 0; tree.lstat(current).isSymbolicLink(); links++) {
    if (links > 40) throw new MissingSource(path, `${path} leads through too many links`);
    const target = tree.readlink(current).toString();
    current = target.startsWith("/") ? target : `${posix.dirname(current)}/${target}`;
  }
  return current;
}

function isDirectory(tree: RootedTree, path: string): boolean {
  try {
    return tree.stat(path).isDirectory();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}

function matchBelow(tree: RootedTree, directory: string, segments: readonly ((name: string) => boolean)[]): readonly string[] {
  const [matches, ...rest] = segments;
  if (matches === undefined) return [directory];
  const paths = tree
    .readdir(directory)
    .map((name) => name.toString())
    .filter(matches)
    .map((name) => posix.join(directory, name));
  if (rest.length === 0) return paths;
  return paths.filter((path) => tree.lstat(path).isDirectory()).flatMap((path) => matchBelow(tree, path, rest));
}
