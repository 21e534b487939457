import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "@plimsoll/exec";
import { RootedTree } from "@plimsoll/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildHost, failureOf, imageOf } from "./testing/build-host.ts";

const link = (content: string) => ({ content, mode: "link" }) as const;

describe("COPY", () => {
  let host: BuildHost;
  /** A directory of the host that no build may reach. */
  let outside: string;

  beforeAll(async () => {
    host = await BuildHost.open();
    outside = mkdtempSync(join(tmpdir(), "plimsoll-builder-outside-"));
    writeFileSync(join(outside, "secret"), "canary\n");
    await host.addBase("rich", (root) => {
      mkdirSync(join(root, "data/sub"), { recursive: true });
      writeFileSync(join(root, "data/file"), "file");
      writeFileSync(join(root, "data/sub/setuid"), "s");
      chownSync(join(root, "data/sub/setuid"), 5, 6);
      chmodSync(join(root, "data/sub/setuid"), 0o4755);
      linkSync(join(root, "data/file"), join(root, "data/sub/other-name"));
      symlinkSync("sub/setuid", join(root, "data/inner"));
      symlinkSync("data/file", join(root, "named"));
      symlinkSync("/data", join(root, "named-dir"));
      using tree = new RootedTree(root);
      tree.setXattr("data/file", "user.note", Buffer.from("n"));
      // A v2 file capability (cap_net_bind_service), as setcap writes it.
      tree.setXattr("data/sub/setuid", "security.capability", Buffer.from("0100000200040000000000000000000000000000", "hex"));
    });
    await host.addBase("evil", (root) => {
      mkdirSync(join(root, "etc"));
      mkdirSync(join(root, "dir"));
      symlinkSync("/etc", join(root, "link"));
      symlinkSync("../../../../../../../../../../etc", join(root, "up"));
      symlinkSync(outside, join(root, "out"));
      symlinkSync(join(outside, "secret"), join(root, "secret"));
      symlinkSync(join(outside, "secret"), join(root, "dir/inner"));
      symlinkSync("/proc/1/root/etc", join(root, "proc-root"));
    });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(outside, { recursive: true });
  });

  const inImage = async (dockerfile: string, files: Parameters<BuildHost["build"]>[0] = {}) =>
    imageOf(await host.build({ Dockerfile: dockerfile, ...files }));

  describe("of the context", () => {
    it("follows a named link and keeps inner ones, dangling ones too", async () => {
      const image = await inImage("FROM scratch\nCOPY to-file to-dir /x/\nCOPY to-* /y/\n", {
        "dir/f": "f",
        "dir/dangling": link("nowhere"),
        "to-file": link("dir/f"),
        "to-dir": link("/dir"),
      });
      for (const [index, base] of ["/x", "/y"].entries()) {
        using tree = host.layerTree(image, index);
        expect(tree.readFile(`${base}/to-file`).toString()).toBe("f");
        expect(tree.lstat(`${base}/to-file`).isFile()).toBe(true);
        expect(tree.readFile(`${base}/f`).toString()).toBe("f");
        expect(tree.readlink(`${base}/dangling`).toString()).toBe("nowhere");
      }
    });

    it("makes a file of the destination, or puts it into a directory, as the destination is", async () => {
      const image = await inImage("FROM scratch\nCOPY a /one\nCOPY a /two/\nCOPY b /two\nCOPY b /two/a/../c\nCOPY empty* /never/\n", {
        a: "a",
        b: "b",
      });
      expect(image.layers).toHaveLength(4);
      using one = host.layerTree(image, 0);
      expect(one.lstat("/one").isFile()).toBe(true);
      using two = host.layerTree(image, 2);
      expect(two.readFile("/two/b").toString()).toBe("b");
      using three = host.layerTree(image, 3);
      expect(three.readFile("/two/c").toString()).toBe("b");
    });

    it("replaces a file or link, merges a directory, and refuses to put a file over a directory", async () => {
      const image = await inImage("FROM evil\nCOPY f /out\nCOPY tree /\n", { f: "f", "tree/dir/inner": "new", "tree/etc/new": "n" });
      using first = host.layerTree(image, 1);
      // /out is a link: what it means inside the image is written to, not the host's directory.
      expect(first.readFile(outside).toString()).toBe("f");
      using second = host.layerTree(image, 2);
      expect(second.lstat("/dir/inner").isFile()).toBe(true);
      expect(second.readFile("/etc/new").toString()).toBe("n");
      const over = await host.build({ Dockerfile: "FROM evil\nCOPY tree /\n", "tree/dir": "a file" });
      expect(failureOf(over)).toMatchObject({ reason: "context", line: 2, message: expect.stringContaining("is a directory") });
      const under = await host.build({ Dockerfile: "FROM evil\nCOPY tree /\n", "tree/link/x": "x" });
      expect(failureOf(under).message).toContain("no directory");
    });

    it("lets the last of several files have one name, and says where nothing is taken", async () => {
      const image = await inImage("FROM scratch\nCOPY b a /one\n", { a: "last", b: "first and longer" });
      using tree = host.layerTree(image, 0);
      expect(tree.readFile("/one").toString()).toBe("last");
      const files = { Dockerfile: "FROM busybox\nCOPY ['a', '/x/']\nCOPY no* /y/\n", a: "a" };
      const { outcome, events } = await host.build(files);
      expect(outcome.kind).toBe("image");
      const notices = events.flatMap((event) => (event.type === "notice" ? [event.text] : []));
      expect(notices).toEqual([expect.stringContaining("nothing matches [a,"), expect.stringContaining("nothing matches no*")]);
    });

    it("makes an unknown owner root, and says so", async () => {
      const built = await host.build({
        Dockerfile: "FROM busybox\nCOPY --chown=nobody-here:5 a /one\nCOPY --chown=7:none a /two\n",
        a: "a",
      });
      expect(built.log).toContain('no user "nobody-here" in /etc/passwd, so it is root\'s');
      expect(built.log).toContain('no group "none" in /etc/group, so it is of group 7');
      using one = host.layerTree(imageOf(built), -2);
      expect(one.lstat("/one")).toMatchObject({ uid: 0, gid: 5 });
      using two = host.layerTree(imageOf(built), -1);
      expect(two.lstat("/two")).toMatchObject({ uid: 7, gid: 7 });
    });

    it("leaves directories that it writes into as they were", async () => {
      const image = await inImage("FROM busybox\nCOPY a /tmp/a\n", { a: "a" });
      using tree = host.layerTree(image, 1);
      using base = host.layerTree(image, 0);
      expect(tree.lstat("/tmp").mode & 0o7777).toBe(0o1777);
      expect(Math.floor(tree.lstat("/tmp").mtimeMs)).toBe(Math.floor(base.lstat("/tmp").mtimeMs));
    });

    it("looks up owners in the image", async () => {
      const image = await inImage(
        "FROM busybox\nCOPY --chown=app a /1\nCOPY --chown=app:other a /2\nCOPY --chown=7 a /3\nCOPY --chown=7:appgroup a /4/\nUSER app\nWORKDIR /w/x\n",
        { a: "a" },
      );
      const owner = (layer: number, path: string) => {
        using tree = host.layerTree(image, layer);
        const { uid, gid } = tree.lstat(path);
        return `${uid}:${gid}`;
      };
      expect([owner(1, "/1"), owner(2, "/2"), owner(3, "/3"), owner(4, "/4/a"), owner(4, "/4"), owner(5, "/w/x"), owner(5, "/w")]).toEqual([
        "1000:1001",
        "1000:1002",
        "7:7",
        "7:1001",
        "7:1001",
        "1000:1001",
        "1000:1001",
      ]);
    });

    it("refuses LFS pointers and submodules that are taken, and only these", async () => {
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 5\n`;
      const files = { a: "a", "big.bin": pointer, sub: { content: "1".repeat(40), mode: "submodule" } } as const;
      await inImage("FROM scratch\nCOPY a /\n", files);
      await inImage("FROM scratch\nCOPY . /\n", { ...files, ".dockerignore": "sub\n*.bin\n" });
      expect(failureOf(await host.build({ Dockerfile: "FROM scratch\nCOPY big.bin /\n", ...files })).message).toContain(
        "big.bin is kept in Git LFS",
      );
      expect(failureOf(await host.build({ Dockerfile: "FROM scratch\nCOPY . /\n", ".dockerignore": "*.bin", ...files })).message).toContain(
        "sub is a git submodule",
      );
    });

    it("gives equal layers for equal content at another commit, and a changed file a new time", async () => {
      const one = await host.commit({ a: "times", b: "b", Dockerfile: "FROM scratch\nCOPY . /x/\n" }, 1_600_000_000);
      const two = await host.commit({ a: "times", b: "changed", Dockerfile: "FROM scratch\nCOPY . /x/\n" }, 1_650_000_000);
      await host.build({}, { request: { commit: one } });
      const image = imageOf(await host.build({}, { request: { commit: two } }));
      using tree = host.layerTree(image, 0);
      expect([tree.lstat("/x/a").mtimeMs, tree.lstat("/x/b").mtimeMs]).toEqual([1_600_000_000_000, 1_650_000_000_000]);
    });
  });

  describe("--from", () => {
    it("keeps owners, setuid, capabilities, attributes, hard links and inner links", async () => {
      const image = await inImage("FROM scratch\nCOPY --from=rich /data /copy\n");
      using tree = host.layerTree(image, 0);
      expect(tree.lstat("/copy/sub/setuid")).toMatchObject({ mode: 0o104755, uid: 5, gid: 6 });
      expect(tree.xattrs("/copy/sub/setuid").get("security.capability")?.toString("hex")).toBe("0100000200040000000000000000000000000000");
      expect(tree.xattrs("/copy/file").get("user.note")?.toString()).toBe("n");
      expect(tree.lstat("/copy/file").ino).toBe(tree.lstat("/copy/sub/other-name").ino);
      expect(tree.readlink("/copy/inner").toString()).toBe("sub/setuid");
    });

    it("follows named links, matches Go's patterns, and takes a stage by name or number", async () => {
      const image = await inImage(
        "FROM rich AS One\nFROM scratch\nCOPY --from=one named /a\nCOPY --from=0 named-dir /b/\nCOPY --from=ONE /data/f* /data/s?b /c/\n",
      );
      using a = host.layerTree(image, 0);
      expect(a.readFile("/a").toString()).toBe("file");
      using b = host.layerTree(image, 1);
      expect(b.readFile("/b/file").toString()).toBe("file");
      using c = host.layerTree(image, 2);
      expect([c.exists("/c/file"), c.exists("/c/setuid"), c.exists("/c/sub")]).toEqual([true, true, false]);
    });

    it("explains a source that is not there", async () => {
      const failure = failureOf(await host.build({ Dockerfile: "FROM scratch\n# c\nCOPY --from=rich /nothing /x\n" }));
      expect(failure).toMatchObject({ reason: "context", line: 3, message: expect.stringContaining("/nothing does not exist there") });
    });

    it("copies a tree of several layers as one", async () => {
      const image = await inImage(
        "FROM rich AS one\nCOPY new /data/file\nCOPY new /data/sub/new\nFROM scratch\nCOPY --from=one /data /\n",
        { new: "new" },
      );
      using tree = host.layerTree(image, 0);
      expect([
        tree.readFile("/file").toString(),
        tree.readFile("/sub/new").toString(),
        tree.readFile("/sub/other-name").toString(),
      ]).toEqual(["new", "new", "file"]);
    });

    it("is found again by content when the stage it copies from has changed elsewhere", async () => {
      const files = (note: string) => ({ Dockerfile: "FROM rich AS one\nCOPY note /note\nFROM scratch\nCOPY --from=one /data /d\n", note });
      const first = imageOf(await host.build(files("1")));
      const second = await host.build(files("2"));
      expect(imageOf(second).layers).toEqual(first.layers);
      expect(second.steps.done).toEqual(["COPY note /note"]);
      expect(second.steps.cached).toContain("COPY --from=one /data /d");
    });
  });

  describe("attacks", () => {
    it("does not write through links of the base", async () => {
      for (const [target, inside] of [
        ["/link/pwned", "/etc/pwned"],
        ["/up/pwned", "/etc/pwned"],
        ["/out/pwned", join(outside, "pwned")],
      ] as const) {
        const image = await inImage(`FROM evil\nCOPY x ${target}\n`, { x: "pwned" });
        using tree = host.layerTree(image, 1);
        expect(tree.readFile(inside).toString()).toBe("pwned");
      }
      expect(existsSync("/etc/pwned")).toBe(false);
      expect(existsSync(join(outside, "pwned"))).toBe(false);

      // Without RootedTree: the same path, joined to the tree's root, is the host's directory.
      const evil = host.layers.dirOf(host.bases.get("evil")?.layers[0]?.digest ?? "sha256:");
      writeFileSync(join(evil, "out/pwned"), "pwned");
      expect(readFileSync(join(outside, "pwned"), "utf8")).toBe("pwned");
      rmSync(join(outside, "pwned"));
    });

    it("does not read through links of a stage or image", async () => {
      expect(failureOf(await host.build({ Dockerfile: "FROM scratch\nCOPY --from=evil /secret /stolen\n" })).message).toContain(
        "leads nowhere in that image",
      );
      for (const path of ["/out/secret", "/proc-root/hostname", "/up/hostname"]) {
        expect(failureOf(await host.build({ Dockerfile: `FROM scratch\nCOPY --from=evil ${path} /stolen\n` })).reason).toBe("context");
      }
      const image = await inImage("FROM scratch\nCOPY --from=evil /dir /dir\n");
      using tree = host.layerTree(image, 0);
      expect(tree.lstat("/dir/inner").isSymbolicLink()).toBe(true);

      const evil = host.layers.dirOf(host.bases.get("evil")?.layers[0]?.digest ?? "sha256:");
      expect(readFileSync(join(evil, "secret"), "utf8")).toBe("canary\n");
    });

    it("does not read the host's files through links in the repository", async () => {
      const target = join(outside, "secret");
      const files = {
        Dockerfile: link(target),
        stolen: link(target),
        ".dockerignore": link("/etc/passwd"),
        up: link("../../../../../../../../etc"),
      };
      expect(failureOf(await host.build(files))).toMatchObject({
        reason: "dockerfile",
        file: "Dockerfile",
        message: expect.stringContaining("is a link to"),
      });
      for (const source of ["stolen", "up/passwd", "../../../../../../../etc/passwd"]) {
        expect(failureOf(await host.build({ ...files, Dockerfile: `FROM scratch\nCOPY ${source} /\n` })).reason).toBe("context");
      }

      const checkout = join(host.dir, "checkout");
      mkdirSync(checkout);
      const commit = await host.commit(files);
      await run(["git", `--git-dir=${host.repository}`, `--work-tree=${checkout}`, "checkout", "-q", "-f", commit]);
      expect(lstatSync(join(checkout, "Dockerfile")).isSymbolicLink()).toBe(true);
      expect(readFileSync(join(checkout, "Dockerfile"), "utf8")).toBe("canary\n");
    });

    it("does not look up owners in the host's files", async () => {
      await host.addBase("evil-passwd", (root) => {
        mkdirSync(join(root, "etc"));
        symlinkSync("/proc/1/root/etc/passwd", join(root, "etc/passwd"));
      });
      // The host's daemon is 1.
      const built = await host.build({ Dockerfile: "FROM evil-passwd\nCOPY --chown=daemon a /\n", a: "a" });
      expect(built.log).toContain('no user "daemon" in /etc/passwd');
      using tree = host.layerTree(imageOf(built), -1);
      expect(tree.lstat("/a")).toMatchObject({ uid: 0, gid: 0 });
    });
  });
});
