import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, type Digest, type Image, isDigest, type LayerRef } from "@plimsoll/core";
import { type HostLayout, identifyProcess, isAlive, type ProcessIdentity } from "@plimsoll/host";
import type { ImageStore } from "../image-store.ts";
import type { LayerStore } from "../layer-store.ts";
import { collectAbandonedPulls } from "./abandoned.ts";
import { type PlatformRegistry, pullPlatform, readPlatform } from "./platform.ts";
import { type ImageReference, parseReference } from "./reference.ts";
import { pullRemote, type RemoteImage, readRemote } from "./registry.ts";
import { Search, unlessAborted } from "./search.ts";
import { type OutwardNetwork, Skopeo } from "./skopeo.ts";
import { type ImageSource, imageSources, type MirrorTable, type Puller } from "./sources.ts";
import { defaultSubstitutes, findRule, makeDebianLayer, makeSubstitute, type SubstituteRule } from "./substitutes.ts";
import { Turns } from "./turns.ts";

export interface ResolvedBase {
  readonly image: Image;
  readonly substituted?: true;
  /** What the reference stood for: the digest of its manifest, or of its list of manifests. Absent for a stand-in. */
  readonly sourceDigest?: Digest;
  /** `substituted node:22 with an image made here`, and which mirrors were of no use. */
  readonly notes?: readonly string[];
}

export interface ResolveOptions {
  readonly signal?: AbortSignal;
  /** Who asks, with what of registries. Absent: nobody, with nothing. */
  readonly puller?: Puller;
  /** Its tag is asked for now, whatever is known of it. */
  readonly fresh?: boolean;
}

export interface BaseImagesOptions {
  readonly layout: HostLayout;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  /** What stands in for what where the registry cannot be reached. Default: defaultSubstitutes. */
  readonly substitutes?: readonly SubstituteRule[];
  /** Default 10 minutes. */
  readonly pullTimeoutMs?: number;
  /** The platform's own registry, which is not reached as others are. */
  readonly platform?: PlatformRegistry;
  /** Where registries are reached from. Absent: the network of this process, with all that it reaches. */
  readonly network?: OutwardNetwork;
  /** The operator's registries (host[:port]): reached from this process' network; spoken to without TLS; mirrored for everybody. */
  readonly registries?: { readonly onHost?: readonly string[]; readonly plainHttp?: readonly string[]; readonly mirrors?: MirrorTable };
}

/** What a reference stands for on this host. */
interface Known {
  readonly reference: string;
  readonly digest: Digest;
  readonly substituted: boolean;
  readonly sourceDigest?: Digest;
  /** Of a record that goes when nobody has asked for it for long. */
  readonly passing?: true;
  readonly at: number;
}

/** What is known, and what there is to say about how. */
interface Found {
  readonly known: Known;
  readonly notes: readonly string[];
}

const PULL_TIMEOUT_MS = 600_000;
/** A tag is asked for again after this time, beside the build that uses what is known: builds never wait for it. */
const REFRESH_MS = 3_600_000;
/** A registry that could not be reached is not tried again before. */
const UNREACHABLE_MS = 60_000;
const LOCK_POLL_MS = 100;
/** What only some namespaces may use is kept so long after its last use. */
const PASSING_MS = 14 * 24 * 3_600_000;
/** Pulls of one namespace at one time: a registry that is slow on purpose holds up its own namespace alone. */
const PULLS_AT_ONCE = 3;

/**
 * Images that builds start from, by reference. Pulled from a mirror or their registry; only where that cannot be reached an image made on
 * this host stands in, and says so. What a public reference stands for is kept until a later look finds something newer. What took a
 * credential, or a namespace's own mirror, is that namespace's alone, and each use of it reads the manifest again, with the credential: one
 * who cannot, or cannot any more, gets nothing, though the layers be here. One who can is not given the same bytes a second time.
 */
export class BaseImages {
  readonly #options: BaseImagesOptions;
  readonly #directory: string;
  readonly #scratchDir: string;
  readonly #skopeo: Skopeo;
  readonly #searches = new Map<string, Search<Found>>();
  readonly #unreachable = new Map<string, number>();
  readonly #turns = new Turns(PULLS_AT_ONCE);

