import { chmodSync, chownSync, closeSync, fstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, MS, mount, mountIdMapped, mountOverlay, RootedTree } from "@plimsoll/host";
import type { BindMount, TmpfsMount } from "./oci-spec.ts";

/**
 * Something that a build step sees besides its layers, and that is in no layer afterwards. `source` is a path in a tree that a tenant has
 * filled: links in it are followed inside that tree only. Destinations are resolved by the runtime inside the container's root.
 */
export type SandboxMount = TreeMount | DirectoryMount | FileMount | SocketMount | TmpfsMount;

/** A file or directory of a chain of layers. */
export interface TreeMount {
  readonly type: "tree";
  /** Directories, bottom first; at least one. */
  readonly layers: readonly string[];
  /** Absent: read-only. Else takes what is written; the caller's to throw away. */
  readonly upper?: { readonly upperDir: string; readonly workDir: string };
  readonly source: string;
  readonly destination: string;
}

/** A file or directory of a directory with container-side ids on disk, seen by all who have it at once. */
export interface DirectoryMount {
  readonly type: "directory";
  readonly root: string;
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** A small file in memory, read-only. */
export interface FileMount {
  readonly type: "file";
  readonly content: Buffer;
  readonly destination: string;
  readonly mode: number;
  /** Container-side. */
  readonly uid: number;
  readonly gid: number;
}

/** A socket that we listen on, with the owner and mode that it has. */
export interface SocketMount {
  readonly type: "socket";
  readonly source: string;
  readonly destination: string;
}

/**
 * Mounts them below `mountsDir` and returns what the runtime is to bind. Synchronous, main thread, in the private mount namespace of one
 * bundle, whose `mountsDir` is a tmpfs of root's. Throws MissingMountSource.
 */
export function placeMounts(
  mounts: readonly SandboxMount[],
  mountsDir: string,
  userNamespace: { readonly path: string; readonly uidBase: number },
): readonly (BindMount | TmpfsMount)[] {
  const placesDir = join(mountsDir, "m");
  mkdirSync(placesDir, { mode: 0o711 });
  const put = (wanted: SandboxMount, index: number): BindMount | TmpfsMount => {
    const place = join(placesDir, String(index));
    switch (wanted.type) {
      case "tmpfs":
        return wanted;
      case "file":
        writeFileSync(place, wanted.content, { mode: 0o600 });
        chownSync(place, userNamespace.uidBase + wanted.uid, userNamespace.uidBase + wanted.gid);
        chmodSync(place, wanted.mode);
        return { source: place, destination: wanted.destination, readOnly: true };
      case "socket":
        return { source: wanted.source, destination: wanted.destination, readOnly: false };
      case "directory": {
        const { root, source, destination, readOnly } = wanted;
        attach(root, source, place, (from) => mountIdMapped(from, place, userNamespace.path, { readOnly }));
        return { source: place, destination, readOnly };
      }
      case "tree": {
        const { layers, upper, source, destination } = wanted;
        const only = layers[0];
        if (layers.length === 1 && only !== undefined && upper === undefined) {
          // An overlay needs two.
          attach(only, source, place, (from) => mountIdMapped(from, place, userNamespace.path, { readOnly: true }));
          return { source: place, destination, readOnly: true };
        }
        const scratch = join(mountsDir, `t${index}`);
        mkdirSync(scratch, { mode: 0o711 });
        const { path: usernsPath, uidBase } = userNamespace;
        const root = mountOverlay({ layers, ...(upper === undefined ? {} : { upper }), usernsPath, uidBase, scratch });
        attach(root, source, place, (from) => mount(from, place, "none", MS.bind));
        return { source: place, destination, readOnly: upper === undefined };
      }
    }
  };
  return mounts.map(put);
}

/** A source of a mount that is not there, or leads nowhere. */
export class MissingMountSource extends Error {
  readonly source: string;
  constructor(source: string, options: ErrorOptions) {
    super(`${source} does not exist`, options);
    this.source = source;
  }
}

/** Looks the source up inside its root and mounts what was found, by descriptor: whoever swaps in a link afterwards changes nothing. */
function attach(root: string, source: string, place: string, make: (from: string) => void): void {
  using tree = new RootedTree(root);
  const found = open(tree, source);
  try {
    if (fstatSync(found).isDirectory()) mkdirSync(place);
    else writeFileSync(place, "");
    make(`/proc/self/fd/${found}`);
  } finally {
    closeSync(found);
  }
}

function open(tree: RootedTree, source: string): number {
  try {
    return tree.openPath(source);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) throw error;
    throw new MissingMountSource(source, { cause: error });
  }
}
