import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RootedTree } from "./rooted-tree.ts";

describe("a tree of somebody else's files", () => {
  let base: string;
  let root: string;
  let tree: RootedTree;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "rooted-"));
    root = join(base, "tree");
    mkdirSync(join(base, "host"), { recursive: true });
    mkdirSync(root);
    writeFileSync(join(base, "host/secret"), "of the host");
    tree = new RootedTree(root);
  });
  afterEach(() => {
    tree[Symbol.dispose]();
    rmSync(base, { recursive: true, force: true });
  });

  it("never reaches the host through links: absolute, upward, or in the middle of a path", () => {
    symlinkSync(join(base, "host"), join(root, "absolute"));
    symlinkSync("../host", join(root, "upward"));
    // The control: by path in the host's mount namespace both lead out.
    expect(readFileSync(join(root, "absolute/secret"), "utf8")).toBe("of the host");
    for (const path of ["absolute/secret", "upward/secret", "../host/secret"]) {
      expect(() => tree.readFile(path)).toThrow(/ENOENT/);
    }
    expect(() => tree.createFile("upward/new", 0o644)).toThrow(/ENOENT/);
    expect(() => tree.mkdirs("upward/new")).toThrow(/EEXIST/);
    tree.remove("absolute");
    tree.remove("upward");
    expect(existsSync(join(base, "host/secret"))).toBe(true);
  });

  it("resolves links inside the root as the container would", () => {
    tree.mkdirs("usr/lib");
    symlinkSync("/usr/lib", join(root, "lib"));
    writeFileSync(join(root, "usr/lib/x"), "inside");
    expect(tree.readFile("/lib/x").toString()).toBe("inside");
    expect(tree.lstat("lib").isSymbolicLink()).toBe(true);
    expect(tree.stat("lib").isDirectory()).toBe(true);
    tree.mkdirs("lib/deep/er", 0o750, { uid: 7, gid: 8 });
    expect(lstatSync(join(root, "usr/lib/deep/er"))).toMatchObject({ uid: 7, gid: 8, mode: 0o40750 });
  });

  it("replaces a link instead of writing through it", () => {
    symlinkSync(join(base, "host/secret"), join(root, "file"));
    const fd = tree.createFile("file", 0o4755, { uid: 5, gid: 6 });
    writeSync(fd, "ours");
    closeSync(fd);
    expect(readFileSync(join(base, "host/secret"), "utf8")).toBe("of the host");
    expect(lstatSync(join(root, "file"))).toMatchObject({ uid: 5, gid: 6, mode: 0o104755 });
    expect(() => tree.openRead("missing")).toThrow(/ENOENT/);
  });

  it("changes owner, time and attributes of a link, not of what it names; refuses its mode", () => {
    symlinkSync(join(base, "host/secret"), join(root, "link"));
    tree.chown("link", { uid: 9, gid: 9 });
    tree.utimes("link", 1_000_000_000_123_456_789n);
    expect(lstatSync(join(root, "link"), { bigint: true })).toMatchObject({ uid: 9n, mtimeNs: 1_000_000_000_123_456_789n });
    expect(lstatSync(join(base, "host/secret")).uid).toBe(0);
    expect(() => tree.chmod("link", 0o777)).toThrow(/ELOOP/);
    tree.setXattr("link", "trusted.test", Buffer.from([0, 255]));
    expect([...tree.xattrs("link")]).toEqual([["trusted.test", Buffer.from([0, 255])]]);
  });

  it("takes names that are no UTF-8", () => {
    const name = Buffer.from([0x66, 0xff, 0xfe]);
    closeSync(tree.createFile(name, 0o644));
    expect(tree.readdir("")).toEqual([name]);
    tree.remove(name);
    expect(tree.readdir("/")).toEqual([]);
  });

  it("does not open devices and FIFOs for reading", () => {
    tree.fifo("pipe", 0o644);
    expect(() => tree.openRead("pipe")).toThrow(/EINVAL/);
    tree.symlink("pipe", "to-pipe");
    expect(() => tree.openRead("to-pipe", { follow: false })).toThrow(/ELOOP/);
  });

  it("puts whiteouts in the place of whole trees", () => {
    tree.mkdirs("a/b/c");
    tree.whiteout("a");
    expect(tree.lstat("a")).toMatchObject({ mode: 0o020000, rdev: 0 });
    tree.mkdirs("d");
    tree.opaque("d");
    expect(tree.xattrs("d").get("trusted.overlay.opaque")?.toString()).toBe("y");
  });

  it("removes a tree nested deeper than descriptors and path lengths reach", () => {
    const name = "d".repeat(200);
    let deepest = root;
    const start = process.cwd();
    try {
      for (let depth = 0; depth < 3_000; depth++) {
        process.chdir(deepest);
        mkdirSync(name);
        deepest = name;
      }
    } finally {
      process.chdir(start);
    }
    symlinkSync(join(base, "host"), join(root, name, "out"));
    tree.remove(name);
    expect(tree.readdir("")).toEqual([]);
    expect(readlinkSync("/proc/self/cwd")).toBe(start);
    expect(existsSync(join(base, "host/secret"))).toBe(true);
  });
});
