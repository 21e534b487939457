import { z } from "zod";

/**
 * What bytes on a host are for. `layers`: of images of releases; `build-cache`: layers that only a build cache keeps, and its notes;
 * `repositories`: what builds fetch their commits into; `instances`: what running programs wrote; `scratch`: half-made; `unused`: what
 * nobody names any more and the next collection takes; `foreign`: what is not the platform's, and is never touched.
 */
export const DISK_KINDS = [
  "base-layers",
  "layers",
  "build-cache",
  "cache-mounts",
  "repositories",
  "instances",
  "logs",
  "scratch",
  "unused",
  "platform",
  "foreign",
] as const;
export const DiskKind = z.enum(DISK_KINDS);
export type DiskKind = z.infer<typeof DiskKind>;

const Bytes = z.int().min(0);

/** Who has something on a host: a namespace, where it is known one of its apps. */
export const DiskOwner = z.object({ namespaceUid: z.string().max(64), app: z.string().max(64).optional() });
export type DiskOwner = z.infer<typeof DiskOwner>;

/**
 * Bytes of one kind that belong together, as an agent tells them. Whose a layer is follows from the images here that it is part of, which
 * the server knows; without one that counts, it is cache of `owners`. No owner at all: the platform's.
 */
export const DiskEntry = z.object({
  kind: DiskKind,
  bytes: Bytes,
  items: z.int().min(0),
  owners: z.array(DiskOwner).max(10_000).optional(),
  images: z.array(z.string().max(80)).max(10_000).optional(),
  /** The app whose repository it is. */
  appUid: z.string().max(64).optional(),
});
export type DiskEntry = z.infer<typeof DiskEntry>;

/** A host's whole disk ledger: it replaces the one before. */
export const DiskReport = z.object({
  /** Of the file system that the host's state lies on. */
  sizeBytes: Bytes,
  freeBytes: Bytes,
  /** What the build cache may take here: all of it, and of one namespace. */
  cacheBytes: Bytes,
  cacheNamespaceBytes: Bytes,
  entries: z.array(DiskEntry).max(50_000),
});
export type DiskReport = z.infer<typeof DiskReport>;

/** What a namespace has on one host, of one kind and for the same apps. */
export const NamespaceDiskRow = z.object({
  host: z.string(),
  kind: DiskKind,
  /** Empty: the namespace's as a whole. */
  apps: z.array(z.string()),
  bytes: Bytes,
  items: z.int(),
  /** Other namespaces use it too; it is there once, and goes when nobody does. */
  shared: z.boolean(),
});
export type NamespaceDiskRow = z.infer<typeof NamespaceDiskRow>;

export const NamespaceDisk = z.object({
  /** Of this namespace alone. */
  bytes: Bytes,
  sharedBytes: Bytes,
  hosts: z.array(z.object({ name: z.string(), measuredAt: z.string(), cacheNamespaceBytes: Bytes })),
  rows: z.array(NamespaceDiskRow),
  /** When somebody last asked for the build cache to be removed. */
  cleanedAt: z.string().optional(),
});
export type NamespaceDisk = z.infer<typeof NamespaceDisk>;

export const HostDiskRow = z.object({
  kind: DiskKind,
  /** `acme/store` and the apps; empty: the platform's, or nobody's. */
  owners: z.array(z.object({ namespace: z.string(), apps: z.array(z.string()) })),
  bytes: Bytes,
  items: z.int(),
});
export type HostDiskRow = z.infer<typeof HostDiskRow>;

export const HostDisk = z.object({
  host: z.string(),
  /** Absent: it has told nothing yet. */
  measuredAt: z.string().optional(),
  sizeBytes: Bytes,
  freeBytes: Bytes,
  cacheBytes: Bytes,
  /** Sum of the rows. */
  bytes: Bytes,
  rows: z.array(HostDiskRow),
});
export type HostDisk = z.infer<typeof HostDisk>;

export const HostDiskList = z.object({ items: z.array(HostDisk) });

/** What was asked for: hosts remove it with their next look, and say so in their ledgers. */
export const CleanedCache = z.object({ at: z.string(), bytes: Bytes, hosts: z.array(z.string()) });
