import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import {
  errorCode,
  getXattr,
  listXattrs,
  lutimes,
  mknod,
  O_PATH,
  openat2,
  RESOLVE,
  removeXattr,
  S_IFCHR,
  S_IFIFO,
  SyscallError,
  setXattr,
} from "./syscalls.ts";

/** A path below the root of a tree; bytes, because names in it need not be UTF-8. A leading "/" changes nothing. */
export type TreePath = string | Uint8Array;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const SLASH = 0x2f;
const IN_ROOT = RESOLVE.inRoot | RESOLVE.noMagicLinks;
const DIRECTORY = O_PATH | constants.O_DIRECTORY;
const DEEP = 64;

/** One entry of a walk. `at` leads to it through its directory's descriptor and holds only until the walk goes on. */
export interface TreeEntry {
  /** Below the root of the tree, without leading slash; empty for the root itself. */
  readonly path: Buffer;
  readonly stats: BigIntStats;
  readonly at: Buffer;
}

/**
 * Access to a file tree that somebody else has filled (invariant 7). A path is resolved by the kernel with the tree as its root
 * (openat2, RESOLVE_IN_ROOT), so no link in it leads out, not even one that is swapped in meanwhile; the last component is worked
 * on relative to its directory's descriptor and never followed, unless a method says so.
 *
 * All methods are synchronous and throw errors with a `code` as Node's. The tree need not be at rest. Main thread only.
 */
export class RootedTree implements Disposable {
  readonly #root: number;
  #hoisted = 0;

  /** `root` itself is a path of ours and is followed as any other. */
  constructor(root: string) {
    this.#root = openSync(root, DIRECTORY);
  }

  lstat(path: TreePath): Stats {
    return this.#at(path, (entry) => lstatSync(entry));
  }

  /** Follows links inside the root. */
  stat(path: TreePath): Stats {
    return this.#opened(path, O_PATH, (fd) => fstatSync(fd));
  }

