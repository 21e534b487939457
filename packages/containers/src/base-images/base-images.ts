import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, type Digest, type Image, isDigest, type LayerRef } from "@plimsoll/core";
import { type HostLayout, identifyProcess, isAlive, type ProcessIdentity } from "@plimsoll/host";
import type { ImageStore } from "../image-store.ts";
import type { LayerStore } from "../layer-store.ts";
import { type ImageReference, parseReference } from "./reference.ts";
import { pullImage } from "./registry.ts";
import { defaultSubstitutes, findRule, makeDebianLayer, makeSubstitute, type SubstituteRule } from "./substitutes.ts";

export interface ResolvedBase {
  readonly image: Image;
  readonly substituted?: true;
  /** `substituted node:22 with an image made here` */
  readonly note?: string;
}

export interface BaseImagesOptions {
  readonly layout: HostLayout;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  /** What stands in for what where the registry cannot be reached. Default: defaultSubstitutes. */
  readonly substitutes?: readonly SubstituteRule[];
  /** Default 10 minutes. */
  readonly pullTimeoutMs?: number;
}

/** What a reference stands for on this host. */
interface Known {
  readonly reference: string;
  readonly digest: Digest;
  readonly substituted: boolean;
  readonly at: number;
}

const PULL_TIMEOUT_MS = 600_000;
/** A tag is asked for again after this time, beside the build that uses what is known: builds never wait for it. */
const REFRESH_MS = 3_600_000;
/** A registry that could not be reached is not tried again before. */
const UNREACHABLE_MS = 60_000;
const LOCK_POLL_MS = 100;

/**
 * Images that builds start from, by reference. Pulled from their registry; only where that cannot be reached an image made on this host
 * stands in, and says so. What a reference stands for is kept until a later look finds something newer.
 */
export class BaseImages {
  readonly #options: BaseImagesOptions;
  readonly #directory: string;
  readonly #scratchDir: string;
  readonly #resolving = new Map<string, Promise<Known>>();
  readonly #unreachable = new Map<string, number>();

