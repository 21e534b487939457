import type { Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { measuredCacheMount } from "@plimsoll/builder";
import type { DiskEntry, DiskOwner } from "@plimsoll/contracts";
import { type Digest, ifThere } from "@plimsoll/core";
import { type Place, placeOf } from "./place.ts";
import type { DiskSizes } from "./sizes.ts";

/** What the agent knows about who uses what. */
export interface DiskUsers {
  /** Layers of images that stand for themselves here: bases. */
  readonly baseLayers: ReadonlySet<Digest>;
  /** Images on this host, each with its layers. */
  readonly images: readonly { readonly digest: Digest; readonly layers: readonly { readonly digest: Digest }[] }[];
  /** Namespaces whose build cache names a layer. */
  readonly cachedBy: ReadonlyMap<Digest, ReadonlySet<string>>;
  /** Instances that this host knows. */
  readonly instances: readonly { readonly uid: string; readonly namespaceUid: string; readonly app: string }[];
}

type Whole = Extract<Place, { what: "whole" }>;

interface Found {
  readonly path: string;
  readonly place: Whole;
  readonly stats: Stats;
}

/**
 * Every byte below a host's state directory with what it is for and who has it: the sum is what the directory takes on the disk. Entries
 * of one kind and with the same users are one.
 */
export async function readLedger(stateDir: string, sizes: DiskSizes, users: DiskUsers, nowMs: number): Promise<readonly DiskEntry[]> {
  const found: Found[] = [];
  let layoutBytes = 0;
  const look = async (directory: string): Promise<void> => {
    for (const name of (await ifThere(readdir(join(stateDir, directory)))) ?? []) {
      const path = directory === "" ? name : `${directory}/${name}`;
      const stats = await ifThere(lstat(join(stateDir, path)));
      if (stats === undefined) continue;
      const place = placeOf(path);
      if (place.what === "layout" && stats.isDirectory()) {
        layoutBytes += stats.blocks * 512;
        await look(path);
      } else found.push({ path, place: place.what === "whole" && !stats.isSymbolicLink() ? place : FOREIGN, stats });
    }
  };
  layoutBytes += (await lstat(stateDir)).blocks * 512;
  await look("");
  const imagesOf = imagesByLayer(users);
  const bytes = await measure(stateDir, found, sizes, needOf(users, imagesOf), nowMs);
  const entries = found.map(({ path, place }) => entryOf(place, bytes.get(path) ?? 0, users, imagesOf));
  return merged([{ kind: "platform", bytes: layoutBytes, items: 0 }, ...entries]);
}

const FOREIGN: Whole = { what: "whole", kind: "foreign" };

/** Whether a layer is a base's (0), an image's (1), a cache's (2) or nobody's: who needs it most has the files that several link. */
function needOf({ baseLayers, cachedBy }: DiskUsers, imagesOf: ReadonlyMap<string, readonly string[]>): (layer: string) => number {
  return (layer) => (baseLayers.has(layer as Digest) ? 0 : imagesOf.has(layer) ? 1 : cachedBy.has(layer as Digest) ? 2 : 3);
}

async function measure(
  stateDir: string,
  found: readonly Found[],
  sizes: DiskSizes,
  need: (layer: string) => number,
  nowMs: number,
): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>();
  const changing: string[] = [];
  const layers: Found[] = [];
  for (const one of found) {
    const { path, place, stats } = one;
    const known = place.cacheMount === true ? measuredCacheMount(join(stateDir, path)) : undefined;
    if (!stats.isDirectory()) bytes.set(path, stats.blocks * 512);
    // Its own directory and its note beside the measured data.
    else if (known !== undefined) bytes.set(path, known + stats.blocks * 512 + 4_096);
    else if (place.layer !== undefined) layers.push(one);
    else changing.push(path);
  }
  const rank = ({ place }: Found) => need(place.layer ?? "");
  layers.sort((a, b) => rank(a) - rank(b) || a.stats.birthtimeMs - b.stats.birthtimeMs || (a.path < b.path ? -1 : 1));
  const inOrder = layers.map(({ path }) => path);
  for (const sized of [await sizes.sealed(inOrder, nowMs), await sizes.changing(changing, nowMs)])
    for (const [path, size] of sized) bytes.set(path, size);
  return bytes;
}

function imagesByLayer({ images }: DiskUsers): ReadonlyMap<string, readonly string[]> {
  const byLayer = new Map<string, string[]>();
  for (const { digest, layers } of images)
    for (const layer of new Set(layers.map((one) => one.digest))) byLayer.set(layer, [...(byLayer.get(layer) ?? []), digest]);
  return byLayer;
}

function entryOf(place: Whole, bytes: number, users: DiskUsers, imagesOf: ReadonlyMap<string, readonly string[]>): DiskEntry {
  const { kind, layer, namespaceUid, instanceUid, appUid } = place;
  if (layer !== undefined) {
    if (users.baseLayers.has(layer as Digest)) return { kind: "base-layers", bytes, items: 1 };
    const images = imagesOf.get(layer) ?? [];
    const owners = [...(users.cachedBy.get(layer as Digest) ?? [])].map((uid) => ({ namespaceUid: uid }));
    return { kind, bytes, items: 1, ...(images.length > 0 ? { images: [...images] } : {}), ...(owners.length > 0 ? { owners } : {}) };
  }
  const instance = instanceUid === undefined ? undefined : users.instances.find(({ uid }) => uid === instanceUid);
  const owner: DiskOwner | undefined =
    instance !== undefined
      ? { namespaceUid: instance.namespaceUid, app: instance.app }
      : namespaceUid !== undefined
        ? { namespaceUid }
        : undefined;
  return {
    kind,
    bytes,
    items: 1,
    ...(owner === undefined ? {} : { owners: [owner] }),
    ...(appUid === undefined ? {} : { appUid }),
  };
}

function merged(entries: readonly DiskEntry[]): readonly DiskEntry[] {
  const sums = new Map<string, DiskEntry>();
  for (const entry of entries) {
    const owners = entry.owners?.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const images = entry.images?.toSorted();
    const key = JSON.stringify([entry.kind, owners, images, entry.appUid]);
    const sum = sums.get(key);
    sums.set(key, { ...entry, bytes: entry.bytes + (sum?.bytes ?? 0), items: entry.items + (sum?.items ?? 0) });
  }
  return [...sums.values()];
}

function nameOf({ namespaceUid, app }: DiskOwner): string {
  return `${namespaceUid}/${app ?? ""}`;
}