  /** Whether something is there; a link counts wherever it leads. */
  exists(path: TreePath): boolean {
    try {
      this.lstat(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  }

  readlink(path: TreePath): Buffer {
    return this.#at(path, (entry) => readlinkSync(entry, { encoding: "buffer" }));
  }

  /** Names in a directory, sorted by bytes. A link to a directory is followed inside the root. */
  readdir(path: TreePath): Buffer[] {
    return this.#opened(path, DIRECTORY, (fd) => readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" }).sort(Buffer.compare));
  }

  /**
   * Descriptor for reading a regular file (others: EINVAL; devices and FIFOs are not even opened). The final link is followed inside
   * the root unless `follow` is false (then ELOOP). The caller closes it.
   */
  openRead(path: TreePath, options: { readonly follow?: boolean } = {}): number {
    const flags = O_PATH | (options.follow === false ? constants.O_NOFOLLOW : 0);
    return this.#opened(path, flags, (fd) => {
      const stats = fstatSync(fd);
      if (stats.isSymbolicLink()) throw new SyscallError("open", 40, text(path));
      if (!stats.isFile()) throw new SyscallError("open", 22, `${text(path)}: no regular file`);
      return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY);
    });
  }

  /** Descriptor (O_PATH) of whatever is there, links followed inside the root: what a mount can be made of. The caller closes it. */
  openPath(path: TreePath): number {
    const bytes = clean(path);
    return openat2(this.#root, bytes.length === 0 ? Buffer.from(".") : bytes, O_PATH, IN_ROOT);
  }

  /** Content of a regular file, links followed inside the root. EFBIG when longer than `maxBytes` (default 16 MiB). */
  readFile(path: TreePath, maxBytes = 16 * 1024 * 1024): Buffer {
    const fd = this.openRead(path);
    try {
      const size = fstatSync(fd).size;
      if (size > maxBytes) throw new SyscallError("read", 27, text(path));
      const content = Buffer.alloc(size);
      let length = 0;
      while (length < size) {
        const read = readSync(fd, content, length, size - length, null);
        if (read === 0) break;
        length += read;
      }
      return content.subarray(0, length);
    } finally {
      closeSync(fd);
    }
  }

  /** A new, empty file in the place of a file or link (EISDIR where a directory is), open for writing. The caller closes it. */
  createFile(path: TreePath, mode: number, owner?: Owner): number {
    const fd = this.#at(path, (entry) => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      try {
        return openSync(entry, flags, 0o600);
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
        unlinkSync(entry);
        return openSync(entry, flags, 0o600);
      }
    });
    // Owner first: chown takes setuid bits away.
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode);
    return fd;
  }

  /** Like `mkdir -p`: existing directories, also behind links inside the root, stay as they are; new ones get mode and owner. */
  mkdirs(path: TreePath, mode = 0o755, owner?: Owner): void {
    if (this.#isDirectory(path)) return;
    const bytes = clean(path);
    for (let end = 0; end <= bytes.length; end++) {
      if (end !== bytes.length && bytes[end] !== SLASH) continue;
      const prefix = bytes.subarray(0, end);
      if (prefix.length === 0 || this.#isDirectory(prefix)) continue;
      this.#at(prefix, (entry) => {
        makeDirectory(entry, mode, owner);
      });
    }
  }

  /** One new directory (EEXIST where something is). */
  mkdir(path: TreePath, mode = 0o755, owner?: Owner): void {
    this.#at(path, (entry) => makeDirectory(entry, mode, owner));
  }

  symlink(target: TreePath, path: TreePath, owner?: Owner): void {
    this.#at(path, (entry) => {
      symlinkSync(toBytes(target), entry);
      if (owner !== undefined) lchownSync(entry, owner.uid, owner.gid);
    });
  }

  /** A hard link; a link as `existing` is linked itself, not followed. */
  link(existing: TreePath, path: TreePath): void {
    this.#at(existing, (from) => this.#at(path, (to) => linkSync(from, to)));
  }

  /**
   * Hard links to entries of a directory of another tree on the same file system (else EXDEV), in the directory of that path here; links are
   * linked themselves. EEXIST where something is.
   */
  linkAllFrom(other: RootedTree, directory: TreePath, names: readonly string[]): void {
    other.#opened(directory, DIRECTORY, (from) =>
      this.#opened(directory, DIRECTORY, (to) => {
        for (const name of names) {
          if (name === "" || name.includes("/") || isDots(Buffer.from(name))) throw new SyscallError("link", 22, name);
          linkSync(`/proc/self/fd/${from}/${name}`, `/proc/self/fd/${to}/${name}`);
        }
      }),
    );
  }

  /** Moves an entry inside the tree, replacing a file that is there. */
  rename(from: TreePath, to: TreePath): void {
    this.#at(from, (source) => this.#at(to, (target) => renameSync(source, target)));
  }

  /** Of the link itself where it is one. Takes setuid and setgid away, as the kernel does: chmod after it. */
  chown(path: TreePath, owner: Owner): void {
    this.#at(path, (entry) => lchownSync(entry, owner.uid, owner.gid));
  }

  /** ELOOP for links: they have no mode. */
  chmod(path: TreePath, mode: number): void {
    this.#at(path, (entry) => chmodEntry(entry, mode));
  }

  /** Access and modification time, of the link itself where it is one. Nanoseconds since 1970. */
  utimes(path: TreePath, mtimeNs: bigint): void {
    this.#at(path, (entry) => lutimes(entry, mtimeNs));
  }

  xattrs(path: TreePath): ReadonlyMap<string, Buffer> {
    return this.#at(path, (entry) => new Map(listXattrs(entry).map((name) => [name, getXattr(entry, name)])));
  }

  setXattr(path: TreePath, name: string, value: Uint8Array): void {
    this.#at(path, (entry) => setXattr(entry, name, value));
  }

  removeXattr(path: TreePath, name: string): void {
    this.#at(path, (entry) => removeXattr(entry, name));
  }

  /** An overlay whiteout (character device 0/0) in the place of whatever is there. */
  whiteout(path: TreePath): void {
    this.remove(path);
    this.#at(path, (entry) => mknod(entry, S_IFCHR));
  }

  /** Makes a directory hide what lower layers have there. */
  opaque(path: TreePath): void {
    this.setXattr(path, "trusted.overlay.opaque", Buffer.from("y"));
  }

  fifo(path: TreePath, mode: number, owner?: Owner): void {
    this.#at(path, (entry) => {
      mknod(entry, S_IFIFO | 0o600);
      if (owner !== undefined) lchownSync(entry, owner.uid, owner.gid);
      chmodEntry(entry, mode);
    });
  }

  /** Removes whatever is there, directories with all below, following nothing. Nothing there is no error. */
  remove(path: TreePath): void {
    const bytes = clean(path);
    if (bytes.length === 0) throw new SyscallError("remove", 22, "the root of the tree");
    try {
      this.#inParent(bytes, (parent, name) => this.#removeAt(parent, name, 0));
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  /**
   * Everything in the tree, the root first, directories before what is in them, names sorted by bytes; nothing is followed. For trees
   * at rest. ELOOP where it is nested deeper than 1000 levels, unless `enter` says for a depth (1: what is in the root) to stay out.
   * The caller may change attributes of the entry it was given, and remove it.
   */
  *walk({ enter = () => true }: { readonly enter?: (depth: number) => boolean } = {}): Generator<TreeEntry, void, undefined> {
    const at = Buffer.from(`/proc/self/fd/${this.#root}/.`);
    yield { path: Buffer.alloc(0), stats: lstatSync(at, { bigint: true }), at };
    yield* this.#walkIn(this.#root, Buffer.alloc(0), 0, enter);
  }

  *#walkIn(directory: number, path: Buffer, depth: number, enter: (depth: number) => boolean): Generator<TreeEntry, void, undefined> {
    if (depth > 1_000) throw new SyscallError("walk", 40, "nested too deep");
    for (const name of readdirSync(`/proc/self/fd/${directory}`, { encoding: "buffer" }).sort(Buffer.compare)) {
      const at = entryOf(directory, name);
      const below = path.length === 0 ? name : Buffer.concat([path, Buffer.from("/"), name]);
      const stats = lstatSync(at, { bigint: true });
      yield { path: below, stats, at };
      if (!stats.isDirectory() || !enter(depth + 1)) continue;
      const fd = openat2(directory, name, DIRECTORY | constants.O_NOFOLLOW, RESOLVE.beneath | RESOLVE.noSymlinks);
      try {
        yield* this.#walkIn(fd, below, depth + 1, enter);
      } finally {
        closeSync(fd);
      }
    }
  }

  /** Closes the root's descriptor; the object is of no use afterwards. */
  [Symbol.dispose](): void {
    closeSync(this.#root);
  }

  #removeAt(parent: number, name: Buffer, depth: number): void {
    const entry = entryOf(parent, name);
    if (!lstatSync(entry).isDirectory()) {
      unlinkSync(entry);
      return;
    }
    const fd = openat2(parent, name, DIRECTORY | constants.O_NOFOLLOW, RESOLVE.beneath | RESOLVE.noSymlinks);
    try {
      for (const child of readdirSync(`/proc/self/fd/${fd}`, { encoding: "buffer" })) {
        if (depth < DEEP || !this.#hoist(fd, child)) this.#removeAt(fd, child, depth + 1);
      }
    } finally {
      closeSync(fd);
    }
    rmdirSync(entry);
  }

  /** A tree can be nested deeper than we have descriptors: from a depth on, directories are moved up to the root and removed there. */
  #hoist(parent: number, name: Buffer): boolean {
    const entry = entryOf(parent, name);
    if (!lstatSync(entry).isDirectory()) return false;
    const above = Buffer.from(`.plim-removed-${process.pid}-${this.#hoisted++}`);
    try {
      renameSync(entry, entryOf(this.#root, above));
    } catch (error) {
      // On an overlay a directory of a lower layer cannot be renamed: go on descending.
      if (errorCode(error) === "EXDEV") return false;
      throw error;
    }
    this.#removeAt(this.#root, above, 0);
    return true;
  }

  #isDirectory(path: TreePath): boolean {
    try {
      this.#opened(path, DIRECTORY, () => undefined);
      return true;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** Runs `body` on a descriptor of the path, resolved inside the root; closes it. */
  #opened<T>(path: TreePath, flags: number, body: (fd: number) => T): T {
    const bytes = clean(path);
    const fd = openat2(this.#root, bytes.length === 0 ? Buffer.from(".") : bytes, flags, IN_ROOT);
    try {
      return body(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Runs `body` on a path that leads to the last component through its directory's descriptor. */
  #at<T>(path: TreePath, body: (entry: Buffer) => T): T {
    return this.#inParent(clean(path), (parent, name) => body(entryOf(parent, name)));
  }

  #inParent<T>(bytes: Buffer, body: (parent: number, name: Buffer) => T): T {
    const slash = bytes.lastIndexOf(SLASH);
    const name = bytes.subarray(slash + 1);
    if (name.length === 0) return body(this.#root, Buffer.from("."));
    if (isDots(name)) throw new SyscallError("resolve", 22, `${bytes.toString()}: ends in "." or ".."`);
    if (slash < 0) return body(this.#root, name);
    return this.#opened(bytes.subarray(0, slash), DIRECTORY, (fd) => body(fd, name));
  }
}

function makeDirectory(entry: Buffer, mode: number, owner: Owner | undefined): void {
  mkdirSync(entry, 0o700);
  if (owner !== undefined) lchownSync(entry, owner.uid, owner.gid);
  chmodEntry(entry, mode);
}

/** chmod(2) follows links and an O_PATH descriptor cannot be given to fchmod(2): through the descriptor's own path it works. */
function chmodEntry(entry: Buffer, mode: number): void {
  const fd = openSync(entry, O_PATH | constants.O_NOFOLLOW);
  try {
    if (fstatSync(fd).isSymbolicLink()) throw new SyscallError("chmod", 40, entry.toString());
    chmodSync(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}

function entryOf(parent: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), name]);
}

/** Without slashes at both ends. Components in between are the kernel's to resolve: ".." behind a link is not lexical. */
function clean(path: TreePath): Buffer {
  const bytes = toBytes(path);
  let start = 0;
  let end = bytes.length;
  while (start < end && bytes[start] === SLASH) start++;
  while (end > start && bytes[end - 1] === SLASH) end--;
  return bytes.subarray(start, end);
}

function isDots(name: Buffer): boolean {
  return name.every((byte) => byte === 0x2e) && name.length <= 2;
}

function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function toBytes(path: TreePath): Buffer {
  return typeof path === "string" ? Buffer.from(path) : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

function text(path: TreePath): string {
  return toBytes(path).toString();
}
