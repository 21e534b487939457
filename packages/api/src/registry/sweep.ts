import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { RegistryFiles } from "./files.ts";
import { type RepositoryName, repositoryText } from "./repository.ts";

/** Of what no tag and no release names, and of uploads that nobody goes on with. */
export const UNUSED_MS = 24 * 3_600_000;

export interface SweepWants {
  /** What apps there are, asked after the repositories were listed: one that is not among them is nobody's. */
  apps(): Promise<ReadonlySet<string>>;
  /** Digests of manifests that releases of a repository's app name. */
  releaseManifests(repository: RepositoryName): Promise<ReadonlySet<string>>;
  readonly nowMs: number;
  readonly unusedMs?: number;
}

export interface Swept {
  readonly repositories: number;
  readonly manifests: number;
  readonly blobs: number;
  readonly uploads: number;
}

/**
 * Removes what nobody needs: repositories of apps that are gone, manifests that no tag and no release names, blobs of no manifest, abandoned
 * uploads – all but the first only once they were untouched for a day, so that a push under way, which has blobs before it has a manifest,
 * keeps them. No manifest may be written and no blob be counted on meanwhile (the door's gate). Idempotent; a kill leaves nothing but work
 * for the next one.
 */
export async function sweepRegistry(files: RegistryFiles, wants: SweepWants): Promise<Swept> {
  const beforeMs = wants.nowMs - (wants.unusedMs ?? UNUSED_MS);
  await files.removeGraves();
  const listed = await files.repositories();
  const apps = await wants.apps();
  const swept = { repositories: 0, manifests: 0, blobs: 0, uploads: 0 };
  const needed = new Set<string>();
  for (const repository of listed) {
    if (!apps.has(repositoryText(repository))) {
      if (await files.removeRepository(repository)) swept.repositories++;
      continue;
    }
    const kept = await keptManifests(files, repository, await wants.releaseManifests(repository), beforeMs);
    const revisions = join(files.repositoryPath(repository), "_manifests/revisions/sha256");
    for (const hex of await files.list(revisions)) {
      if (kept.has(`sha256:${hex}`)) continue;
      if (await files.remove(join(revisions, hex))) swept.manifests++;
    }
    const blobs = new Set(kept);
    for (const digest of kept) for (const blob of (await files.manifest(digest))?.blobs ?? []) blobs.add(blob.digest);
    const links = join(files.repositoryPath(repository), "_layers/sha256");
    for (const hex of await files.list(links)) {
      if (blobs.has(`sha256:${hex}`)) continue;
      if (await isOld(files, join(links, hex, "link"), beforeMs)) await files.remove(join(links, hex));
      else blobs.add(`sha256:${hex}`);
    }
    for (const digest of blobs) needed.add(digest);
    swept.uploads += await sweepUploads(files, repository, beforeMs);
  }
  for (const hex of await files.blobs()) {
    const path = files.blobPath(`sha256:${hex}`);
    if (needed.has(`sha256:${hex}`) || !(await isOld(files, path, beforeMs))) continue;
    await rm(join(path, ".."), { recursive: true, force: true });
    swept.blobs++;
  }
  return swept;
}

/** Those of tags and releases, those that are young, and what these are indexes of. */
async function keptManifests(files: RegistryFiles, repository: RepositoryName, released: ReadonlySet<string>, beforeMs: number) {
  const revisions = join(files.repositoryPath(repository), "_manifests/revisions/sha256");
  const wanted = [...released, ...(await files.tags(repository)).map(({ digest }) => digest)];
  for (const hex of await files.list(revisions))
    if (!(await isOld(files, join(revisions, hex, "link"), beforeMs))) wanted.push(`sha256:${hex}`);
  const kept = new Set<string>();
  for (let digest = wanted.pop(); digest !== undefined; digest = wanted.pop()) {
    if (kept.has(digest)) continue;
    kept.add(digest);
    wanted.push(...((await files.manifest(digest))?.manifests ?? []));
  }
  return kept;
}

async function sweepUploads(files: RegistryFiles, repository: RepositoryName, beforeMs: number): Promise<number> {
  const directory = join(files.repositoryPath(repository), "_uploads");
  let removed = 0;
  for (const upload of await files.list(directory)) {
    const parts = ["", "startedat", "data"].map((name) => files.writtenAt(join(directory, upload, name)));
    const lastMs = Math.max(...(await Promise.all(parts)).map((at) => at ?? 0));
    if (lastMs < beforeMs && (await files.remove(join(directory, upload)))) removed++;
  }
  return removed;
}

/** What is not there any more is not ours to remove. */
async function isOld(files: RegistryFiles, path: string, beforeMs: number): Promise<boolean> {
  const at = await files.writtenAt(path);
  return at !== undefined && at < beforeMs;
}