  constructor(options: BaseImagesOptions) {
    this.#options = options;
    this.#directory = join(options.layout.stateDir, "references");
    this.#scratchDir = join(options.layout.stateDir, "scratch");
    for (const directory of [this.#directory, this.#scratchDir]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** AppError `invalid`, `not_found`, `forbidden`, `unavailable`, `timeout` with a sentence for people. Concurrent calls for one reference run once. */
  async resolve(reference: string, options: { readonly signal?: AbortSignal } = {}): Promise<ResolvedBase> {
    const parsed = parseReference(reference);
    const known = this.#known(parsed);
    if (known === undefined) {
      options.signal?.throwIfAborted();
      return this.#answer(parsed, await this.#once(parsed));
    }
    if (!parsed.pinned && Date.now() - known.at > REFRESH_MS && !this.#isUnreachable(parsed))
      void this.#once(parsed).catch(() => undefined);
    return this.#answer(parsed, known);
  }

  /** Digests that references on this host name; never collected. */
  kept(): ReadonlySet<Digest> {
    return new Set(
      readdirSync(this.#directory)
        .filter((name) => name.endsWith(".json"))
        .map((name) => this.#read(join(this.#directory, name))?.digest)
        .filter((digest) => digest !== undefined && isDigest(digest)),
    );
  }

  #answer(parsed: ImageReference, known: Known): ResolvedBase {
    const image = this.#options.images.get(known.digest);
    if (image === undefined) throw new AppError("unavailable", `Image ${parsed.familiar} was collected meanwhile; build again.`);
    return known.substituted ? { image, substituted: true, note: `substituted ${parsed.familiar} with an image made here` } : { image };
  }

  #once(parsed: ImageReference): Promise<Known> {
    const under = this.#resolving.get(parsed.full);
    if (under !== undefined) return under;
    const mine = this.#locked(() => this.#fetch(parsed)).finally(() => this.#resolving.delete(parsed.full));
    this.#resolving.set(parsed.full, mine);
    return mine;
  }

  async #fetch(parsed: ImageReference): Promise<Known> {
    // Another process may have done it while we waited for the lock.
    const known = this.#known(parsed);
    if (known !== undefined && Date.now() - known.at < REFRESH_MS) return known;
    const stores = { layers: this.#options.layers, images: this.#options.images, scratchDir: this.#scratchDir };
    try {
      if (this.#isUnreachable(parsed)) throw unreachable(parsed);
      const image = await pullImage(parsed, stores, { timeoutMs: this.#options.pullTimeoutMs ?? PULL_TIMEOUT_MS });
      return this.#keep({ reference: parsed.full, digest: image.digest, substituted: false, at: Date.now() }, parsed.full);
    } catch (error) {
      if (!(error instanceof AppError) || error.details.unreachable !== true) throw error;
      this.#unreachable.set(parsed.registry, Date.now());
      // What was pulled once is better than a stand-in.
      if (known !== undefined) return this.#keep({ ...known, at: Date.now() }, parsed.full);
      const rule = findRule(parsed, this.#options.substitutes ?? defaultSubstitutes);
      if (rule === undefined) throw error;
      const image = await makeSubstitute(parsed, rule, { ...stores, debianLayer: (suite, packages) => this.#debianLayer(suite, packages) });
      return this.#keep({ reference: parsed.full, digest: image.digest, substituted: true, at: Date.now() }, parsed.full);
    }
  }

  /** Kept as an image of its own, so that every stand-in shares it. */
  async #debianLayer(suite: string, packages: readonly string[] = []): Promise<LayerRef> {
    const key = ["made here/debian", suite, ...packages].join("/");
    const known = this.#read(this.#file(key));
    const image = known === undefined ? undefined : this.#options.images.get(known.digest);
    if (image?.layers[0] !== undefined) return image.layers[0];
    const layer = await makeDebianLayer(suite, this.#options.layers, packages);
    const architecture = process.arch === "arm64" ? "arm64" : "amd64";
    const config = {
      architecture,
      os: "linux",
      env: [],
      entrypoint: [],
      cmd: [],
      user: "",
      workingDir: "/",
      exposedPorts: [],
      labels: {},
    } as const;
    const made = await this.#options.images.put(config, [layer]);
    this.#keep({ reference: key, digest: made.digest, substituted: true, at: Date.now() }, key);
    return layer;
  }

  #isUnreachable({ registry }: ImageReference): boolean {
    return Date.now() - (this.#unreachable.get(registry) ?? 0) < UNREACHABLE_MS;
  }

  #known({ full }: ImageReference): Known | undefined {
    const known = this.#read(this.#file(full));
    return known !== undefined && this.#options.images.get(known.digest) !== undefined ? known : undefined;
  }

  #keep(known: Known, key: string): Known {
    const file = this.#file(key);
    writeFileSync(`${file}.new`, JSON.stringify(known), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
    return known;
  }

  #read(file: string): Known | undefined {
    try {
      return JSON.parse(readFileSync(file, "utf8")) as Known;
    } catch {
      return undefined;
    }
  }

  #file(key: string): string {
    return join(this.#directory, `${createHash("sha256").update(key).digest("hex")}.json`);
  }

  /** One process at a time makes or pulls images here; the lock of a process that died is taken over. */
  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const file = join(this.#directory, "lock");
    for (;;) {
      const handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
      if (handle !== undefined) {
        try {
          await handle.writeFile(JSON.stringify(identifyProcess(process.pid)));
          await handle.close();
          return await work();
        } finally {
          await rm(file, { force: true });
        }
      }
      if (!lockHolderLives(file)) await rm(file, { force: true });
      else await sleep(LOCK_POLL_MS);
    }
  }
}

function unreachable(parsed: ImageReference): AppError {
  return new AppError("unavailable", `The registry ${parsed.registry} cannot be reached from this host.`, {
    details: { unreachable: true },
  });
}

/** A lock that says nothing yet was made a moment ago. */
function lockHolderLives(file: string): boolean {
  try {
    const text = readFileSync(file, "utf8");
    return text === "" || isAlive(JSON.parse(text) as ProcessIdentity);
  } catch {
    return true;
  }
}
