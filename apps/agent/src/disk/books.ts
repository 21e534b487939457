import { readFile, rename, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BaseImages, ImageStore } from "@plimsoll/containers";
import type { DesiredState } from "@plimsoll/contracts";
import { type Digest, ifThere } from "@plimsoll/core";
import type { HostLayout } from "@plimsoll/host";
import type { ServerApi } from "../api-client.ts";
import { readLedger } from "./ledger.ts";
import { DiskSizes } from "./sizes.ts";

/** What the build cache may take of this host, and one namespace's of that. */
interface CacheShares {
  readonly maxBytes: number;
  readonly maxNamespaceBytes: number;
}

const CLEANED = "cleaned.json";

/** Keeps the disk ledger of this host, and which wishes for a clean build cache it has fulfilled. */
export class DiskBooks {
  readonly #stateDir: string;
  readonly #api: Pick<ServerApi, "disk">;
  readonly #images: ImageStore;
  readonly #baseImages: Pick<BaseImages, "kept">;
  readonly #sizes: DiskSizes;
  readonly #closing = new AbortController();
  #telling: Promise<void> = Promise.resolve();
  /** Asked for and not begun: it tells what was given last. */
  #next: Promise<void> | undefined;
  #latest: [DesiredState, CacheShares] | undefined;
  #cachedBy: ReadonlyMap<Digest, ReadonlySet<string>> = new Map();
  #cleaned: ReadonlyMap<string, string> | undefined;

  constructor(options: {
    readonly layout: HostLayout;
    readonly api: Pick<ServerApi, "disk">;
    readonly images: ImageStore;
    readonly baseImages: Pick<BaseImages, "kept">;
  }) {
    this.#stateDir = options.layout.stateDir;
    this.#api = options.api;
    this.#images = options.images;
    this.#baseImages = options.baseImages;
    this.#sizes = new DiskSizes(this.#stateDir, this.#closing.signal);
  }

  /** Namespaces whose build cache is to go and has not gone yet. */
  async cleaningsOf({ cleanCaches = [] }: DesiredState): Promise<ReadonlySet<string>> {
    this.#cleaned ??= await this.#load();
    const done = this.#cleaned;
    return new Set(
      cleanCaches.filter(({ namespaceUid, stamp }) => done.get(namespaceUid) !== stamp).map(({ namespaceUid }) => namespaceUid),
    );
  }

  /** A collection is over: what it cleaned is not cleaned again, and what the caches name is known anew. */
  async collected(
    { cleanCaches = [] }: DesiredState,
    clean: ReadonlySet<string>,
    cachedBy: ReadonlyMap<Digest, ReadonlySet<string>>,
  ): Promise<void> {
    this.#cachedBy = cachedBy;
    if (clean.size === 0) return;
    // Of those that are not asked for any more nothing is kept.
    this.#cleaned = new Map(
      cleanCaches.flatMap(({ namespaceUid, stamp }) => {
        const done = clean.has(namespaceUid) ? stamp : this.#cleaned?.get(namespaceUid);
        return done === undefined ? [] : [[namespaceUid, done] as const];
      }),
    );
    const file = join(this.#stateDir, CLEANED);
    await writeFile(`${file}.new`, JSON.stringify(Object.fromEntries(this.#cleaned)), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  /** Accounts the disk and tells the server; one after the other, however often it is asked for, and nothing once it is closed. */
  tell(desired: DesiredState, budget: CacheShares): Promise<void> {
    this.#latest = [desired, budget];
    if (this.#next !== undefined) return this.#next;
    const mine = this.#telling.then(() => {
      this.#next = undefined;
      return this.#closing.signal.aborted || this.#latest === undefined ? undefined : this.#tell(...this.#latest);
    });
    this.#next = mine;
    this.#telling = mine.catch(() => undefined);
    return mine;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#telling;
  }

  async #tell(desired: DesiredState, budget: CacheShares): Promise<void> {
    const kept = this.#baseImages.kept();
    const images = this.#images.list();
    const baseLayers = new Set(images.filter(({ digest }) => kept.has(digest)).flatMap(({ layers }) => layers.map(({ digest }) => digest)));
    const { instances } = desired;
    const entries = await readLedger(this.#stateDir, this.#sizes, { baseLayers, images, cachedBy: this.#cachedBy, instances }, Date.now());
    const disk = await statfs(this.#stateDir);
    await this.#api.disk({
      sizeBytes: disk.blocks * disk.bsize,
      freeBytes: disk.bavail * disk.bsize,
      cacheBytes: budget.maxBytes,
      cacheNamespaceBytes: budget.maxNamespaceBytes,
      entries: [...entries],
    });
  }

  async #load(): Promise<ReadonlyMap<string, string>> {
    const text = await ifThere(readFile(join(this.#stateDir, CLEANED), "utf8"));
    try {
      return new Map(Object.entries(JSON.parse(text ?? "{}") as Record<string, string>));
    } catch (error) {
      // Torn: cleaning once more costs time only.
      if (error instanceof SyntaxError) return new Map();
      throw error;
    }
  }
}
