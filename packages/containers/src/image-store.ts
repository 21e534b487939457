import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError, type Digest, type Image, type ImageConfig, ImageSchema, isDigest, type LayerRef } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";
import type { LayerStore } from "./layer-store.ts";

/** What a collection leaves alone whatever it is told: a build that is under way has layers that no image names yet. */
const YOUNG_MS = 3_600_000;

/** Images of this host: one small file each, named by its digest. Several processes may use one store. */
export class ImageStore {
  readonly #root: string;
  readonly #layers: LayerStore;

  constructor(imagesDir: string, layers: LayerStore) {
    this.#root = imagesDir;
    this.#layers = layers;
    mkdirSync(imagesDir, { recursive: true, mode: 0o700 });
  }

  /** Throws AppError `not_found` when a layer is missing here. Idempotent. */
  async put(config: ImageConfig, layers: readonly LayerRef[]): Promise<Image> {
    for (const layer of layers) this.#layers.dirOf(layer.digest);
    const digest = imageDigest(config, layers);
    const temporary = join(this.#root, `.${randomBytes(8).toString("hex")}`);
    writeFileSync(temporary, canonicalJson({ config, layers }), { flush: true, mode: 0o600 });
    renameSync(temporary, this.#path(digest));
    return { digest, config, layers };
  }

  /** Undefined when this host does not have it; layers may have been collected since: check with the layer store. */
  get(digest: Digest): Image | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path(digest), "utf8");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
    return ImageSchema.parse({ digest, ...JSON.parse(text) });
  }

  list(): readonly Image[] {
    return readdirSync(this.#root)
      .filter((name) => name.endsWith(".json"))
      .map((name) => `sha256:${name.slice(0, -".json".length)}`)
      .filter(isDigest)
      .map((digest) => this.get(digest))
      .filter((image) => image !== undefined);
  }

  /** Idempotent. Its layers stay until collect. */
  async remove(digest: Digest): Promise<void> {
    rmSync(this.#path(digest), { force: true });
  }

  /**
   * Removes images not in `keep`, then layers that neither a remaining image nor `keep` names and that landed more than `graceMs` ago
   * (default an hour). `keep` must hold whatever runs, can be rolled back to, is a base, or is in a build cache.
   */
  async collect(
    keep: ReadonlySet<Digest>,
    options: { readonly graceMs?: number; readonly nowMs?: number } = {},
  ): Promise<{ readonly images: number; readonly layers: number; readonly bytes: number }> {
    const graceMs = options.graceMs ?? YOUNG_MS;
    const nowMs = options.nowMs ?? Date.now();
    const needed = new Set<Digest>(keep);
    let images = 0;
    for (const image of this.list()) {
      if (keep.has(image.digest)) for (const layer of image.layers) needed.add(layer.digest);
      else {
        await this.remove(image.digest);
        images++;
      }
    }
    let layers = 0;
    let bytes = 0;
    for (const layer of this.#layers.list()) {
      if (needed.has(layer.digest) || this.#layers.ageMs(layer.digest, nowMs) < graceMs) continue;
      await this.#layers.remove(layer.digest);
      layers++;
      bytes += layer.sizeBytes;
    }
    return { images, layers, bytes };
  }

  #path(digest: Digest): string {
    if (!isDigest(digest)) throw new AppError("invalid", `${digest} is no digest.`);
    return join(this.#root, `${digest.slice("sha256:".length)}.json`);
  }
}

/** The digest of an image's canonical JSON: keys sorted, no white space. Pure. */
export function imageDigest(config: ImageConfig, layers: readonly LayerRef[]): Digest {
  return `sha256:${createHash("sha256").update(canonicalJson({ config, layers })).digest("hex")}`;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
