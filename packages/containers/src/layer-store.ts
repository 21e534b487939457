import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { AppError, type Digest, isDigest, type LayerRef } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { diskRoom, errorCode, identifyProcess, isAlive, type ProcessIdentity, RootedTree, syncFileSystem } from "@plimsoll/host";
import { layerArchive } from "./layer-archive.ts";
import { extractLayer } from "./layer-extract.ts";
import { archiveDigest, nameLayer, type SealOptions, sealEntries } from "./layer-name.ts";

export interface ImportOptions {
  /** Paths (without leading slash) to leave out. */
  readonly skip?: (path: string) => boolean;
  /** Unpacked bytes; default 20 GiB. */
  readonly maxBytes?: number;
  /** Default 2 million. */
  readonly maxEntries?: number;
}

/** A private directory on the store's file system: an upper and a work directory for an overlay. */
export interface TemporaryLayer {
  readonly dir: string;
  readonly upperDir: string;
  readonly workDir: string;
  /** Idempotent; also after seal. */
  discard(): Promise<void>;
}

const DEFAULT_MAX_BYTES = 20 * 1024 ** 3;
const SYNC_DELAY_MS = 5_000;
const LOOK_EACH_BYTES = 32 * 1024 ** 2;
const DEFAULT_MAX_ENTRIES = 2_000_000;

/**
 * Layers as directories with container-side ids, named by what is in them (layer-name.ts).
 *
 *     <hex>/fs           the layer, as overlay takes it
 *     <hex>/layer.json   digest, size, the boot it landed in
 *     <hex>/durable      it is on the disk for good
 *     <hex>/packages-*   what was read of the packages in it (sbom/)
 *     tmp/<pid>-<start>-<random>/   half-made; collected when that process is gone
 *
 * Layers land by rename, whole or not at all. Instead of an fsync per file, which every build would wait for, the file system is
 * synced behind the landing and the layer marked durable; one without the mark is verified after a reboot. Several processes may use
 * one store; nothing of it is cached in memory. The store's directory is root's alone (0700), else a setuid file in a layer would be
 * within reach of the host's other users.
 */
export class LayerStore {
  readonly #root: string;
  readonly #temporaryRoot: string;
  readonly #unsynced = new Set<Digest>();
  readonly #holders = new Set<() => Iterable<Digest>>();
  #syncTimer: NodeJS.Timeout | undefined;
  #syncing: Promise<void> = Promise.resolve();

