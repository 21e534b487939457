import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError, type Digest, type Image, type ImageConfig, ImageSchema, isDigest, type LayerRef } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";
import type { LayerStore } from "./layer-store.ts";

/**
 * What a collection leaves alone whatever it is told: a build that is under way has layers that no image names yet, and an image that was
 * just built is named by a release only when the server has heard of it.
 */
const YOUNG_MS = 3_600_000;
const HALF_WRITTEN = /^\.[0-9a-f]{16}$/;

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
    // Matches HALF_WRITTEN.
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
   * Removes images not in `keep` that were put more than `graceMs` ago (default an hour), then layers that neither a remaining image nor
   * `keep` names, that nobody holds, and that landed as long ago. `keep` must hold whatever can be rolled back to, is a base, or is in a
   * build cache. Files that are not the stores' own are left alone.
   */
  async collect(
    keep: ReadonlySet<Digest>,
    options: { readonly graceMs?: number; readonly nowMs?: number } = {},
  ): Promise<{ readonly images: number; readonly layers: number; readonly bytes: number }> {
    const graceMs = options.graceMs ?? YOUNG_MS;
    const nowMs = options.nowMs ?? Date.now();
    this.#removeHalfWritten(nowMs - graceMs);
    const needed = new Set<Digest>([...keep, ...this.#layers.held()]);
    let images = 0;
    for (const image of this.list()) {
      if (keep.has(image.digest) || nowMs - lastWrite(this.#path(image.digest)) < graceMs)
        for (const layer of image.layers) needed.add(layer.digest);
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

  /** What a put left that was cut off in the middle. */
  #removeHalfWritten(beforeMs: number): void {
    for (const name of readdirSync(this.#root)) {
      const path = join(this.#root, name);
      if (HALF_WRITTEN.test(name) && lastWrite(path) < beforeMs) rmSync(path, { force: true });
    }
  }

  #path(digest: Digest): string {
    if (!isDigest(digest)) throw new AppError("invalid", `${digest} is no digest.`);
    return join(this.#root, `${digest.slice("sha256:".length)}.json`);
  }
}

/** Since 1970; 0 when there is no such file any more. */
function lastWrite(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
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
