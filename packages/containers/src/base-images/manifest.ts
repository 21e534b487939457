import { createHash } from "node:crypto";
import { AppError, type Digest } from "@plimsoll/core";
import { z } from "zod";

const digest = z.custom<Digest>((value) => typeof value === "string" && /^sha256:[0-9a-f]{64}$/.test(value));
const Descriptor = z.object({ mediaType: z.string(), digest, size: z.int().min(0) });

/** OCI image manifests and Docker's, version 2 schema 2: alike in what is read here. */
const ImageManifest = z.object({ config: Descriptor, layers: z.array(Descriptor) });
export type ImageManifest = z.infer<typeof ImageManifest>;

/** OCI indexes and Docker's manifest lists. */
const ImageIndex = z.object({
  manifests: z.array(
    Descriptor.extend({ platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().optional() }).optional() }),
  ),
});

export type ManifestDocument =
  | { readonly kind: "image"; readonly digest: Digest; readonly manifest: ImageManifest }
  /** The image for `platform`, of those that the list has. */
  | { readonly kind: "list"; readonly digest: Digest; readonly chosen: Digest };

export interface WantedPlatform {
  readonly os: "linux";
  readonly architecture: "amd64" | "arm64";
}

/** overlayfs takes more, registry clients do not. */
const MAX_LAYERS = 127;
/** Of all layers, packed. */
const MAX_IMAGE_BYTES = 20 * 1024 ** 3;
const MAX_CONFIG_BYTES = 8 * 1024 ** 2;

/** The platform that images of this host are for. */
export function hostPlatform(): WantedPlatform {
  return { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" };
}

/**
 * Reads what a registry gave for a reference; `name` is the image's, for messages. Pure. Throws AppError `unsupported`: no form that is
 * read, nothing for this platform, or more than an image may be.
 */
export function readManifest(text: string, name: string, platform: WantedPlatform): ManifestDocument {
  const document = parsed(text);
  const hash: Digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  const index = ImageIndex.safeParse(document);
  if (index.success) {
    const { manifests } = index.data;
    // The first that fits, as registry clients choose; a plain arm64 image also for variant v8, which all arm64 hosts are.
    const chosen = manifests.find(({ platform: one }) => one?.os === platform.os && one.architecture === platform.architecture);
    if (chosen !== undefined) return { kind: "list", digest: hash, chosen: chosen.digest };
    const others = [...new Set(manifests.flatMap(({ platform: one }) => platformName(one)))].slice(0, 12);
    const has = others.length === 0 ? "names no platform" : `has ${others.join(", ")}`;
    throw new AppError("unsupported", `${name} has no image for ${platform.os}/${platform.architecture}, which this host runs; it ${has}.`);
  }
  const image = ImageManifest.safeParse(document);
  if (!image.success)
    throw new AppError(
      "unsupported",
      `${name}'s manifest is of a form that is no longer read, or is no image's; build and push the image anew.`,
    );
  assertBounded(image.data, name);
  return { kind: "image", digest: hash, manifest: image.data };
}

function assertBounded({ config, layers }: ImageManifest, name: string): void {
  if (layers.length > MAX_LAYERS)
    throw new AppError("unsupported", `${name} has ${layers.length} layers; ${MAX_LAYERS} are taken at most.`);
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MAX_IMAGE_BYTES)
    throw new AppError(
      "unsupported",
      `${name} has ${Math.ceil(bytes / 1024 ** 3)} GiB of layers; ${MAX_IMAGE_BYTES / 1024 ** 3} GiB are taken at most.`,
    );
  if (config.size > MAX_CONFIG_BYTES) throw new AppError("unsupported", `${name}'s configuration is larger than 8 MiB; that is no image.`);
}

/** The size of its largest part: no file of it may become larger. */
export function largestPart({ config, layers }: ImageManifest): number {
  return Math.max(config.size, ...layers.map(({ size }) => size));
}

/** Attestations have the platform unknown/unknown. */
function platformName(platform: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined } | undefined) {
  if (platform === undefined || platform.os === "unknown") return [];
  const { os, architecture, variant } = platform;
  return [`${os}/${architecture}${variant === undefined ? "" : `/${variant}`}`.replace(/[^a-z0-9/._-]/gi, "?").slice(0, 60)];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
