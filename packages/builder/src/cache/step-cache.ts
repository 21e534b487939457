import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LayerRef } from "@plimsoll/core";
import { isDigest } from "@plimsoll/core";
import { errorCode } from "@plimsoll/host";
import type { StepKey } from "../plan/keys.ts";

/** What a step came to: the layer it added, or null where it changed nothing. */
export interface StepResult {
  readonly layer: LayerRef | null;
  /** How long it took to make, where that is known. */
  readonly tookMs?: number;
  /** Of a download: what its server called it. */
  readonly etag?: string;
}

const HALF_WRITTEN = /^\.new-\d+-\d+$/;
/** A key is 64 hex digits: the first two name a directory, the rest the file in it. */
const GROUP = /^[0-9a-f]{2}$/;
const REST = /^[0-9a-f]{62}$/;

/** An entry as it stands: which layer it names and when it was of use last. */
export interface CacheEntry extends StepResult {
  readonly key: StepKey;
  readonly lastUseMs: number;
}

/**
 * Results of steps of one namespace, by key: one small file each, its modification time the last use. Written beside and renamed, so a
 * crash leaves an entry whole or absent; a torn one (power cut) reads as absent. Whether the layer still exists is the caller's to ask.
 * Several processes may use one directory.
 */
export class StepCache {
  private readonly directory: string;
  private static sequence = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The result under the key; notes its use. */
  get(key: StepKey): StepResult | undefined {
    const path = this.pathOf(key);
    const result = read(path);
    if (result !== undefined) touch(path);
    return result;
  }

  put(key: StepKey, result: StepResult): void {
    const path = this.pathOf(key);
    const temporary = join(this.directory, `.new-${process.pid}-${StepCache.sequence++}`);
    mkdirSync(join(this.directory, key.slice(0, 2)), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, JSON.stringify(result), { mode: 0o600 });
    renameSync(temporary, path);
  }

  delete(key: StepKey): void {
    rmSync(this.pathOf(key), { force: true });
  }

  /** Removes entries last used before `before`, torn ones and half-written files, nothing else; returns how many, and the rest. */
  collect(before: Date): { readonly removed: number; readonly entries: readonly CacheEntry[] } {
    const entries: CacheEntry[] = [];
    let removed = 0;
    for (const group of names(this.directory)) {
      if (HALF_WRITTEN.test(group)) {
        if (lastUse(join(this.directory, group)) < before) rmSync(join(this.directory, group), { force: true });
        continue;
      }
      if (!GROUP.test(group)) continue;
      for (const name of names(join(this.directory, group)).filter((one) => REST.test(one))) {
        const path = join(this.directory, group, name);
        const used = lastUse(path);
        const result = used < before ? undefined : read(path);
        if (result === undefined) {
          rmSync(path, { force: true });
          removed++;
        } else {
          entries.push({ ...result, key: `${group}${name}` as StepKey, lastUseMs: used.getTime() });
        }
      }
    }
    return { removed, entries };
  }

  private pathOf(key: StepKey): string {
    return join(this.directory, key.slice(0, 2), key.slice(2));
  }
}

function read(path: string): StepResult | undefined {
  try {
    return check(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (error instanceof SyntaxError || errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function check(value: unknown): StepResult | undefined {
  if (typeof value !== "object" || value === null || !("layer" in value)) return undefined;
  const { layer } = value;
  const took = "tookMs" in value && typeof value.tookMs === "number" ? { tookMs: value.tookMs } : {};
  const tag = "etag" in value && typeof value.etag === "string" ? { etag: value.etag } : {};
  if (layer === null) return { layer, ...took };
  if (typeof layer !== "object" || !("digest" in layer) || !("sizeBytes" in layer)) return undefined;
  const { digest, sizeBytes } = layer;
  return typeof digest === "string" && isDigest(digest) && typeof sizeBytes === "number"
    ? { layer: { digest, sizeBytes }, ...took, ...tag }
    : undefined;
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error; // Collected this moment: the result is as good.
  }
}

function lastUse(path: string): Date {
  try {
    return statSync(path).mtime;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return new Date(0);
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