  constructor(layersDir: string) {
    this.#root = layersDir;
    this.#temporaryRoot = join(layersDir, "tmp");
    mkdirSync(this.#temporaryRoot, { recursive: true, mode: 0o700 });
  }

  has(digest: Digest): boolean {
    return existsSync(join(this.#dir(digest), "layer.json"));
  }

  /** Directory that an overlay takes as lower. Throws AppError `not_found`. */
  dirOf(digest: Digest): string {
    if (!this.has(digest)) throw new AppError("not_found", `This host does not have the layer ${digest}.`);
    return join(this.#dir(digest), "fs");
  }

  /** Where something that was found out about a layer is kept beside it: it goes when the layer goes. Throws AppError `not_found`. */
  noteOf(digest: Digest, name: string): string {
    return join(this.dirOf(digest), "..", name);
  }

  /** Throws AppError `not_found`. */
  ref(digest: Digest): LayerRef {
    const record = this.#record(digest);
    if (record === undefined) throw new AppError("not_found", `This host does not have the layer ${digest}.`);
    return { digest, sizeBytes: record.sizeBytes };
  }

  list(): readonly LayerRef[] {
    return this.#digests().flatMap((digest) => {
      const record = this.#record(digest);
      return record === undefined ? [] : [{ digest, sizeBytes: record.sizeBytes }];
    });
  }

  /** What `named` names at the time is in use: it cannot be removed through this object. Returns the end of that. */
  hold(named: () => Iterable<Digest>): () => void {
    this.#holders.add(named);
    return () => this.#holders.delete(named);
  }

  /** Layers that are in use, of those who hold some through this object. */
  held(): ReadonlySet<Digest> {
    return new Set([...this.#holders].flatMap((named) => [...named()]));
  }

  /** Milliseconds since the layer landed here, or was to land again. */
  ageMs(digest: Digest, nowMs: number): number {
    return nowMs - statSync(join(this.#dir(digest), "layer.json")).mtimeMs;
  }

  /** Idempotent. What somebody holds stays. */
  async remove(digest: Digest): Promise<void> {
    if (this.held().has(digest)) return;
    const grave = this.#temporaryName();
    try {
      renameSync(this.#dir(digest), grave);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      throw error;
    }
    await removeTree(grave);
  }

  temporary(): TemporaryLayer {
    const dir = this.#temporaryName();
    const upperDir = join(dir, "fs");
    const workDir = join(dir, "work");
    mkdirSync(dir, { mode: 0o700 });
    mkdirSync(upperDir, { mode: 0o755 });
    mkdirSync(workDir, { mode: 0o700 });
    // What is left of one that was sealed: overlayfs makes directories in its work directory, some for a volatile mount only.
    const remains = [...["work/incompat/volatile", "work/incompat", "work"].map((name) => join(workDir, name)), workDir, dir];
    return { dir, upperDir, workDir, discard: async () => (removeEmpty(remains) ? undefined : removeTree(dir)) };
  }

  /**
   * Moves the upper directory into the store and names it. It must not be mounted any more and be on the store's file system. Content
   * that the store has already is thrown away. Safe to run concurrently.
   */
  async seal(upperDir: string, options: SealOptions = {}): Promise<LayerRef> {
    return this.#land(upperDir, await sealEntries(upperDir, options));
  }

  /** The canonical archive (uncompressed tar): the same bytes for the same layer. Throws AppError `not_found`. */
  exportArchive(digest: Digest): Readable {
    return Readable.from(layerArchive(this.dirOf(digest)), { objectMode: false });
  }

  /** Throws AppError `invalid` when the content is not what the digest says or the archive breaks a rule. Idempotent. */
  async importArchive(digest: Digest, archive: Readable, options: ImportOptions = {}): Promise<LayerRef> {
    if (this.has(digest)) {
      archive.destroy();
      this.#renew(digest);
      return this.ref(digest);
    }
    return this.#unpacked(archive, "overlay", options, async (upperDir) => {
      const { digest: actual, sizeBytes } = await nameLayer(upperDir);
      if (actual !== digest && (await archiveDigest(upperDir)) !== digest)
        throw new AppError("invalid", `A layer arrived damaged: it should be ${digest} and is ${actual}.`);
      return this.#land(upperDir, { digest, sizeBytes });
    });
  }

  /** A layer as registries keep it; `mediaType` tells how it is packed (OCI image spec, layer.md; Docker's names too). */
  async importOciLayer(archive: Readable, mediaType: string, options: ImportOptions = {}): Promise<LayerRef> {
    return this.#unpacked(unpack(archive, mediaType), "oci", options, (upperDir) => this.seal(upperDir));
  }

  /** Removes half-made directories of processes that are gone, and layers that a power cut has torn. Call at start. */
  async collectTemporary(): Promise<void> {
    for (const name of readdirSync(this.#temporaryRoot)) {
      const [, pid, startTicks] = /^(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
      if (pid === undefined || isAlive({ pid: Number(pid), startTicks: Number(startTicks) })) continue;
      await removeTree(join(this.#temporaryRoot, name));
    }
    for (const digest of this.#digests()) {
      if (existsSync(join(this.#dir(digest), "durable"))) continue;
      if (await this.#isWhole(digest)) this.#makeDurable(digest);
      else await this.remove(digest);
    }
  }

  /** Puts all that has landed through this object on the disk now. */
  settled(): Promise<void> {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    // A failed sync leaves layers unmarked: they are verified after the next boot.
    this.#syncing = this.#syncing.then(() => this.#sync()).catch(() => undefined);
    return this.#syncing;
  }

  async #unpacked(
    archive: AsyncIterable<Uint8Array>,
    whiteouts: "overlay" | "oci",
    options: ImportOptions,
    land: (upperDir: string) => Promise<LayerRef>,
  ): Promise<LayerRef> {
    const temporary = this.temporary();
    try {
      {
        using tree = new RootedTree(temporary.upperDir);
        await extractLayer(archive, tree, {
          whiteouts,
          maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
          maxEntries: options.maxEntries ?? DEFAULT_MAX_ENTRIES,
          spend: leavingRoom(temporary.upperDir),
          ...(options.skip === undefined ? {} : { skip: options.skip }),
        });
      }
      return await land(temporary.upperDir);
    } finally {
      await temporary.discard();
    }
  }

  async #land(upperDir: string, ref: LayerRef): Promise<LayerRef> {
    const dir = this.#temporaryName();
    mkdirSync(dir, { mode: 0o700 });
    renameSync(upperDir, join(dir, "fs"));
    writeFileSync(join(dir, "layer.json"), `${JSON.stringify({ ...ref, bootId: bootId() })}\n`);
    try {
      renameSync(dir, this.#dir(ref.digest));
    } catch (error) {
      // Another build landed the same content first.
      if (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "EEXIST") throw error;
      await removeTree(dir);
      this.#renew(ref.digest);
      return ref;
    }
    this.#makeDurable(ref.digest);
    return ref;
  }

  /** Who brings what is here already is about to use it, as if it had landed now. */
  #renew(digest: Digest): void {
    const now = new Date();
    try {
      utimesSync(join(this.#dir(digest), "layer.json"), now, now);
    } catch (error) {
      // Collected this moment: whoever uses it will see.
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }

  /** A layer that was not yet on the disk for good when the machine went down may be whole or not. */
  async #isWhole(digest: Digest): Promise<boolean> {
    const record = this.#record(digest);
    if (record === undefined) return false;
    if (record.bootId === bootId()) return true;
    const root = join(this.#dir(digest), "fs");
    return (await nameLayer(root)).digest === digest || (await archiveDigest(root)) === digest;
  }

  /** Soon, and for all that landed by then together: while the file system syncs, whoever makes files in it waits. */
  #makeDurable(digest: Digest): void {
    this.#unsynced.add(digest);
    this.#syncTimer ??= setTimeout(() => void this.settled(), SYNC_DELAY_MS).unref();
  }

  async #sync(): Promise<void> {
    const digests = [...this.#unsynced];
    this.#unsynced.clear();
    if (digests.length === 0) return;
    const fd = openSync(this.#root, "r");
    try {
      await syncFileSystem(fd);
    } finally {
      closeSync(fd);
    }
    for (const digest of digests) if (this.has(digest)) writeFileSync(join(this.#dir(digest), "durable"), "");
  }

  #digests(): readonly Digest[] {
    return readdirSync(this.#root)
      .map((name) => `sha256:${name}`)
      .filter(isDigest)
      .filter((digest) => this.has(digest));
  }

  /** Undefined when the layer is not here, or so torn by a power cut that not even its record is left. */
  #record(digest: Digest): { readonly sizeBytes: number; readonly bootId: string } | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#dir(digest), "layer.json"), "utf8"));
    } catch (error) {
      if (error instanceof SyntaxError || errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  #dir(digest: Digest): string {
    if (!isDigest(digest)) throw new AppError("invalid", `${digest} is no digest.`);
    return join(this.#root, digest.slice("sha256:".length));
  }

  #temporaryName(): string {
    const { pid, startTicks } = self();
    return join(this.#temporaryRoot, `${pid}-${startTicks}-${randomBytes(8).toString("hex")}`);
  }
}

/** Throws AppError `unavailable` before so much is written that the host would have no room left for anything else. */
function leavingRoom(directory: string): (bytes: number) => void {
  let written = LOOK_EACH_BYTES;
  return (bytes) => {
    written += bytes;
    if (written < LOOK_EACH_BYTES) return;
    written = 0;
    const { freeBytes, reserveBytes } = diskRoom(directory);
    if (freeBytes - bytes >= reserveBytes) return;
    throw new AppError(
      "unavailable",
      "This host has too little disk space left for the image. Try again later, or tell the platform's operator: `plim disk --hosts` shows what takes it.",
    );
  };
}

function unpack(archive: Readable, mediaType: string): AsyncIterable<Uint8Array> {
  if (mediaType.endsWith("tar")) return archive;
  const gunzip = mediaType.endsWith("gzip");
  if (!gunzip && !mediaType.endsWith("zstd"))
    throw new AppError("unsupported", `A layer of type ${mediaType} cannot be unpacked: only tar, gzip and zstd are known.`);
  const unpacker = gunzip ? createGunzip() : createZstdDecompress();
  // Errors of either end reach the reader of the last stream.
  pipeline(archive, unpacker, () => undefined);
  return unpacker;
}

/** Whether all of these directories are gone now, in this order; a program that removes them takes longer than most steps. */
function removeEmpty(directories: readonly string[]): boolean {
  try {
    for (const directory of directories) if (existsSync(directory)) rmdirSync(directory);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOTEMPTY" || errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** rm walks by descriptors and follows nothing (fts), in another process: a tree of 20,000 files would hold up ours. */
export async function removeTree(dir: string): Promise<void> {
  if (!existsSync(dir)) return;
  await run(["rm", "-rf", "--one-file-system", "--", basename(dir)], { cwd: dirname(dir), timeoutMs: 600_000 });
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

let ourselves: ProcessIdentity | undefined;

function self(): ProcessIdentity {
  ourselves ??= identifyProcess(process.pid);
  if (ourselves === undefined) throw new AppError("internal", "/proc does not show this process");
  return ourselves;
}
