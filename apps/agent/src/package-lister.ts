import { setTimeout as rest } from "node:timers/promises";
import type { Logger } from "@plimsoll/config";
import { type ImageStore, type LayerStore, listImagePackages } from "@plimsoll/containers";
import { AppError, type Digest, isDigest, type PackageList } from "@plimsoll/core";
import type { ServerApi } from "./api-client.ts";

/** A build was told of a moment ago: what it is rolled out to has the processor first. */
const REST_MS = 2_000;

export interface PackageListerOptions {
  readonly api: Pick<ServerApi, "packages">;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly log: Logger;
  /** For tests. */
  readonly restMs?: number;
}

/**
 * Lists the packages of images that the server wants listed, one after the other, and tells it. Nothing is remembered here: what was not
 * told, by a kill or a failure, is wanted again.
 */
export class PackageLister {
  readonly #options: PackageListerOptions;
  readonly #closing = new AbortController();
  readonly #letGo: () => void;
  #wanted: readonly string[] = [];
  #held: readonly Digest[] = [];
  #running: Promise<void> | undefined;

  constructor(options: PackageListerOptions) {
    this.#options = options;
    this.#letGo = options.layers.hold(() => this.#held);
  }

  /** What is wanted now; begins, and does not wait. */
  apply(wanted: readonly string[] = []): void {
    this.#wanted = wanted;
    if (wanted.length === 0 || this.#running !== undefined || this.#closing.signal.aborted) return;
    this.#running = this.#run()
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#options.log.warn("the packages of an image could not be listed; it is tried again", { error });
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError("unavailable", "the agent ends"));
    await this.#running;
    this.#letGo();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const done = new Set<string>();
    await rest(this.#options.restMs ?? REST_MS, undefined, { signal });
    for (let image = this.#next(done); image !== undefined; image = this.#next(done)) {
      done.add(image);
      await this.#options.api.packages(image, await this.#list(image));
      signal.throwIfAborted();
    }
  }

  /** What is wanted may have changed meanwhile. */
  #next(done: ReadonlySet<string>): string | undefined {
    return this.#wanted.find((image) => !done.has(image));
  }

  /** Undefined where the image is not here any more. */
  async #list(digest: string): Promise<PackageList | undefined> {
    const { images, layers, log } = this.#options;
    const image = isDigest(digest) ? images.get(digest) : undefined;
    this.#held = image?.layers.map((layer) => layer.digest) ?? [];
    try {
      if (image === undefined || !this.#held.every((layer) => layers.has(layer))) return undefined;
      const onDied = (words: string) => log.warn("the program that lists packages died", { image: digest, words });
      return await listImagePackages(layers, image, { signal: this.#closing.signal, onDied });
    } finally {
      this.#held = [];
    }
  }
}
