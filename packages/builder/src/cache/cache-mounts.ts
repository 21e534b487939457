import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "@plimsoll/containers";
import { run } from "@plimsoll/exec";
import { errorCode } from "@plimsoll/host";
import type { CacheMount } from "../plan/actions.ts";

/** A directory while a step uses it. */
export interface HeldCacheMount {
  /** Container-side ids on disk. What is in it is a tenant's. */
  readonly directory: string;
  /** Idempotent. */
  release(): void;
}

/** A directory as it stands, for the disk budget. */
export interface CacheMountUse {
  readonly namespaceUid: string;
  /** Names it among all cache mounts of the host, and is no digest. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly lastUseMs: number;
  readonly inUse: boolean;
}

interface Slot {
  readonly number: number;
  readonly sharing: CacheMount["sharing"];
  users: number;
  readonly made: Promise<void>;
}

interface Meta {
  readonly id: string;
  readonly sizeBytes: number;
  readonly measuredMs: number;
}

/** Names what a cache mount of a namespace is: with other initial content (`from` names it), or made for another owner, it is another one. */
export function cacheMountKey(mount: CacheMount, from: readonly string[] | undefined): string {
  const { id, source, mode, uid, gid } = mount;
  const begins = from === undefined ? null : [from, source];
  return createHash("sha256")
    .update(JSON.stringify([id, begins, mode, uid, gid]))
    .digest("hex");
}

/**
 * Directories of RUN --mount=type=cache: they stay from build to build of a namespace, outside of keys and layers. Who uses one is known
 * in memory only: all builds of a host are one agent's, and end with it.
 *
 *     <root>/namespaces/<uid>/mounts/<key>/<number>/data        as the commands see it
 *                                                  /meta.json   written at each use: its time is the last use
 *                                          /<number>.new/       half-made
 *                                  /.gone-<key>-<number>/       on its way out
 */
export class CacheMounts {
  private readonly root: string;
  private readonly slots = new Map<string, Slot[]>();
  private readonly waiting = new Map<string, (() => void)[]>();

  constructor(cacheDir: string) {
    this.root = join(cacheDir, "namespaces");
  }

  /**
   * Gives the directory under a key: to any number at once where all of them say `shared`; who says `private` gets one that nobody uses;
   * who says `locked` waits for such. A new one is filled by `fill` before anybody sees it. Throws what `fill` throws, or the signal's
   * reason. To be called in the keys' order by who needs several.
   */
  async acquire(
    place: { readonly namespaceUid: string; readonly key: string },
    mount: CacheMount,
    signal: AbortSignal,
    fill?: (directory: string) => Promise<void>,
  ): Promise<HeldCacheMount> {
    const id = `${place.namespaceUid}/${place.key}`;
    for (;;) {
      signal.throwIfAborted();
      const slot = this.choose(place, id, mount, fill);
      if (slot === undefined) {
        await this.changed(id, signal);
        continue;
      }
      const release = this.releaseOf(id, slot);
      try {
        await slot.made;
      } catch (error) {
        release();
        throw error;
      }
      const directory = join(this.directoryOf(place), String(slot.number));
      this.note(directory, mount.id);
      return { directory: join(directory, "data"), release };
    }
  }

  /** All of a namespace, measured anew where they were used since. */
  async list(namespaceUid: string): Promise<readonly CacheMountUse[]> {
    const uses: CacheMountUse[] = [];
    for (const key of names(join(this.root, namespaceUid, "mounts"))) {
      const directory = this.directoryOf({ namespaceUid, key });
      for (const number of names(directory)) {
        if (!/^\d+$/.test(number)) continue;
        const inUse = this.isInUse(`${namespaceUid}/${key}`, Number(number));
        const measured = await measure(join(directory, number), () => this.isInUse(`${namespaceUid}/${key}`, Number(number)));
        if (measured !== undefined) uses.push({ namespaceUid, name: `mount:${namespaceUid}/${key}/${number}`, inUse, ...measured });
      }
    }
    return uses;
  }

