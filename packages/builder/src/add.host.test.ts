import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { run } from "@plimsoll/exec";
import { RootedTree } from "@plimsoll/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unpackArchive } from "./execute/archives.ts";
import { BuildHost, type BuildRun, failureOf, imageOf } from "./testing/build-host.ts";
import { type TarPart, tarOf } from "./testing/tar-of.ts";

describe("builder, ADD of files and archives of the repository", () => {
  let host: BuildHost;
  let dir: string;
  beforeAll(async () => {
    host = await BuildHost.open();
    dir = mkdtempSync(join(tmpdir(), "plimsoll-add-"));
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true });
    await host[Symbol.asyncDispose]();
  });

  const paths = (built: BuildRun): readonly string[] => {
    using tree = host.layerTree(imageOf(built), -1);
    return [...tree.walk()].slice(1).map(({ path, stats }) => `${path.toString()}${stats.isDirectory() ? "/" : ""}`);
  };
  /** An archive of this machine's tar, packed as said. */
  const packed = async (flag: string): Promise<Buffer> => {
    const root = join(dir, "root");
    rmSync(root, { recursive: true, force: true });
    mkdirSync(join(root, "d"), { recursive: true, mode: 0o750 });
    writeFileSync(join(root, "d/file"), "content\n", { mode: 0o640 });
    symlinkSync("file", join(root, "d/link"));
    const archive = join(dir, "archive");
    const owner = ["--owner=7", "--group=8", "--numeric-owner", "--mtime=@1600000000", "--format=pax"];
    await run(["tar", "-C", root, ...owner, flag, "-cf", archive, "."].filter(Boolean));
    return readFileSync(archive);
  };
  const add = (archive: Uint8Array, line = "ADD archive /to/") => host.build({ Dockerfile: `FROM busybox\n${line}\n`, archive });

  it("unpacks tar, gzip, bzip2, xz and zstd, told by content and not by name, with owners, modes and times", async () => {
    for (const flag of ["", "--gzip", "--bzip2", "--xz", "--zstd"]) {
      const built = await add(await packed(flag));
      expect(paths(built), flag).toEqual(["to/", "to/d/", "to/d/file", "to/d/link"]);
      using tree = host.layerTree(imageOf(built), -1);
      expect(tree.readFile("/to/d/file").toString()).toBe("content\n");
      expect(tree.lstat("/to/d/file")).toMatchObject({ uid: 7, gid: 8, mtimeMs: 1_600_000_000_000 });
      expect(tree.lstat("/to/d").mode & 0o7777).toBe(0o750);
      expect(tree.lstat("/to/d").mtimeMs).toBe(1_600_000_000_000);
    }
    const other = await host.build({
      Dockerfile: "FROM scratch\nADD a.tar.gz b.tar c.gz /to/\n",
      "a.tar.gz": "named so only",
      "b.tar": "",
      "c.gz": gzipSync("no archive inside"),
    });
    expect(paths(other)).toEqual(["to/", "to/a.tar.gz", "to/b.tar", "to/c.gz"]);
  });

  it("keeps an archive as it is with --unpack=false, gives all of it an owner with --chown, and copies the rest as COPY does", async () => {
    const archive = await packed("--gzip");
    expect(paths(await add(archive, "ADD --unpack=false archive /to/"))).toEqual(["to/", "to/archive"]);
    const owned = await add(archive, "ADD --chown=5:6 archive /to");
    using tree = host.layerTree(imageOf(owned), -1);
    for (const path of ["/to", "/to/d", "/to/d/file", "/to/d/link"]) expect(tree.lstat(path)).toMatchObject({ uid: 5, gid: 6 });
    const files = { "src/a.txt": "a", "src/b.md": "b", "src/archive": archive };
    const recipe = "FROM scratch\nADD --exclude=*.md --chmod=u=rw,go= src <<inline.txt /all/\ntext\ninline.txt\n";
    const rest = await host.build({ ...files, Dockerfile: recipe });
    // What lies in a directory is not unpacked.
    expect(paths(rest)).toEqual(["all/", "all/a.txt", "all/archive", "all/inline.txt"]);
    expect((await host.build({ ...files, "src/b.md": "c", Dockerfile: recipe })).steps.done).toEqual([]);
  });

  it("merges into what is there: files are replaced, times of directories stay, links at the destination are followed", async () => {
    const base = "FROM busybox\nRUN mkdir -p /real/d && echo old > /real/d/file && touch -d @1000000000 /real && ln -s real /way\n";
    const archive = await packed("");
    const built = await host.build({ Dockerfile: `${base}ADD archive /way\n`, archive });
    expect(paths(built)).toEqual(["real/", "real/d/", "real/d/file", "real/d/link"]);
    using tree = host.layerTree(imageOf(built), -1);
    expect(tree.lstat("/real").mtimeMs).toBe(1_000_000_000_000);
    const linked = await host.build({ Dockerfile: `${base}ADD --link archive /way\n`, archive });
    expect(paths(linked)[0]).toBe("way/");
  });

  describe("attacks", () => {
    const FILE = Buffer.from("of the archive");
    const evil = (...parts: TarPart[]) => tarOf(parts);

    it("lead nowhere but into the destination (control: the same archive, unpacked by path, writes outside)", async () => {
      const outside = join(dir, "outside");
      mkdirSync(outside, { recursive: true });
      const archive = evil(
        { path: "way", type: "symlink", linkTarget: outside },
        { path: "way/planted", content: FILE },
        { path: "up", type: "symlink", linkTarget: `../../../../../../../..${outside}` },
        { path: "up/planted-too", content: FILE },
      );
      const built = await add(archive);
      // Where such a link leads to within the destination there is nothing.
      expect(failureOf(built)).toMatchObject({ reason: "context", message: expect.stringContaining("finds no place") });
      await expect(run(["ls", outside])).resolves.toMatchObject({ stdout: "" });
      const naive = join(dir, "naive");
      mkdirSync(naive);
      writeFileSync(join(dir, "evil.tar"), archive);
      await run(["tar", "-C", naive, "-P", "--keep-directory-symlink", "--absolute-names", "-xf", join(dir, "evil.tar")]).catch(
        () => undefined,
      );
      await expect(run(["ls", outside])).resolves.toMatchObject({ stdout: expect.stringContaining("planted") });
      rmSync(outside, { recursive: true });
    });

    it("by names: absolute ones stay inside, .. is refused", async () => {
      expect(paths(await add(evil({ path: "/etc/passwd", content: FILE })))).toEqual(["to/", "to/etc/", "to/etc/passwd"]);
      for (const path of ["../out", "a/../../out", "a/.."]) {
        expect(failureOf(await add(evil({ path, content: FILE })))).toMatchObject({ reason: "context", line: 2 });
      }
      const hard = evil({ path: "hard", type: "hardlink", linkTarget: "../../etc/passwd" });
      expect(failureOf(await add(hard)).reason).toBe("context");
    });

    it("by hard links to what a link leads to: only what is in the destination can be linked", async () => {
      const archive = evil(
        { path: "way", type: "symlink", linkTarget: "/etc" },
        { path: "hard", type: "hardlink", linkTarget: "way/passwd" },
      );
      expect(failureOf(await add(archive)).reason).toBe("context");
    });

    it("by devices and by attributes of the overlay", async () => {
      const device = evil({ path: "disk", type: "block", devMajor: 8, devMinor: 0 });
      expect(failureOf(await add(device))).toMatchObject({ reason: "context", message: expect.stringContaining("device") });
      // A root file system's own /dev is left out.
      const dev = evil({ path: "dev/sda", type: "block", devMajor: 8, devMinor: 0 }, { path: "x", content: FILE });
      expect(paths(await add(dev, "ADD archive /"))).toEqual(["dev/", "x"]);
      const opaque = evil({ path: "bin", type: "directory", xattrs: new Map([["trusted.overlay.opaque", Buffer.from("y")]]) });
      const built = await host.build({ Dockerfile: "FROM busybox\nADD archive /\nRUN test -e /bin/busybox\n", archive: opaque });
      imageOf(built);
    });

    it("by size, by number and without end: each is refused at its bound", async () => {
      const bounds = { maxBytes: 1024 * 1024, maxEntries: 10 };
      const unpack = async (archive: Buffer) => {
        const file = join(dir, "bomb");
        const root = mkdtempSync(join(dir, "tree-"));
        writeFileSync(file, archive);
        using tree = new RootedTree(root);
        await unpackArchive(file, tree, { what: "The archive bomb", bounds });
      };
      const large = evil({ path: "large", content: Buffer.alloc(2 * 1024 * 1024) });
      await expect(unpack(gzipSync(large))).rejects.toThrow("The archive bomb unpacks to more than 1048576 bytes");
      const many = evil(...Array.from({ length: 11 }, (_, index) => ({ path: `f${index}`, content: FILE })));
      await expect(unpack(many)).rejects.toThrow("more than 10 entries");
      // Content that no entry owns up to: a header that promises little, and a tail of zeros.
      const headers = Buffer.concat(Array.from({ length: 3_000 }, () => evil({ path: "x".repeat(200), content: FILE }).subarray(0, 1_024)));
      await expect(unpack(gzipSync(headers))).rejects.toThrow(/more than|damaged|archive/);
      await expect(unpack(gzipSync(evil({ path: "f", content: FILE })).subarray(0, 60))).rejects.toThrow("damaged");
      // Without the bounds the same comes in.
      const file = join(dir, "bomb");
      writeFileSync(file, gzipSync(large));
      using tree = new RootedTree(mkdtempSync(join(dir, "tree-")));
      await unpackArchive(file, tree, { what: "x" });
      expect(tree.lstat("large").size).toBe(2 * 1024 * 1024);
    });

    it("by a file that says it is very large: refused before anything is written, and the next build is unhurt", async () => {
      const archive = evil({ path: "huge", content: FILE, size: 20 * 1024 ** 3 });
      expect(failureOf(await add(gzipSync(archive))).message).toContain("unpacks to more than");
      imageOf(await add(await packed("")));
    });
  });
});
