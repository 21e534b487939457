import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError, type Digest, type ErrorCode, type Image, type LayerRef } from "@plimsoll/core";
import { z } from "zod";
import type { ImageStore } from "../image-store.ts";
import type { LayerStore } from "../layer-store.ts";
import { pullPrefix } from "./abandoned.ts";
import { hostPlatform, type ImageManifest, largestPart, readManifest } from "./manifest.ts";
import { OciConfig, toImageConfig } from "./oci-config.ts";
import type { ImageReference } from "./reference.ts";
import type { Skopeo } from "./skopeo.ts";
import type { ImageSource } from "./sources.ts";

export interface PullStores {
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly scratchDir: string;
}

export interface PullOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** No file of a pull needs less: what registry clients keep for themselves. */
const LEAST_FILE_BYTES = 64 * 1024 ** 2;
const MANIFEST_TIMEOUT_MS = 60_000;
/** Of all layers, unpacked. */
const MAX_UNPACKED_BYTES = 20 * 1024 ** 3;

/** What a source has under a reference now. */
export interface RemoteImage {
  /** Of what the reference names: an image, or a list of images for several platforms. */
  readonly digest: Digest;
  /** Of the image for this host. */
  readonly imageDigest: Digest;
  readonly manifest: ImageManifest;
}

/**
 * Reads the manifest of the image for this host, with the source's credential: who can do so has access to the image. AppError
 * `unavailable` with details.unreachable when the registry cannot be reached at all, `not_found` and `forbidden` as the registry says,
 * `unsupported` where there is none for this host.
 */
export async function readRemote(
  skopeo: Skopeo,
  reference: ImageReference,
  source: ImageSource,
  options: PullOptions,
): Promise<RemoteImage> {
  const platform = hostPlatform();
  const timeoutMs = Math.min(options.timeoutMs, MANIFEST_TIMEOUT_MS);
  const read = async (from: ImageSource) => {
    const text = await asked(reference, source, () => skopeo.manifest(from, { ...options, timeoutMs })).catch((error: unknown) => {
      // Packets that are dropped on the way say nothing: whoever says nothing for so long is not there.
      if (!(error instanceof AppError) || error.code !== "timeout") throw error;
      const sentence = `The registry ${source.registry} did not answer within ${Math.round(timeoutMs / 1_000)} s.`;
      throw new AppError("unavailable", sentence, { cause: error, details: { unreachable: true } });
    });
    return readManifest(text, reference.familiar, platform);
  };
  const top = await read(source);
  if (top.kind === "image") return { digest: top.digest, imageDigest: top.digest, manifest: top.manifest };
  const one = await read({ ...source, suffix: `@${top.chosen}` });
  if (one.kind === "list") throw new AppError("unsupported", `${reference.familiar} is a list of lists of images; push the image itself.`);
  return { digest: top.digest, imageDigest: one.digest, manifest: one.manifest };
}