  /** Takes one that `list` named out of use and away. False, and nothing done, where somebody uses it by now. */
  async remove(name: string): Promise<boolean> {
    const [, namespaceUid = "", key = "", number = ""] = /^mount:([^/]+)\/([^/]+)\/(\d+)$/.exec(name) ?? [];
    if (this.isInUse(`${namespaceUid}/${key}`, Number(number))) return false;
    const grave = join(this.root, namespaceUid, "mounts", `.gone-${key}-${number}`);
    try {
      await removeTree(grave);
      if (this.isInUse(`${namespaceUid}/${key}`, Number(number))) return false;
      renameSync(join(this.directoryOf({ namespaceUid, key }), number), grave);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
    await removeTree(grave);
    return true;
  }

  /** Takes away what was half-made or half-removed when an agent ended, and keys that hold nothing. */
  async collect(namespaceUid: string): Promise<void> {
    const mounts = join(this.root, namespaceUid, "mounts");
    for (const key of names(mounts)) {
      if (key.startsWith(".gone-")) {
        await removeTree(join(mounts, key));
        continue;
      }
      for (const entry of names(join(mounts, key))) {
        const number = /^(\d+)\.new$/.exec(entry)?.[1];
        if (number !== undefined && !this.isInUse(`${namespaceUid}/${key}`, Number(number))) await removeTree(join(mounts, key, entry));
      }
      if (!this.slots.has(`${namespaceUid}/${key}`) && names(join(mounts, key)).length === 0) await removeTree(join(mounts, key));
    }
    if (names(mounts).length === 0 && existsSync(mounts)) await removeTree(mounts);
  }

  private choose(
    place: { readonly namespaceUid: string; readonly key: string },
    id: string,
    mount: CacheMount,
    fill: ((directory: string) => Promise<void>) | undefined,
  ): Slot | undefined {
    const used = this.slots.get(id) ?? [];
    const joined = mount.sharing === "shared" ? used.find(({ sharing }) => sharing === "shared") : undefined;
    if (joined !== undefined) {
      joined.users++;
      return joined;
    }
    if (mount.sharing === "locked" && used.length > 0) return undefined;
    let number = 0;
    while (used.some((slot) => slot.number === number)) number++;
    const slot = { number, sharing: mount.sharing, users: 1, made: this.make(join(this.directoryOf(place), String(number)), mount, fill) };
    slot.made.catch(() => undefined); // Told to everybody who awaits it.
    this.slots.set(id, [...used, slot]);
    return slot;
  }

  private async make(
    directory: string,
    { id, mode, uid, gid }: CacheMount,
    fill: ((directory: string) => Promise<void>) | undefined,
  ): Promise<void> {
    if (existsSync(directory)) return;
    const temporary = `${directory}.new`;
    await removeTree(temporary);
    const data = join(temporary, "data");
    mkdirSync(temporary, { recursive: true, mode: 0o700 });
    mkdirSync(data);
    chownSync(data, uid, gid);
    chmodSync(data, mode);
    await fill?.(data);
    this.note(temporary, id);
    renameSync(temporary, directory);
  }

  private releaseOf(id: string, slot: Slot): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--slot.users > 0) return;
      const left = (this.slots.get(id) ?? []).filter((one) => one !== slot);
      if (left.length === 0) this.slots.delete(id);
      else this.slots.set(id, left);
      for (const wake of this.waiting.get(id)?.splice(0) ?? []) wake();
      this.waiting.delete(id);
    };
  }

  private changed(id: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    this.waiting.set(id, [...(this.waiting.get(id) ?? []), wake]);
    signal.addEventListener("abort", wake, { once: true });
    return promise.finally(() => signal.removeEventListener("abort", wake));
  }

  private isInUse(id: string, number: number): boolean {
    return this.slots.get(id)?.some((slot) => slot.number === number) === true;
  }

  private directoryOf({ namespaceUid, key }: { readonly namespaceUid: string; readonly key: string }): string {
    return join(this.root, namespaceUid, "mounts", key);
  }

  /** A use: what was measured before says nothing any more. */
  private note(directory: string, id: string): void {
    writeFileSync(join(directory, "meta.json"), JSON.stringify({ id, sizeBytes: 0, measuredMs: 0 } satisfies Meta), { mode: 0o600 });
  }
}

/** What a cache mount's directory (`<key>/<number>`) was measured with since its last use; undefined where it was used since, or is gone. */
export function measuredCacheMount(directory: string): number | undefined {
  try {
    const { sizeBytes, measuredMs } = JSON.parse(readFileSync(join(directory, "meta.json"), "utf8")) as Meta;
    return measuredMs > 0 ? sizeBytes : undefined;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Undefined where it is gone, or torn. */
async function measure(
  directory: string,
  isInUse: () => boolean,
): Promise<{ readonly sizeBytes: number; readonly lastUseMs: number } | undefined> {
  const file = join(directory, "meta.json");
  try {
    const lastUseMs = statSync(file).mtimeMs;
    const meta = JSON.parse(readFileSync(file, "utf8")) as Meta;
    if (meta.measuredMs > 0 || isInUse()) return { sizeBytes: meta.sizeBytes, lastUseMs: meta.measuredMs || lastUseMs };
    // Descends by descriptor and follows nothing; in a program of its own, for a cache may hold a million files.
    const argv = ["du", "--summarize", "--block-size=1", "--one-file-system", "--", "data"];
    const measured = await run(argv, { cwd: directory, timeoutMs: 600_000 }).catch((error: unknown) => {
      // Files went while it was measured: somebody has begun to use it.
      if (isInUse()) return undefined;
      throw error;
    });
    if (measured === undefined) return { sizeBytes: meta.sizeBytes, lastUseMs };
    const sizeBytes = Number(measured.stdout.split("\t", 1)[0]);
    // Used again meanwhile: then it is measured the next time again.
    if (statSync(file).mtimeMs === lastUseMs) writeFileSync(file, JSON.stringify({ ...meta, sizeBytes, measuredMs: lastUseMs }));
    return { sizeBytes, lastUseMs };
  } catch (error) {
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError)
      return existsSync(directory) ? { sizeBytes: 0, lastUseMs: 0 } : undefined;
    throw error;
  }
}

function names(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return [];
    throw error;
  }
}
