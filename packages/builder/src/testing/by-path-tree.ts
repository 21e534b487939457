import {
  chmodSync,
  chownSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { getXattr, listXattrs, type Owner, RootedTree, type TreePath } from "@plimsoll/host";

/**
 * For tests: what RootedTree does, without what it is for. A path is joined to the root and given to the kernel as it is, in this process'
 * own root: links on its way and at its end lead where they say. Everything else of the builder runs on it unchanged.
 */
export class ByPathTree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** As the builder's functions want it. */
  static of(root: string): RootedTree {
    return new ByPathTree(root) as unknown as RootedTree;
  }

  lstat(path: TreePath) {
    const at = this.at(path);
    return existsSync(at) ? statSync(at) : lstatSync(at);
  }

  stat(path: TreePath) {
    return statSync(this.at(path));
  }

  exists(path: TreePath) {
    return existsSync(this.at(path));
  }

  readlink(path: TreePath) {
    return readlinkSync(this.at(path), { encoding: "buffer" });
  }

  readdir(path: TreePath) {
    return readdirSync(this.at(path), { encoding: "buffer" }).sort(Buffer.compare);
  }

  openRead(path: TreePath) {
    return openSync(this.at(path), "r");
  }

  openPath(path: TreePath) {
    return openSync(this.at(path), "r");
  }

  readFile(path: TreePath) {
    return readFileSync(this.at(path));
  }

  createFile(path: TreePath, mode: number, owner?: Owner) {
    const fd = openSync(this.at(path), "w", mode);
    if (owner !== undefined && fstatSync(fd).uid !== owner.uid) this.chown(path, owner);
    return fd;
  }

  mkdirs(path: TreePath, mode = 0o755) {
    mkdirSync(this.at(path), { recursive: true, mode });
  }

  mkdir(path: TreePath, mode = 0o755) {
    mkdirSync(this.at(path), mode);
  }

  symlink(target: TreePath, path: TreePath) {
    symlinkSync(Buffer.from(target), this.at(path));
  }

  link(existing: TreePath, path: TreePath) {
    linkSync(this.at(existing), this.at(path));
  }

  rename(from: TreePath, to: TreePath) {
    renameSync(this.at(from), this.at(to));
  }

  chown(path: TreePath, { uid, gid }: Owner) {
    chownSync(this.at(path), uid, gid);
  }

  chmod(path: TreePath, mode: number) {
    chmodSync(this.at(path), mode);
  }

  utimes(path: TreePath, mtimeNs: bigint) {
    const seconds = Number(mtimeNs / 1_000_000_000n);
    utimesSync(this.at(path), seconds, seconds);
  }

  xattrs(path: TreePath) {
    const at = Buffer.from(this.at(path));
    return new Map(listXattrs(at).map((name) => [name, getXattr(at, name)]));
  }

  setXattr(path: TreePath, name: string, value: Uint8Array) {
    using there = new RootedTree(this.at(path));
    there.setXattr("", name, value);
  }

  whiteout(path: TreePath) {
    this.remove(path);
  }

  opaque(path: TreePath) {
    this.setXattr(path, "trusted.overlay.opaque", Buffer.from("y"));
  }

  fifo(path: TreePath, mode: number) {
    void run(["mkfifo", `--mode=${mode.toString(8)}`, this.at(path)]);
  }

  remove(path: TreePath) {
    rmSync(this.at(path), { recursive: true, force: true });
  }

  [Symbol.dispose]() {
    // It holds nothing.
  }

  private at(path: TreePath): string {
    return join(this.root, typeof path === "string" ? path : Buffer.from(path).toString());
  }
}
