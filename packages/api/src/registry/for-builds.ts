import { Readable } from "node:stream";
import { AppError, type Resource } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import type { Api, Context } from "../context.ts";
import { registryOf } from "./images.ts";
import { parseManifestReference, parsePlatformReference, type RepositoryName, registryHost, repositoryText } from "./repository.ts";

/** Who asks for which image: a host that builds for a namespace. */
export interface BuildsImage {
  readonly hostUid: string;
  readonly namespaceUid: string;
  /** `localhost:8080/team/namespace/app:tag`. */
  readonly reference: string;
}

/** The manifest of an image of the registry that a build of the same namespace stands on, or is. */
export async function manifestForBuild(api: Api, wanted: BuildsImage): Promise<Response> {
  const { repository, reference } = await allowed(api, wanted);
  const { store, releases, files } = registryOf(api);
  const parsed = parseManifestReference(reference);
  const pushed = parsed?.kind === "digest" || (parsed?.kind === "tag" && (await files.hasTag(repository, reference)));
  const digest = pushed ? reference : await releases.resolve(repository, reference);
  const found = digest === undefined ? undefined : await store.manifest(repository, digest);
  if (found === undefined)
    throw new AppError("not_found", `There is no image ${wanted.reference}; \`plim images ${repository.app}\` lists what there is.`);
  return new Response(new Uint8Array(found.bytes), { headers: { "content-type": found.mediaType } });
}

/** One of its blobs. */
export async function blobForBuild(api: Api, wanted: BuildsImage, digest: string): Promise<Response> {
  const { repository } = await allowed(api, wanted);
  if (parseManifestReference(digest)?.kind !== "digest") throw new AppError("invalid", "A blob is named sha256: and 64 hex digits.");
  const blob = await registryOf(api).store.openBlob(repository, digest);
  if (blob === undefined) throw new AppError("not_found", `${wanted.reference} is not whole in the registry any more; push it again.`);
  return new Response(Readable.toWeb(blob) as ReadableStream<Uint8Array>, { headers: { "content-type": "application/octet-stream" } });
}

/** Hosts reach the images of namespaces that they build for, while they do. */
async function allowed(api: Api, { hostUid, namespaceUid, reference }: BuildsImage) {
  const objects = api.db.objects(PLATFORM);
  const builds = await objects.list("Build", { hostUid, phases: ["placed", "running"] });
  const namespace = await objects.find("Namespace", namespaceUid);
  if (namespace === undefined || builds.every(({ metadata }) => metadata.namespaceUid !== namespaceUid))
    throw new AppError("not_found", "This host builds nothing for such a namespace.");
  return assertOwnReference(
    reference,
    { team: namespace.metadata.team ?? "", namespace: namespace.metadata.name },
    api.settings.platformOrigin,
  );
}

/** Throws for an image of this platform's registry that the namespace does not reach; what other registries have, they say themselves. */
export function assertReachable({ settings }: Pick<Context, "settings">, { metadata }: Resource<"Namespace">, reference: string): void {
  if (parsePlatformReference(reference, settings.platformOrigin) === undefined) return;
  assertOwnReference(reference, { team: metadata.team ?? "", namespace: metadata.name }, settings.platformOrigin);
}

/** The repository and tag of a reference to this platform's registry; throws for one that the namespace does not reach. Pure. */
export function assertOwnReference(
  reference: string,
  { team, namespace }: Omit<RepositoryName, "app">,
  platformOrigin: string,
): { readonly repository: RepositoryName; readonly reference: string } {
  const parsed = parsePlatformReference(reference, platformOrigin);
  const own = `${registryHost(platformOrigin)}/${team}/${namespace}/<app>:<tag>`;
  if (parsed === undefined || parsed === "malformed")
    throw new AppError("invalid", `\`${reference.slice(0, 200)}\` is no image of this platform's registry: they are named ${own}.`);
  if (parsed.repository.team !== team || parsed.repository.namespace !== namespace)
    throw new AppError(
      "not_found",
      `Namespace ${team}/${namespace} reaches its own images only (${own}), not ${repositoryText(parsed.repository)}: push it there.`,
    );
  return parsed;
}
