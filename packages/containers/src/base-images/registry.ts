import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError, type Image } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { z } from "zod";
import type { ImageStore } from "../image-store.ts";
import type { LayerStore } from "../layer-store.ts";
import { OciConfig, toImageConfig } from "./oci-config.ts";
import { outwardEnv } from "./outward.ts";
import type { ImageReference } from "./reference.ts";

const Descriptor = z.object({ mediaType: z.string(), digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.number() });
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor) });

/**
 * Pulls an image with skopeo into the stores. AppError `unavailable` with details.unreachable when the registry cannot be reached at
 * all, `not_found` and `forbidden` as the registry says, `timeout`.
 */
export async function pullImage(
  reference: ImageReference,
  stores: { readonly layers: LayerStore; readonly images: ImageStore; readonly scratchDir: string },
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<Image> {
  const directory = await mkdtemp(join(stores.scratchDir, "pull-"));
  try {
    // As it is in the registry: a conversion to OCI would drop ONBUILD, SHELL and HEALTHCHECK.
    await skopeo(reference, ["copy", "--quiet", `docker://${reference.full}`, `dir:${directory}`], options);
    return await importDirectory(directory, stores);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function skopeo(reference: ImageReference, args: readonly string[], options: { timeoutMs: number; signal?: AbortSignal }) {
  try {
    await run(["skopeo", "--override-os", "linux", ...args], { ...options, env: outwardEnv() });
  } catch (error) {
    throw translate(reference, error);
  }
}

/** Pure: what skopeo's words mean for the person who waits. */
export function translate(reference: ImageReference, error: unknown): AppError {
  if (error instanceof AppError && error.code === "timeout")
    return new AppError("timeout", `Pulling ${reference.familiar} took too long; try again.`, { cause: error });
  const words = error instanceof AppError ? String(error.details.stderr ?? "") : String(error);
  if (
    /no such host|connection refused|network is unreachable|no route to host|i\/o timeout|TLS handshake timeout|server misbehaving|connection reset/i.test(
      words,
    )
  )
    return new AppError("unavailable", `The registry ${reference.registry} cannot be reached from this host.`, {
      cause: error,
      details: { unreachable: true },
    });
  if (/manifest unknown|not found|name unknown|repository.*does not exist/i.test(words))
    return new AppError("not_found", `There is no image ${reference.familiar}; check its name and tag.`, { cause: error });
  if (/unauthorized|authentication required|denied|forbidden/i.test(words))
    return new AppError(
      "forbidden",
      `The registry ${reference.registry} does not give ${reference.familiar} to this platform: it is private, or does not exist.`,
      { cause: error },
    );
  if (/toomanyrequests|rate limit/i.test(words))
    return new AppError("unavailable", `The registry ${reference.registry} limits pulls at the moment; try again later.`, { cause: error });
  return new AppError("unavailable", `Image ${reference.familiar} could not be pulled; try again.`, { cause: error });
}

/**
 * Reads what skopeo has put into a directory (its `dir:` form: a manifest of OCI or of Docker, blobs by their digests) into the stores.
 * Every blob was checked by skopeo, names are checked here. Throws AppError `unsupported` for a manifest from before 2016.
 */
export async function importDirectory(
  directory: string,
  stores: { readonly layers: LayerStore; readonly images: ImageStore },
): Promise<Image> {
  const blob = (digest: string) => join(directory, digest.slice("sha256:".length));
  const json = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, "utf8"));
  const manifest = Manifest.safeParse(await json(join(directory, "manifest.json")));
  if (!manifest.success) {
    throw new AppError("unsupported", "The image's manifest is of a form that is no longer read; build and push the image anew.", {
      cause: manifest.error,
    });
  }
  const config = toImageConfig(OciConfig.parse(await json(blob(manifest.data.config.digest))));
  const layers = [];
  for (const { digest, mediaType } of manifest.data.layers)
    layers.push(await stores.layers.importOciLayer(createReadStream(blob(digest)), mediaType, { skip: isDevice }));
  return stores.images.put(config, layers);
}

/** What lies below /dev is the runtime's. */
function isDevice(path: string): boolean {
  return path.startsWith("dev/") && path.length > 4;
}
