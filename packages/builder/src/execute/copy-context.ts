import { createHash } from "node:crypto";
import { posix } from "node:path";
import { AppError } from "@plimsoll/core";
import type { FirstSeen } from "../cache/first-seen.ts";
import type { Taking } from "../context/filter.ts";
import type { GitObjects } from "../context/git-objects.ts";
import { type Taken, take, walkTaken } from "../context/take.ts";
import type { ContextNode, ContextTree } from "../context/tree.ts";
import type { InlineFile } from "../plan/actions.ts";
import { type Destination, DIRECTORY_TIME_NS, type EntryAttributes, type FileWriter } from "./destination.ts";
import { Placement } from "./place.ts";
import type { Reuse } from "./reuse.ts";

export interface ContextCopy {
  readonly objects: GitObjects;
  readonly tree: ContextTree;
  readonly taking: Taking;
  /** Come after the sources. */
  readonly inline: readonly InlineFile[];
  /** Absolute. */
  readonly target: string;
  readonly firstSeen: FirstSeen;
  /** Of the context in the repository. */
  readonly directory: string;
  readonly committedAt: number;
  /** Of the layer that such a COPY made before. */
  readonly reuse?: Reuse;
}

const ROOT = { uid: 0, gid: 0 };
/** Requests to git under way: enough to hide its latency. */
const IN_FLIGHT = 64;
const LFS_POINTER = "version https://git-lfs.github.com/spec/";
const LFS_POINTER_BYTES = 1_024;
const NANOSECONDS = 1_000_000_000n;

/**
 * Writes what a COPY takes of the build context: files stream out of git into the tree, 0644 or 0755, root's, with the time of FirstSeen;
 * links stay links, but the ones that a source names. Throws AppError `unsupported` for submodules and LFS pointers.
 */
export async function copyContext(copy: ContextCopy, destination: Destination): Promise<void> {
  const placement = new Placement(destination, copy.target);
  const writer = new BlobWriter(copy, destination);
  for (const taken of await take(copy.tree, copy.taking)) await copyTaken(copy, taken, { placement, writer, destination });
  await writer.drain();
  copyInline(copy, placement, destination);
}

/** One thing that a source names, into its place; the writer may have work left. */
export async function copyTaken(
  { tree }: Pick<ContextCopy, "tree">,
  taken: Taken,
  into: { readonly placement: Placement; readonly writer: BlobWriter; readonly destination: Destination },
): Promise<void> {
  const { placement, writer, destination } = into;
  const target = placement.of({ name: taken.name, isDirectory: taken.node.kind === "directory" });
  for await (const { relative, node: entry } of walkTaken(tree, taken)) {
    const path = relative === "" ? target : posix.join(target, relative);
    if (entry.kind !== "directory") await writer.add(path, entry);
    else if (relative !== "") destination.putDirectory(path, { mode: 0o755, owner: ROOT, mtimeNs: DIRECTORY_TIME_NS });
  }
}

/** Heredocs as files, 0644 and root's; their time is that of a file of the repository. */
export function copyInline(
  { inline, firstSeen, directory, committedAt }: Pick<ContextCopy, "inline" | "firstSeen" | "directory" | "committedAt">,
  placement: Placement,
  destination: Destination,
): void {
  for (const { name, content } of inline) {
    const bytes = Buffer.from(content);
    const id = createHash("sha256").update(bytes).digest("hex");
    const mtimeNs = BigInt(firstSeen.timeOf(posix.join(directory, `<<${name}`), id, committedAt)) * NANOSECONDS;
    const file = destination.putFile(placement.of({ name: posix.basename(name), isDirectory: false }), {
      mode: 0o644,
      owner: ROOT,
      mtimeNs,
    });
    file.write(bytes);
    file.end();
  }
}

/** Files of the context on their way, several at a time. */
export class BlobWriter {
  private readonly copy: ContextCopy;
  private readonly destination: Destination;
  private readonly running: Promise<void>[] = [];

  constructor(copy: ContextCopy, destination: Destination) {
    this.copy = copy;
    this.destination = destination;
  }

  async add(path: string, node: ContextNode): Promise<void> {
    if (this.running.length >= IN_FLIGHT) await this.running.shift();
    const written = this.write(path, node);
    written.catch(() => undefined); // Awaited later; meanwhile it is no unhandled rejection.
    this.running.push(written);
  }

  async drain(): Promise<void> {
    await Promise.all(this.running.splice(0));
  }

  private write(path: string, node: ContextNode): Promise<void> {
    const { objects, firstSeen, directory, committedAt } = this.copy;
    const seconds = firstSeen.timeOf(posix.join(directory, node.path), node.id, committedAt);
    const attributes = { mode: node.kind === "executable" ? 0o755 : 0o644, owner: ROOT, mtimeNs: BigInt(seconds) * NANOSECONDS };
    if (node.kind !== "symlink") {
      const reuse = this.copy.reuse?.take(path, node.id, this.destination.attributesOf(attributes), () => this.destination.reserve(path));
      return reuse === true ? Promise.resolve() : this.writeFile(path, node, attributes);
    }
    return objects.read(node.id, "blob", 4_096).then((target) => this.destination.putLink(path, target, attributes));
  }

  private async writeFile(path: string, node: ContextNode, attributes: EntryAttributes): Promise<void> {
    let file: FileWriter | undefined;
    let head: Buffer[] | undefined;
    let remaining = 0;
    const close = () => {
      file?.abort();
      file = undefined;
    };
    try {
      await this.copy.objects.stream(node.id, {
        begin: (_type, size) => {
          remaining = size;
          if (size <= LFS_POINTER_BYTES) head = [];
          file = this.destination.putFile(path, attributes);
        },
        chunk: (bytes) => {
          remaining -= bytes.length;
          file?.write(bytes);
          head?.push(Buffer.from(bytes));
          if (remaining === 0 && head !== undefined) refuseLfsPointer(Buffer.concat(head), node.path);
        },
      });
      file?.end();
      file = undefined;
    } finally {
      close();
    }
  }
}

function refuseLfsPointer(content: Buffer, path: string): void {
  if (!content.toString("latin1").startsWith(LFS_POINTER)) return;
  throw new AppError(
    "unsupported",
    `${path} is kept in Git LFS, so the repository holds only a pointer to it. Commit the file itself (git lfs migrate export), fetch it with RUN, or leave it out with .dockerignore.`,
  );
}
