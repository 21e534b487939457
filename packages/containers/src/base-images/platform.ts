import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError, type Digest, type Image } from "@plimsoll/core";
import { pullPrefix } from "./abandoned.ts";
import { hostPlatform, readManifest } from "./manifest.ts";
import type { ImageReference } from "./reference.ts";
import { importDirectory, type PullStores, type RemoteImage } from "./registry.ts";

/**
 * The platform's own registry, as the server gives it to its hosts: over the connection that they have with it, whichever address people
 * reach it at. The server decides each time whether a namespace may have what is asked for.
 */
export interface PlatformRegistry {
  /** `localhost:8080`: what references to it begin with; undefined where there is none, or it is not known yet. */
  host(): string | undefined;
  /** The manifest of an image, byte for byte. Throws AppError as the server says. */
  manifest(namespaceUid: string, reference: string): Promise<string>;
  /** A blob of an image. */
  blob(namespaceUid: string, reference: string, digest: Digest): Promise<Readable>;
}

interface Wanted {
  readonly reference: ImageReference;
  readonly namespaceUid: string;
}

/** What it has under a reference, and the manifest of the image for this host. */
export interface PlatformImage extends RemoteImage {
  readonly text: string;
}

/** Reads the manifest of the image for this host. Throws AppError as the server says, `unsupported` where there is none for this host. */
export async function readPlatform(
  platform: PlatformRegistry,
  { reference, namespaceUid }: Wanted,
  signal?: AbortSignal,
): Promise<PlatformImage> {
  const read = async (name: string) => {
    const text = await platform.manifest(namespaceUid, name);
    signal?.throwIfAborted();
    return { text, document: readManifest(text, reference.familiar, hostPlatform()) };
  };
  const top = await read(reference.full);
  const { document } = top;
  if (document.kind === "image")
    return { digest: document.digest, imageDigest: document.digest, manifest: document.manifest, text: top.text };
  const one = await read(`${reference.registry}/${reference.name}@${document.chosen}`);
  if (one.document.kind === "list")
    throw new AppError("unsupported", `${reference.familiar} is a list of lists of images; push the image itself.`);
  return { digest: document.digest, imageDigest: one.document.digest, manifest: one.document.manifest, text: one.text };
}

/** Brings what readPlatform() found into the stores, each blob checked against its digest and size. */
export async function pullPlatform(
  platform: PlatformRegistry,
  { reference, namespaceUid, remote }: Wanted & { readonly remote: PlatformImage },
  stores: PullStores,
  signal?: AbortSignal,
): Promise<Image> {
  const directory = await mkdtemp(join(stores.scratchDir, pullPrefix()));
  try {
    await writeFile(join(directory, "manifest.json"), remote.text, { mode: 0o600 });
    const named = `${reference.registry}/${reference.name}@${remote.imageDigest}`;
    for (const { digest, size } of [remote.manifest.config, ...remote.manifest.layers]) {
      const blob = await platform.blob(namespaceUid, named, digest);
      const checked = checkedAgainst(digest, size, reference.familiar);
      const file = createWriteStream(join(directory, digest.slice("sha256:".length)), { mode: 0o600 });
      await (signal === undefined ? pipeline(blob, checked, file) : pipeline(blob, checked, file, { signal }));
    }
    return await importDirectory(directory, reference.familiar, stores);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function checkedAgainst(digest: Digest, size: number, name: string) {
  return async function* (source: AsyncIterable<Buffer>) {
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of source) {
      length += chunk.length;
      if (length > size) throw damaged(name);
      hash.update(chunk);
      yield chunk;
    }
    if (length !== size || `sha256:${hash.digest("hex")}` !== digest) throw damaged(name);
  };
}

function damaged(name: string): AppError {
  return new AppError("unavailable", `A part of ${name} arrived damaged; try again, or push the image anew.`);
}
