import { closeSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Owner, RootedTree } from "@plimsoll/host";
import type { GitObjects } from "../context/git-objects.ts";
import { type Taken, take } from "../context/take.ts";
import type { ContextNode } from "../context/tree.ts";
import type { AddAction } from "../plan/actions.ts";
import { HEAD_BYTES, isArchive, mayBeArchive, unpackArchive } from "./archives.ts";
import { BlobWriter, type ContextCopy, copyInline, copyTaken } from "./copy-context.ts";
import { copyFromTree } from "./copy-layers.ts";
import { type Destination, timeNs } from "./destination.ts";
import { Placement } from "./place.ts";

/** Name of a downloaded file in the layer that it is kept in. */
export const DOWNLOAD = "file";

export interface Adding extends Omit<ContextCopy, "taking" | "inline" | "target"> {
  readonly action: AddAction;
  /** Directory of ours on a disk, for archives on their way. */
  readonly scratchDir: string;
  /** For each source: the layer that it was fetched into; undefined for those of the context. */
  readonly fetched: readonly (string | undefined)[];
  /** Of --chown. */
  readonly owner: Owner | undefined;
  /** Told of bytes and entries before they are written; may throw. */
  readonly spend: (bytes: number, files: number) => void;
}

/**
 * Writes what an ADD takes: as COPY does, but a file of the context that is a tar archive is unpacked into the destination, a downloaded
 * one when the flag says so. Throws what copying and unpacking throw.
 */
export async function addSources(adding: Adding, tree: RootedTree, destination: Destination): Promise<void> {
  const { action, fetched } = adding;
  const placement = new Placement(destination, action.destination);
  const unpacker = new Unpacker(adding, tree, destination);
  for (const [index, source] of action.sources.entries()) {
    const directory = fetched[index];
    if (source.kind === "local") {
      const taking = { sources: [source.path], exclude: action.exclude };
      await addLocal({ ...adding, inline: [], target: action.destination, taking }, unpacker, placement, destination);
    } else if (directory === undefined) {
      throw new Error(`a source of kind ${source.kind} came without its layer`);
    } else if (source.kind === "git") {
      using origin = new RootedTree(directory);
      copyFromTree(origin, { sources: ["/"], exclude: action.exclude }, { destination, placement });
    } else {
      const file = join(directory, DOWNLOAD);
      if (action.unpack === true && (await unpacker.unpack(file, source.url))) continue;
      copyDownload(file, placement.of({ name: source.name, isDirectory: false }), destination);
    }
  }
  copyInline({ ...adding, inline: action.inline }, placement, destination);
}

async function addLocal(copy: ContextCopy, unpacker: Unpacker, placement: Placement, destination: Destination): Promise<void> {
  const writer = new BlobWriter(copy, destination);
  for (const taken of await take(copy.tree, copy.taking)) {
    if (await unpacker.unpackBlob(taken)) continue;
    await copyTaken(copy, taken, { placement, writer, destination });
  }
  await writer.drain();
}

class Unpacker {
  private readonly adding: Adding;
  private readonly tree: RootedTree;
  private readonly destination: Destination;
  private sequence = 0;

  constructor(adding: Adding, tree: RootedTree, destination: Destination) {
    this.adding = adding;
    this.tree = tree;
    this.destination = destination;
  }

  /** False where it is no archive, or is to stay one. */
  async unpackBlob({ node }: Taken): Promise<boolean> {
    if (this.adding.action.unpack === false || (node.kind !== "file" && node.kind !== "executable")) return false;
    const file = join(this.adding.scratchDir, `archive-${this.sequence++}`);
    let written = 0;
    const spend = (bytes: number) => {
      this.adding.spend(bytes, 0);
      written += bytes;
    };
    try {
      return (await writeCandidate(this.adding.objects, node, file, spend)) && (await this.unpack(file, node.path));
    } finally {
      rmSync(file, { force: true });
      this.adding.spend(-written, 0);
    }
  }

  async unpack(file: string, what: string): Promise<boolean> {
    if (!(await isArchive(file))) return false;
    const path = this.destination.resolve(this.adding.action.destination);
    this.destination.ensureDirectory(path);
    this.destination.keepTime(path);
    const root = this.tree.openPath(path);
    try {
      // The destination is the archive's root: what it holds leads nowhere else, not even within the image.
      using into = new RootedTree(`/proc/self/fd/${root}`);
      await unpackArchive(file, into, { what: `The archive ${what}`, owner: this.adding.owner, spend: this.adding.spend });
    } finally {
      closeSync(root);
    }
    return true;
  }
}

/** Writes a blob to a file of ours when its beginning may be that of an archive. */
async function writeCandidate(objects: GitObjects, node: ContextNode, file: string, spend: (bytes: number) => void): Promise<boolean> {
  let head: Buffer = Buffer.alloc(0);
  let descriptor: number | undefined;
  let isCandidate: boolean | undefined;
  let remaining = 0;
  const write = (bytes: Buffer) => {
    descriptor ??= openSync(file, "wx", 0o600);
    spend(bytes.length);
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
  };
  try {
    await objects.stream(node.id, {
      begin: (_type, size) => {
        remaining = size;
      },
      chunk: (bytes) => {
        remaining -= bytes.length;
        if (isCandidate === true) write(bytes);
        if (isCandidate !== undefined) return;
        head = Buffer.concat([head, bytes]);
        if (head.length < HEAD_BYTES && remaining > 0) return;
        isCandidate = mayBeArchive(head.subarray(0, HEAD_BYTES));
        if (isCandidate) write(head);
      },
    });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  return isCandidate === true;
}

/** 0600 and root's, with the time that its server gave it. */
function copyDownload(file: string, path: string, destination: Destination): void {
  const block = Buffer.allocUnsafe(1024 * 1024);
  const mtimeNs = timeNs(statSync(file).mtimeMs);
  const input = openSync(file, "r");
  const output = destination.putFile(path, { mode: 0o600, owner: { uid: 0, gid: 0 }, mtimeNs });
  let complete = false;
  try {
    for (let length = readSync(input, block); length > 0; length = readSync(input, block)) output.write(block.subarray(0, length));
    complete = true;
  } finally {
    closeSync(input);
    if (complete) output.end();
    else output.abort();
  }
}
