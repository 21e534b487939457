import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { RootedTree } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LayerStore } from "./layer-store.ts";
import { ociArchive } from "./oci-archive.ts";
import { TarReader } from "./tar.ts";

describe("a layer as registries keep it", () => {
  let base: string;
  let store: LayerStore;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "oci-archive-"));
    store = new LayerStore(join(base, "a"));
  });
  afterEach(async () => {
    await store.settled();
    rmSync(base, { recursive: true, force: true });
  });

  /** Everything that a layer can hold. */
  async function richLayer() {
    const { upperDir: dir } = store.temporary();
    {
      using tree = new RootedTree(dir);
      mkdirSync(join(dir, "bin"));
      writeFileSync(join(dir, "bin/tool"), "x".repeat(5_000));
      chownSync(join(dir, "bin/tool"), 1_000, 3_000_000);
      chmodSync(join(dir, "bin/tool"), 0o4755);
      linkSync(join(dir, "bin/tool"), join(dir, "bin/same"));
      symlinkSync("/etc/passwd", join(dir, "bin/link"));
      tree.setXattr("bin/tool", "security.capability", Buffer.from("0100000200200080000000000000000000000000", "hex"));
      mkdirSync(join(dir, "deep", "d".repeat(120)), { recursive: true });
      writeFileSync(join(dir, "deep", "d".repeat(120), "f".repeat(120)), "");
      tree.whiteout("gone");
      tree.whiteout("bin/also-gone");
      tree.mkdirs("opaque/below");
      tree.opaque("opaque");
      tree.opaque("opaque/below");
      writeFileSync(join(dir, "opaque/kept"), "kept");
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/no-utf8-`), Buffer.from([0xff])]), "");
      lutimesSync(join(dir, "bin/link"), 1_600_000_000, 1_600_000_000);
    }
    return store.seal(dir);
  }

  it("comes back as the very layer that it was", async () => {
    const layer = await richLayer();
    const chunks: Buffer[] = [];
    for await (const chunk of ociArchive(store.exportArchive(layer.digest))) chunks.push(chunk);
    const other = new LayerStore(join(base, "b"));
    const packed = gzipSync(Buffer.concat(chunks));
    const back = await other.importOciLayer(Readable.from([packed]), "application/vnd.docker.image.rootfs.diff.tar.gzip");
    await other.settled();
    expect(back.digest).toBe(layer.digest);
  });

  it("has no device and no attribute of overlayfs in it, and is the same bytes each time", async () => {
    const layer = await richLayer();
    const bytes = async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of ociArchive(store.exportArchive(layer.digest))) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    const archive = await bytes();
    expect((await bytes()).equals(archive)).toBe(true);
    const reader = new TarReader(Readable.from([archive]));
    const names: string[] = [];
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      names.push(entry.path.toString());
      expect(entry.type).not.toBe("character");
      expect([...entry.xattrs.keys()].filter((name) => name.startsWith("trusted."))).toEqual([]);
    }
    expect(names).toEqual(expect.arrayContaining([".wh.gone", "bin/.wh.also-gone", "opaque/.wh..wh..opq", "opaque/below/.wh..wh..opq"]));
  });
});
