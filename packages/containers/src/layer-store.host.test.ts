import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Digest } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { mount, RootedTree, umount } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LayerStore } from "./layer-store.ts";
import { TAR_END, type TarEntry, tarHeader, tarPadding } from "./tar.ts";

describe("layer store", () => {
  let base: string;
  let store: LayerStore;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "layers-"));
    store = new LayerStore(join(base, "a"));
  });
  afterEach(async () => {
    await store.settled();
    rmSync(base, { recursive: true, force: true });
  });

  const upper = (fill: (dir: string, tree: RootedTree) => void) => {
    const temporary = store.temporary();
    using tree = new RootedTree(temporary.upperDir);
    fill(temporary.upperDir, tree);
    return temporary.upperDir;
  };
  const archiveOf = async (from: LayerStore, digest: Digest) => Buffer.concat(await from.exportArchive(digest).toArray());
  const rich = () =>
    upper((dir, tree) => {
      mkdirSync(join(dir, "bin"));
      writeFileSync(join(dir, "bin/tool"), "x".repeat(5000));
      chownSync(join(dir, "bin/tool"), 1000, 33);
      chmodSync(join(dir, "bin/tool"), 0o4755);
      linkSync(join(dir, "bin/tool"), join(dir, "bin/same"));
      symlinkSync("/etc/passwd", join(dir, "bin/link"));
      tree.setXattr("bin/tool", "security.capability", Buffer.from("0100000200200080000000000000000000000000", "hex"));
      tree.setXattr("bin/tool", "trusted.overlay.origin", Buffer.from([0, 251, 29]));
      tree.whiteout("gone");
      tree.mkdirs("opaque");
      tree.opaque("opaque");
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/no-utf8-`), Buffer.from([0xff])]), "");
      writeFileSync(join(dir, "n".repeat(200)), "");
      for (const name of [".", "bin", "bin/tool", "opaque", "n".repeat(200)]) utimesSync(join(dir, name), 1_000_000, 1_000_000);
      utimesSync(Buffer.concat([Buffer.from(`${dir}/no-utf8-`), Buffer.from([0xff])]), 1_000_000, 1_000_000);
      tree.utimes("bin/link", 1_000_000_000_000_000n);
    });

  it("names equal content equally, whatever the order it was made in and wherever it was sealed", async () => {
    const first = await store.seal(rich());
    const second = await store.seal(rich());
    expect(second).toEqual(first);
    expect(store.list()).toEqual([first]);
    expect(readdirSync(join(base, "a/tmp")).filter((name) => existsSync(join(base, "a/tmp", name, "fs")))).toEqual([]);
    const changed = await store.seal(upper((dir) => writeFileSync(join(dir, "x"), "")));
    expect(changed.digest).not.toBe(first.digest);
  });

  it("carries a layer to another host with owners, modes, capabilities, links, whiteouts and odd names", async () => {
    const sealed = await store.seal(rich());
    const other = new LayerStore(join(base, "b"));
    expect(await other.importArchive(sealed.digest, store.exportArchive(sealed.digest))).toEqual(sealed);
    const dir = other.dirOf(sealed.digest);
    expect(lstatSync(join(dir, "bin/tool"))).toMatchObject({ uid: 1000, gid: 33, mode: 0o104755, nlink: 2, size: 5000 });
    expect(lstatSync(join(dir, "gone"))).toMatchObject({ mode: 0o020000, rdev: 0 });
    using tree = new RootedTree(dir);
    expect([...tree.xattrs("bin/tool").keys()]).toEqual(["security.capability"]);
    expect(tree.xattrs("bin/tool").get("security.capability")?.toString("hex")).toBe("0100000200200080000000000000000000000000");
    expect(tree.xattrs("opaque").get("trusted.overlay.opaque")?.toString()).toBe("y");
    expect(tree.readdir("").map((name) => name.length)).toContain(9);
    // What it unpacked, packed again, is the same archive.
    const [packed, again] = [await archiveOf(store, sealed.digest), await archiveOf(other, sealed.digest)];
    expect(again.equals(packed)).toBe(true);
    expect(packed.length).toBe(sealed.sizeBytes);
    await other.settled();
  });

  it("names a layer by what is in it: every byte, owner, mode, time, name and link of it counts", async () => {
    const make = (change: (dir: string) => void = () => undefined) =>
      store.seal(
        upper((dir) => {
          writeFileSync(join(dir, "file"), "content");
          writeFileSync(join(dir, "other"), "content");
          symlinkSync("file", join(dir, "link"));
          for (const name of ["file", "other"]) utimesSync(join(dir, name), 1_000, 1_000);
          lutimesSync(join(dir, "link"), 1_000, 1_000);
          change(dir);
        }),
      );
    const changes: ((dir: string) => void)[] = [
      (dir) => {
        writeFileSync(join(dir, "file"), "Content");
        utimesSync(join(dir, "file"), 1_000, 1_000);
      },
      (dir) => chmodSync(join(dir, "file"), 0o600),
      (dir) => chownSync(join(dir, "file"), 1, 0),
      (dir) => utimesSync(join(dir, "file"), 1_001, 1_001),
      (dir) => renameSync(join(dir, "file"), join(dir, "fild")),
      (dir) => {
        rmSync(join(dir, "other"));
        linkSync(join(dir, "file"), join(dir, "other"));
      },
      (dir) => {
        rmSync(join(dir, "link"));
        symlinkSync("other", join(dir, "link"));
        lutimesSync(join(dir, "link"), 1_000, 1_000);
      },
    ];
    const names = [await make(), ...(await Promise.all(changes.map((change) => make(change))))].map(({ digest }) => digest);
    expect(new Set(names).size).toBe(changes.length + 1);
    expect((await make()).digest).toBe(names[0]);
  });

  it("reads no file whose content its maker vouches for, and comes to the same name", async () => {
    const fill = (dir: string) => {
      mkdirSync(join(dir, "d"));
      for (const name of ["d/one", "d/two"]) {
        writeFileSync(join(dir, name), name);
        utimesSync(join(dir, name), 1_000, 1_000);
      }
      utimesSync(join(dir, "d"), 1_000, 1_000);
    };
    const found = new Map<string, Uint8Array>();
    const plain = await store.seal(upper(fill), {
      contents: { known: () => undefined, found: (path, digest) => void found.set(path, digest) },
    });
    expect([...found.keys()]).toEqual(["d/one", "d/two"]);
    expect(Buffer.from(found.get("d/two") ?? "").toString("hex")).toBe(createHash("sha256").update("d/two").digest("hex"));
    const known = { known: (path: string) => found.get(path), found: () => undefined };
    expect(await store.seal(upper(fill), { contents: known })).toEqual(plain);
    // The control: what is vouched for counts, and not what is there.
    const wrong = { known: () => createHash("sha256").update("something else").digest(), found: () => undefined };
    expect((await store.seal(upper(fill), { contents: wrong })).digest).not.toBe(plain.digest);
  });

  it("leaves no socket, and its directory the time that the layer is named with", async () => {
    const dir = upper((made) => mkdirSync(join(made, "run")));
    const server = createServer().listen(join(dir, "run/socket"));
    await once(server, "listening");
    utimesSync(join(dir, "run"), 1_000, 1_000);
    const { digest } = await store.seal(dir);
    server.close();
    expect(readdirSync(join(store.dirOf(digest), "run"))).toEqual([]);
    expect(lstatSync(join(store.dirOf(digest), "run")).mtimeMs).toBe(1_000_000);
    const other = new LayerStore(join(base, "b"));
    expect(await other.importArchive(digest, store.exportArchive(digest))).toMatchObject({ digest });
  });

  it("takes a layer that an earlier version named by its whole archive", async () => {
    const { digest } = await store.seal(upper((dir) => writeFileSync(join(dir, "x"), "old")));
    const archive = await archiveOf(store, digest);
    const old = `sha256:${createHash("sha256").update(archive).digest("hex")}` as Digest;
    expect(old).not.toBe(digest);
    const other = new LayerStore(join(base, "b"));
    await other.importArchive(old, Readable.from([archive]));
    expect(readFileSync(join(other.dirOf(old), "x"), "utf8")).toBe("old");
    // Also after a power cut that came before it was on the disk for good.
    writeFileSync(join(other.dirOf(old), "../layer.json"), JSON.stringify({ ...other.ref(old), bootId: "another" }));
    rmSync(join(other.dirOf(old), "../durable"), { force: true });
    await other.collectTemporary();
    expect(other.has(old)).toBe(true);
    await other.settled();
  });

  it("is an archive that GNU tar reads", async () => {
    const { digest } = await store.seal(rich());
    writeFileSync(join(base, "layer.tar"), await archiveOf(store, digest));
    const listing = await run(["tar", "-tvf", join(base, "layer.tar"), "--numeric-owner"]);
    expect(listing.stdout).toMatch(/^-rwsr-xr-x 1000\/33 .* bin\/same$/m);
    expect(listing.stdout).toMatch(/^hrwsr-xr-x 1000\/33 .* bin\/tool link to bin\/same$/m);
    expect(listing.stdout).toMatch(/^c--------- 0\/0 .* gone$/m);
  });

  it("refuses an archive that is not what its digest says, and keeps nothing of it", async () => {
    const { digest } = await store.seal(upper((dir) => writeFileSync(join(dir, "x"), "")));
    const other = new LayerStore(join(base, "b"));
    const wrong = digest.replace(/.$/, (last) => (last === "0" ? "1" : "0")) as Digest;
    await expect(other.importArchive(wrong, store.exportArchive(digest))).rejects.toMatchObject({ code: "invalid" });
    expect(other.list()).toEqual([]);
    expect(readdirSync(join(base, "b/tmp"))).toEqual([]);
  });

  const archive = (...entries: Partial<TarEntry & { content: string }>[]) =>
    Buffer.concat([
      ...entries.flatMap((over) => {
        const content = Buffer.from(over.content ?? "");
        const header = tarHeader({
          type: "file",
          path: Buffer.from("x"),
          mode: 0o644,
          uid: 0,
          gid: 0,
          size: content.length,
          mtimeSeconds: 0,
          linkTarget: Buffer.alloc(0),
          devMajor: 0,
          devMinor: 0,
          xattrs: new Map(),
          ...over,
        });
        return [header, content, tarPadding(content.length)];
      }),
      TAR_END,
    ]);
  const oci = (content: Buffer, type = "application/vnd.oci.image.layer.v1.tar") => store.importOciLayer(Readable.from([content]), type);
  const at = (path: string) => ({ path: Buffer.from(path) });

  it("keeps hostile archives inside: climbing names, links outward, devices, bombs", async () => {
    writeFileSync(join(base, "victim"), "untouched");
    await expect(oci(archive({ ...at("../victim"), content: "x" }))).rejects.toThrow(/path that is not allowed/);
    await expect(oci(archive({ ...at("h"), type: "hardlink", linkTarget: Buffer.from("../../victim") }))).rejects.toThrow(/not allowed/);
    await expect(oci(archive({ ...at("sda"), type: "block", devMajor: 8 }))).rejects.toThrow(/device node/);
    // Through a link: what is written lands inside the layer or nowhere.
    await expect(
      oci(archive({ ...at("out"), type: "symlink", linkTarget: Buffer.from(base) }, { ...at("out/victim"), content: "x" })),
    ).rejects.toThrow(/EEXIST|ENOENT/);
    expect(readFileSync(join(base, "victim"), "utf8")).toBe("untouched");
    await expect(store.importOciLayer(Readable.from([archive({ content: "x".repeat(2000) })]), "tar", { maxBytes: 1000 })).rejects.toThrow(
      /more than 1000 bytes/,
    );
    await expect(store.importOciLayer(Readable.from([archive(at("a"), at("b"))]), "tar", { maxEntries: 1 })).rejects.toThrow(/1 entries/);
    expect(store.list()).toEqual([]);
  });

  it("leaves room on the disk: a layer that packs to little and unpacks to much is refused before it is written", async () => {
    const small = join(base, "small");
    mkdirSync(small);
    mount("tmpfs", small, "tmpfs", 0, "size=64m");
    try {
      const narrow = new LayerStore(join(small, "layers"));
      const bomb = (megabytes: number) =>
        narrow.importOciLayer(Readable.from([gzipSync(archive({ ...at("zeros"), content: "\0".repeat(megabytes * 1024 ** 2) }))]), "gzip");
      await expect(bomb(63)).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("too little disk space") });
      expect(readdirSync(join(small, "layers/tmp"))).toEqual([]);
      // As much as may be taken.
      await bomb(40);
    } finally {
      umount(small);
    }
  });

  it("turns a registry layer's whiteouts into overlay's, packed in any of the known ways", async () => {
    const content = archive(
      { ...at("./etc/"), type: "directory", mode: 0o700 },
      { ...at("./etc/.wh.old") },
      { ...at("./var/.wh..wh..opq") },
      { ...at("etc/new"), content: "y" },
      { ...at("dev/null"), type: "character", devMajor: 1, devMinor: 3 },
    );
    const plain = await oci(content);
    const dir = store.dirOf(plain.digest);
    expect(lstatSync(join(dir, "etc/old")).rdev).toBe(0);
    expect(lstatSync(join(dir, "etc")).mode & 0o777).toBe(0o700);
    using tree = new RootedTree(dir);
    expect(tree.xattrs("var").get("trusted.overlay.opaque")?.toString()).toBe("y");
    expect(existsSync(join(dir, "dev/null"))).toBe(false);
    for (const [packed, type] of [
      [gzipSync(content), "application/vnd.docker.image.rootfs.diff.tar.gzip"],
      [zstdCompressSync(content), "application/vnd.oci.image.layer.v1.tar+zstd"],
    ] as const) {
      expect(await oci(packed, type)).toEqual(plain);
    }
    await expect(oci(content, "application/x-7z")).rejects.toMatchObject({ code: "unsupported" });
    await expect(oci(Buffer.from("no gzip"), "tar+gzip")).rejects.toThrow();
  });

  it("collects what processes that are gone left half-made, and what a power cut tore", async () => {
    const mine = store.temporary();
    mkdirSync(join(base, "a/tmp/999999999-1-dead/fs"), { recursive: true });
    const whole = await store.seal(upper((dir) => writeFileSync(join(dir, "x"), "whole")));
    const torn = await store.seal(upper((dir) => writeFileSync(join(dir, "x"), "torn")));
    await store.settled();
    for (const { digest } of [whole, torn]) {
      const dir = join(base, "a", digest.slice(7));
      rmSync(join(dir, "durable"));
      writeFileSync(join(dir, "layer.json"), JSON.stringify({ ...store.ref(digest), bootId: "another" }));
    }
    writeFileSync(join(store.dirOf(torn.digest), "x"), "");
    await store.collectTemporary();
    expect(readdirSync(join(base, "a/tmp"))).toContain(mine.dir.split("/").at(-1));
    expect(readdirSync(join(base, "a/tmp")).filter((name) => name.startsWith("999999999"))).toEqual([]);
    expect(store.list()).toEqual([whole]);
    await mine.discard();
  });
});
