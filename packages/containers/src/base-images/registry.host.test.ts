import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { AppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { hostLayout } from "@plimsoll/host";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageStore } from "../image-store.ts";
import { LayerStore } from "../layer-store.ts";
import { importDirectory } from "./registry.ts";

describe("importDirectory", () => {
  let dir: string;
  let stores: { layers: LayerStore; images: ImageStore };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "plimsoll-import-"));
    const layout = hostLayout({ name: "test", dataDir: dir });
    const layers = new LayerStore(layout.layersDir);
    stores = { layers, images: new ImageStore(layout.imagesDir, layers) };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** A directory as skopeo writes it. */
  async function pulled(config: object): Promise<string> {
    const [root, out] = [join(dir, "root"), join(dir, "pulled")];
    for (const path of [root, out]) mkdirSync(path);
    writeFileSync(join(root, "file"), "content");
    await run(["tar", "-C", root, "-cf", join(dir, "layer.tar"), "."]);
    const put = (bytes: Buffer, mediaType: string) => {
      const hex = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(out, hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };
    const layer = put(gzipSync(readFileSync(join(dir, "layer.tar"))), "application/vnd.docker.image.rootfs.diff.tar.gzip");
    const described = put(Buffer.from(JSON.stringify(config)), "application/vnd.docker.container.image.v1+json");
    writeFileSync(join(out, "manifest.json"), JSON.stringify({ schemaVersion: 2, config: described, layers: [layer] }));
    return out;
  }

  it("keeps what only Docker's form of a config has", async () => {
    const config = { OnBuild: ["RUN x"], Shell: ["/bin/bash", "-c"], Healthcheck: { Test: ["CMD", "/p"], Interval: 1e9 } };
    const image = await importDirectory(await pulled({ architecture: "amd64", os: "linux", author: "me", config }), "app:1", stores);
    expect(image.config).toMatchObject({
      onBuild: ["RUN x"],
      shell: ["/bin/bash", "-c"],
      healthcheck: { test: ["CMD", "/p"], intervalNs: 1e9 },
      author: "me",
    });
    expect(readFileSync(join(stores.layers.dirOf(image.layers[0]?.digest ?? "sha256:"), "file"), "utf8")).toBe("content");
    expect(stores.images.get(image.digest)).toEqual(image);
  });

  it("refuses a manifest that it cannot read, with what to do", async () => {
    const out = await pulled({});
    writeFileSync(join(out, "manifest.json"), JSON.stringify({ schemaVersion: 1, fsLayers: [] }));
    await expect(importDirectory(out, "app:1", stores)).rejects.toThrow(AppError);
    await expect(importDirectory(out, "app:1", stores)).rejects.toThrow(/push the image anew/);
  });
});