/** Pulls what readRemote() found into the stores. Throws as it does. */
export async function pullRemote(
  skopeo: Skopeo,
  wanted: { readonly reference: ImageReference; readonly source: ImageSource; readonly remote: RemoteImage },
  stores: PullStores,
  options: PullOptions,
): Promise<Image> {
  const { reference, source, remote } = wanted;
  const directory = await mkdtemp(join(stores.scratchDir, pullPrefix()));
  try {
    const maxFileBytes = Math.max(LEAST_FILE_BYTES, largestPart(remote.manifest));
    await asked(reference, source, () => skopeo.copy(source, { digest: remote.imageDigest, directory, maxFileBytes }, options));
    return await importDirectory(directory, reference.familiar, stores).catch((error: unknown) => {
      // Whoever made the image is told; what is no AppError came out of its own bytes.
      if (error instanceof AppError || !isOfContent(error)) throw error;
      throw new AppError(
        "unsupported",
        `${reference.familiar} cannot be unpacked: its layers or its configuration are damaged; push the image anew.`,
        {
          cause: error,
        },
      );
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Errors of zlib and of JSON, and of what was expected in it. */
function isOfContent(error: unknown): boolean {
  if (error instanceof SyntaxError || error instanceof z.ZodError) return true;
  return error instanceof Error && "code" in error && /^(?:Z_|ZSTD_)/.test(String(error.code));
}

async function asked<T>(reference: ImageReference, source: ImageSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(reference, source, error);
  }
}

/** Pure: what skopeo's words mean for the person who waits. */
export function translate(
  { familiar }: Pick<ImageReference, "familiar">,
  { registry, credential }: Pick<ImageSource, "registry" | "credential">,
  error: unknown,
): AppError {
  if (error instanceof AppError && error.details.tokenService === true) return error;
  if (error instanceof AppError && error.code === "timeout")
    return new AppError("timeout", `Pulling ${familiar} from ${registry} took too long; try again.`, { cause: error });
  const words = error instanceof AppError ? String(error.details.stderr ?? "") : String(error);
  const say = (code: ErrorCode, sentence: string, details: Readonly<Record<string, unknown>> = {}) =>
    new AppError(code, sentence, { cause: error, details });
  if (/did(?: not|n't) match|digest mismatch|unexpected digest/i.test(words))
    return say("unavailable", `${registry} sent something else for ${familiar} than the image's manifest names; push the image anew.`);
  if (/file too large|SIGXFSZ|file size limit/i.test(words))
    return say("unavailable", `${registry} sent more for ${familiar} than the image's manifest says; push the image anew.`);
  if (/exceeded maximum allowed size/i.test(words))
    return say("unsupported", `${registry} answered for ${familiar} with more than a manifest may have; that is no image.`);
  if (UNREACHABLE.test(words))
    return say("unavailable", `The registry ${registry} cannot be reached from this host.`, { unreachable: true });
  if (/server gave HTTP response to HTTPS client/i.test(words))
    return say("unavailable", `${registry} speaks plain HTTP; the platform's operator can allow that (PLIMSOLL_REGISTRIES_PLAIN_HTTP).`);
  if (/x509|certificate/i.test(words))
    return say("unavailable", `The certificate of ${registry} is not trusted by this host; the platform's operator can add its authority.`);
  if (/unauthorized|authentication required|invalid username\/password|denied|forbidden|status 40[13]/i.test(words))
    return refused(familiar, registry, credential, error);
  if (/manifest unknown|not found|name unknown|repository.*does not exist|status 404/i.test(words))
    return say(
      "not_found",
      `There is no image ${familiar}${familiar.startsWith(`${registry}/`) ? "" : ` in ${registry}`}; check its name and tag.`,
    );
  if (/toomanyrequests|rate limit/i.test(words))
    return say(
      "unavailable",
      `The registry ${registry} limits pulls at the moment; try again later, or log in: plim registries set ${registry} --user NAME`,
    );
  return say("unavailable", `Image ${familiar} could not be pulled from ${registry}; try again.`);
}

const UNREACHABLE =
  /no such host|connection refused|network is unreachable|no route to host|i\/o timeout|TLS handshake timeout|server misbehaving|connection reset|context deadline exceeded/i;

function refused(familiar: string, registry: string, credential: ImageSource["credential"], cause: unknown): AppError {
  const message =
    credential === undefined
      ? `The registry ${registry} does not give ${familiar} to everybody: it is private, or does not exist. With an account there: plim registries set ${registry} --user NAME`
      : `The registry ${registry} refused user ${credential.username} for ${familiar}: the password or token is wrong or revoked, or has no access to it. Set it again: plim registries set ${registry} --user ${credential.username}`;
  return new AppError("forbidden", message, { cause });
}

/**
 * Reads what skopeo has put into a directory (its `dir:` form: a manifest of OCI or of Docker, blobs by their digests) into the stores.
 * Every blob was checked by skopeo, names are checked here. Throws AppError `unsupported` for what is no image of this host's.
 */
export async function importDirectory(
  directory: string,
  name: string,
  stores: { readonly layers: LayerStore; readonly images: ImageStore },
): Promise<Image> {
  const blob = (digest: string) => join(directory, digest.slice("sha256:".length));
  const platform = hostPlatform();
  const document = readManifest(await readFile(join(directory, "manifest.json"), "utf8"), name, platform);
  if (document.kind === "list") throw new AppError("internal", `${name} was pulled as a list of images`);
  const { manifest } = document;
  const config = toImageConfig(OciConfig.parse(JSON.parse(await readFile(blob(manifest.config.digest), "utf8"))), manifest.layers.length);
  if (config.architecture !== platform.architecture)
    throw new AppError("unsupported", `${name} is for linux/${config.architecture}; this host runs linux/${platform.architecture}.`);
  const layers: LayerRef[] = [];
  let left = MAX_UNPACKED_BYTES;
  for (const { digest, mediaType } of manifest.layers) {
    const layer = await stores.layers.importOciLayer(createReadStream(blob(digest)), mediaType, { skip: isDevice, maxBytes: left });
    layers.push(layer);
    left = Math.max(0, left - layer.sizeBytes);
  }
  return stores.images.put(config, layers);
}

/** What lies below /dev is the runtime's. */
function isDevice(path: string): boolean {
  return path.startsWith("dev/") && path.length > 4;
}
