import type { RegistryImageOut } from "@plimsoll/contracts";
import { AppError, isDigest, type Resource } from "@plimsoll/core";
import type { Api } from "../context.ts";
import type { Registry } from "./registry.ts";
import { parseManifestReference, type RepositoryName, registryHost, repositoryText } from "./repository.ts";

/** The registry of this installation; `unavailable` where it has none. */
export function registryOf({ registry }: Api): Registry {
  if (registry !== undefined) return registry;
  throw new AppError("unavailable", "This platform has no registry running: `npm start` on its machine starts it.");
}

/** What can be pulled from an app's repository: what people pushed and what releases are, newest first. Nothing is brought for it. */
export async function imagesOf(api: Api, app: Resource<"App">): Promise<readonly RegistryImageOut[]> {
  const registry = registryOf(api);
  const repository = repositoryOf(app);
  const name = repositoryText(repository);
  const at = (tag: string) => `${registryHost(api.settings.platformOrigin)}/${name}:${tag}`;
  const pushed = await registry.files.tags(repository);
  const taken = new Set(pushed.map(({ tag }) => tag));
  const images: RegistryImageOut[] = [];
  for (const { tag, digest, pushedAt } of pushed) {
    const base = { app: app.metadata.name, tag, reference: at(tag), kind: "pushed" as const, digest, createdAt: pushedAt.toISOString() };
    images.push({ ...base, sizeBytes: await sizeOf(registry, digest) });
  }
  for (const { tag, kind, release } of await registry.releases.named(app)) {
    if (taken.has(tag)) continue;
    const { number, image } = release.spec;
    const known = release.status.registry;
    const sizeBytes = (known?.layers ?? image.layers).reduce((sum, layer) => sum + layer.sizeBytes, 0);
    const base = { app: app.metadata.name, tag, reference: at(tag), kind, release: number, createdAt: release.metadata.createdAt };
    images.push({ ...base, sizeBytes, ...(known === undefined ? {} : { digest: known.manifest }) });
  }
  return images.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
}

/** All of a namespace whose name or tag has the text in it. */
export async function imagesOfNamespace(api: Api, apps: readonly Resource<"App">[], search = ""): Promise<RegistryImageOut[]> {
  const wanted = search.toLowerCase();
  const images: RegistryImageOut[] = [];
  for (const app of apps.filter(({ metadata }) => metadata.deletedAt === undefined)) {
    const found = await imagesOf(api, app);
    images.push(
      ...found.filter(({ reference, digest }) => reference.toLowerCase().includes(wanted) || digest?.startsWith(wanted) === true),
    );
  }
  return images.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
}

/**
 * Removes a tag that people have pushed, or by a digest every tag of it; what nothing names any more goes within a day. `precondition_failed`
 * for what releases are: that goes with them.
 */
export async function deleteImage(api: Api, app: Resource<"App">, reference: string): Promise<readonly string[]> {
  const registry = registryOf(api);
  const repository = repositoryOf(app);
  const parsed = parseManifestReference(reference);
  if (parsed === undefined) throw new AppError("invalid", `\`${reference.slice(0, 150)}\` is neither a tag nor a digest.`);
  const tags = (await registry.files.tags(repository)).filter(({ tag, digest }) => (isDigest(reference) ? digest : tag) === reference);
  for (const { tag } of tags) await registry.files.removeTag(repository, tag);
  if (tags.length > 0) return tags.map(({ tag }) => tag);
  const named = (await registry.releases.named(app)).find(
    ({ tag, release }) => tag === reference || release.status.registry?.manifest === reference,
  );
  if (named !== undefined)
    throw new AppError(
      "precondition_failed",
      `${reference} is release v${named.release.spec.number} of ${app.metadata.name}: a release's image goes with the release.`,
    );
  throw new AppError(
    "not_found",
    `${repositoryText(repository)} has no image ${reference}; \`plim images ${app.metadata.name}\` lists what there is.`,
  );
}

export function repositoryOf({ metadata: { team = "", namespace = "", name } }: Resource<"App">): RepositoryName {
  return { team, namespace, app: name };
}

/** Config and layers; of a list of several platforms all of them, each blob once. */
async function sizeOf(registry: Registry, digest: string): Promise<number> {
  const manifest = await registry.files.manifest(digest);
  const all = [...(manifest?.blobs ?? [])];
  for (const one of manifest?.manifests ?? []) all.push(...((await registry.files.manifest(one))?.blobs ?? []));
  return [...new Map(all.map((blob) => [blob.digest, blob.sizeBytes])).values()].reduce((sum, size) => sum + size, 0);
}