  constructor(options: BaseImagesOptions) {
    const { layout, network, registries } = options;
    this.#options = options;
    this.#directory = join(layout.stateDir, "references");
    this.#scratchDir = join(layout.stateDir, "scratch");
    for (const directory of [this.#directory, this.#scratchDir]) mkdirSync(directory, { recursive: true, mode: 0o700 });
    collectAbandonedPulls(this.#scratchDir);
    this.#skopeo = new Skopeo({ secretDir: layout.bundlesDir, ...(network === undefined ? {} : { network }), ...registries });
  }

  /**
   * AppError `invalid`, `not_found`, `forbidden`, `unsupported`, `unavailable`, `timeout` with a sentence for people, or the signal's reason.
   * Concurrent calls for one reference run once.
   */
  async resolve(reference: string, { signal, puller, fresh = false }: ResolveOptions = {}): Promise<ResolvedBase> {
    const parsed = parseReference(reference);
    signal?.throwIfAborted();
    const { platform, registries } = this.#options;
    const wait = (find: () => Promise<Found>) => this.#inTurn(puller, signal, find);
    if (platform !== undefined && platform.host() === parsed.registry)
      return this.#answer(parsed, await wait(() => this.#findPlatform(parsed, platform, puller, signal)));
    const sources = imageSources(parsed, puller, registries?.mirrors ?? {});
    if (puller !== undefined && sources.some(({ isPrivate }) => isPrivate)) {
      const key = JSON.stringify([puller, parsed.full]);
      return this.#answer(parsed, await wait(() => this.#once(key, (stop) => this.#findOwn(parsed, sources, puller, stop), signal)));
    }
    const look = (asked?: AbortSignal) => this.#once(parsed.full, (stop) => this.#lookPublic(parsed, sources, stop), asked);
    const known = this.#known(parsed);
    if (known === undefined || (fresh && !parsed.pinned)) return this.#answer(parsed, await wait(() => look(signal)));
    if (!parsed.pinned && Date.now() - known.at > REFRESH_MS && !this.#isUnreachable(parsed))
      void this.#inTurn(puller, undefined, look).catch(() => undefined);
    return this.#answer(parsed, { known, notes: [] });
  }

  /** Whoever waits for what another namespace has asked for waits for no turn of that one's. */
  #inTurn(puller: Puller | undefined, signal: AbortSignal | undefined, find: () => Promise<Found>): Promise<Found> {
    const found = this.#turns.run(puller?.namespaceUid ?? "", async () => {
      signal?.throwIfAborted();
      return find();
    });
    return unlessAborted(found, signal);
  }

  /** Digests that references on this host name; never collected. */
  kept(): ReadonlySet<Digest> {
    const digests = new Set<Digest>();
    for (const name of readdirSync(this.#directory)) {
      const file = join(this.#directory, name);
      const known = name.endsWith(".json") ? this.#read(file) : undefined;
      if (known?.passing === true && Date.now() - known.at > PASSING_MS) rmSync(file, { force: true });
      else if (known !== undefined && isDigest(known.digest)) digests.add(known.digest);
    }
    return digests;
  }

  #answer(parsed: ImageReference, { known, notes }: Found): ResolvedBase {
    const image = this.#options.images.get(known.digest);
    if (image === undefined) throw new AppError("unavailable", `Image ${parsed.familiar} was collected meanwhile; build again.`);
    if (known.substituted) return { image, substituted: true, notes: [...notes, `substituted ${parsed.familiar} with an image made here`] };
    return { image, notes, ...(known.sourceDigest === undefined ? {} : { sourceDigest: known.sourceDigest }) };
  }

  /** Found once for all who want it at the time; given up when none of them does any more. */
  async #once(key: string, find: (stop: AbortSignal) => Promise<Found>, signal?: AbortSignal): Promise<Found> {
    const under = this.#searches.get(key);
    const search = under === undefined || under.isOver ? new Search(find) : under;
    this.#searches.set(key, search);
    try {
      return await search.found(signal);
    } finally {
      if (search.isOver && this.#searches.get(key) === search) this.#searches.delete(key);
    }
  }

  /** What everybody may have. */
  async #lookPublic(parsed: ImageReference, sources: readonly ImageSource[], stop: AbortSignal): Promise<Found> {
    try {
      const notes: string[] = [];
      const reachable = sources.filter(({ isMirror }) => isMirror || !this.#isUnreachable(parsed));
      if (reachable.length === 0) throw unreachable(parsed);
      const pulled = await this.#pullFirst(parsed, reachable, notes, stop);
      return { known: this.#keep({ ...pulled, reference: parsed.full }, parsed.full), notes };
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      this.#unreachable.set(parsed.registry, Date.now());
      return { known: await this.#standIn(parsed, error), notes: [] };
    }
  }

  /** What this namespace alone may have: nothing is known before its registry has said so now. */
  async #findOwn(parsed: ImageReference, sources: readonly ImageSource[], { namespaceUid }: Puller, stop: AbortSignal): Promise<Found> {
    const notes: string[] = [];
    try {
      const pulled = await this.#pullFirst(parsed, sources, notes, stop);
      const key = `${namespaceUid} ${parsed.full}`;
      return { known: this.#keep({ ...pulled, reference: key, passing: true }, key), notes };
    } catch (error) {
      // What stands in for it is anybody's.
      if (!isUnreachable(error)) throw error;
      return { known: await this.#standIn(parsed, error), notes };
    }
  }

  /** From the first source that gives it; what the others said is noted, the last one's refusal is thrown. */
  async #pullFirst(
    parsed: ImageReference,
    sources: readonly ImageSource[],
    notes: string[],
    stop: AbortSignal,
  ): Promise<Omit<Known, "reference">> {
    for (const source of sources) {
      try {
        return await this.#pull(parsed, source, stop);
      } catch (error) {
        stop.throwIfAborted();
        if (!source.isMirror || !(error instanceof AppError) || error.code === "internal") throw error;
        notes.push(`mirror passed over: ${error.message}`);
      }
    }
    throw unreachable(parsed);
  }

  /** What the platform's registry has: the server is asked anew each time, whether this namespace may have it. */
  async #findPlatform(
    parsed: ImageReference,
    platform: PlatformRegistry,
    puller: Puller | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Found> {
    if (puller === undefined)
      throw new AppError("forbidden", `${parsed.familiar} is of the platform's registry, which nobody may read here.`);
    const wanted = { reference: parsed, namespaceUid: puller.namespaceUid };
    const remote = await readPlatform(platform, wanted, signal);
    const { layers, images } = this.#options;
    const stores = { layers, images, scratchDir: this.#scratchDir };
    const place = `${parsed.registry}/${parsed.name}@${remote.imageDigest}`;
    const known = await this.#pulled(place, remote, () => pullPlatform(platform, { ...wanted, remote }, stores, signal));
    return { known: { ...known, reference: parsed.full }, notes: [] };
  }

  /** The manifest is read in any case, with the source's credential; what it names is pulled where it is not here from that very place. */
  async #pull(parsed: ImageReference, source: ImageSource, stop: AbortSignal): Promise<Omit<Known, "reference">> {
    const { layers, images, pullTimeoutMs = PULL_TIMEOUT_MS } = this.#options;
    const options = { timeoutMs: pullTimeoutMs, signal: stop };
    const remote = await readRemote(this.#skopeo, parsed, source, options);
    return this.#pulled(`${source.repository}@${remote.imageDigest}`, remote, () =>
      pullRemote(this.#skopeo, { reference: parsed, source, remote }, { layers, images, scratchDir: this.#scratchDir }, options),
    );
  }

  /** An image that was just seen in its place: as it is here from that very place, or pulled. */
  async #pulled(place: string, remote: RemoteImage, pull: () => Promise<Image>): Promise<Omit<Known, "reference">> {
    const { layers, images } = this.#options;
    const key = `pulled ${place}`;
    const before = this.#read(this.#file(key));
    const here = before === undefined ? undefined : images.get(before.digest);
    const image = here?.layers.every(({ digest }) => layers.has(digest)) === true ? here : await pull();
    const known = { digest: image.digest, substituted: false, sourceDigest: remote.digest, at: Date.now() };
    this.#keep({ ...known, reference: key, passing: true }, key);
    return known;
  }

  /** Where no registry can be reached: what everybody got before, else an image made here, else the failure itself. */
  async #standIn(parsed: ImageReference, failure: AppError): Promise<Known> {
    const known = this.#known(parsed);
    if (known !== undefined) return this.#keep({ ...known, at: Date.now() }, parsed.full);
    const rule = findRule(parsed, this.#options.substitutes ?? defaultSubstitutes);
    if (rule === undefined) throw failure;
    return this.#locked(async () => {
      // Another process may have made it while we waited for the lock.
      const made = this.#known(parsed);
      if (made !== undefined) return made;
      const stores = { layers: this.#options.layers, images: this.#options.images, scratchDir: this.#scratchDir };
      const image = await makeSubstitute(parsed, rule, { ...stores, debianLayer: (suite, packages) => this.#debianLayer(suite, packages) });
      return this.#keep({ reference: parsed.full, digest: image.digest, substituted: true, at: Date.now() }, parsed.full);
    });
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

  /** One process at a time makes images here; the lock of a process that died is taken over. */
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

function isUnreachable(error: unknown): error is AppError {
  return error instanceof AppError && error.details.unreachable === true;
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
