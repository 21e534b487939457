import { readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, NAME_PATTERN, newSecret } from "@plimsoll/core";
import { z } from "zod";
import { parseManifestReference, type RepositoryName, repositoryText } from "./repository.ts";

export interface StoredTag {
  readonly tag: string;
  readonly digest: string;
  readonly pushedAt: Date;
}

export interface RegistryUsage {
  readonly bytes: number;
  /** Manifests, configurations and layers. */
  readonly blobs: number;
}

/** A manifest as far as it says what belongs to it. */
export interface ManifestContent {
  /** Config and layers; of an index nothing. */
  readonly blobs: readonly { readonly digest: string; readonly sizeBytes: number }[];
  /** Of an index. */
  readonly manifests: readonly string[];
}

const Descriptor = z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: z.number() });
const Manifest = z.object({
  config: Descriptor.optional(),
  layers: z.array(Descriptor).optional(),
  manifests: z.array(Descriptor).optional(),
});
const HEX = /^[0-9a-f]{64}$/;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * docker-registry's files, in the layout of its storage (version 2, fixed for good). It has no call that lists, measures, or removes a tag
 * or a repository; both sides only ever add and remove whole files, and it runs without a cache.
 *
 *     repositories/<name>/_manifests/revisions/sha256/<hex>/link     a manifest of the repository
 *     repositories/<name>/_manifests/tags/<tag>/current/link         the digest that a tag names
 *     repositories/<name>/_layers/sha256/<hex>/link                  a blob of the repository
 *     repositories/<name>/_uploads/<uuid>/                           an upload under way
 *     blobs/sha256/<2 hex>/<hex>/data                                the bytes of manifests and blobs
 */
export class RegistryFiles {
  readonly #root: string;

  /** `dataDir`: docker-registry's rootdirectory. */
  constructor(dataDir: string) {
    this.#root = join(dataDir, "docker/registry/v2");
  }

  /** Those that have, or had, anything. */
  async repositories(): Promise<readonly RepositoryName[]> {
    const found: RepositoryName[] = [];
    const base = join(this.#root, "repositories");
    for (const team of await names(base))
      for (const namespace of await names(join(base, team)))
        for (const app of await names(join(base, team, namespace))) found.push({ team, namespace, app });
    return found;
  }

  /** Of one repository, by name. */
  async tags(repository: RepositoryName): Promise<readonly StoredTag[]> {
    const directory = join(this.repositoryPath(repository), "_manifests/tags");
    const tags: StoredTag[] = [];
    for (const tag of (await listed(directory)).filter((name) => parseManifestReference(name) !== undefined)) {
      const link = join(directory, tag, "current/link");
      const [digest, found] = [await ifThere(readFile(link, "utf8")), await ifThere(stat(link))];
      if (digest !== undefined && found !== undefined) tags.push({ tag, digest: digest.trim(), pushedAt: found.mtime });
    }
    return tags;
  }

  /** Whether somebody has pushed this tag. */
  async hasTag(repository: RepositoryName, tag: string): Promise<boolean> {
    return (await ifThere(stat(join(this.repositoryPath(repository), "_manifests/tags", tag, "current/link")))) !== undefined;
  }

  /** Whether a repository has the manifest of a digest. */
  async hasManifest(repository: RepositoryName, digest: string): Promise<boolean> {
    const link = join(this.repositoryPath(repository), "_manifests/revisions/sha256", digest.slice("sha256:".length), "link");
    return (await ifThere(stat(link))) !== undefined && (await ifThere(stat(this.blobPath(digest)))) !== undefined;
  }

  /** Undefined when there are no such bytes, or they are no manifest. */
  async manifest(digest: string): Promise<ManifestContent | undefined> {
    const path = this.blobPath(digest);
    const found = await ifThere(stat(path));
    if (found === undefined || found.size > MAX_MANIFEST_BYTES) return undefined;
    const parsed = Manifest.safeParse(jsonOf(await readFile(path, "utf8")));
    if (!parsed.success) return undefined;
    const { config, layers = [], manifests = [] } = parsed.data;
    const blobs = [...(config === undefined ? [] : [config]), ...layers].map(({ digest: blob, size }) => ({
      digest: blob,
      sizeBytes: size,
    }));
    return { blobs, manifests: manifests.map((one) => one.digest) };
  }

  /** What a namespace's repositories hold, each blob counted once, and uploads under way. */
  async usageOf(team: string, namespace: string): Promise<RegistryUsage> {
    const blobs = new Set<string>();
    let uploadBytes = 0;
    for (const app of await names(join(this.#root, "repositories", team, namespace))) {
      const path = this.repositoryPath({ team, namespace, app });
      for (const part of ["_layers/sha256", "_manifests/revisions/sha256"])
        for (const hex of await listed(join(path, part))) blobs.add(hex);
      for (const upload of await listed(join(path, "_uploads")))
        uploadBytes += (await ifThere(stat(join(path, "_uploads", upload, "data"))))?.size ?? 0;
    }
    const sizes = await Promise.all(
      [...blobs].filter((hex) => HEX.test(hex)).map(async (hex) => (await ifThere(stat(this.blobPath(`sha256:${hex}`))))?.size ?? 0),
    );
    return { bytes: sizes.reduce((sum, size) => sum + size, uploadBytes), blobs: blobs.size };
  }

  /** How many uploads of a namespace are under way, or given up and not swept yet. */
  async uploadCount(team: string, namespace: string): Promise<number> {
    const apps = await names(join(this.#root, "repositories", team, namespace));
    const counts = apps.map(async (app) => (await listed(join(this.repositoryPath({ team, namespace, app }), "_uploads"))).length);
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** How many tags people have pushed to a repository. */
  async tagCount(repository: RepositoryName): Promise<number> {
    return (await listed(join(this.repositoryPath(repository), "_manifests/tags"))).length;
  }

  /** Somebody counts on this blob of the repository: it is not removed for a while. */
  async touch(repository: RepositoryName, digest: string): Promise<void> {
    const now = new Date();
    await ifThere(utimes(join(this.repositoryPath(repository), "_layers/sha256", digest.slice("sha256:".length), "link"), now, now));
  }

  /** False when there was none. Its manifest goes later, when nothing else names it. */
  async removeTag(repository: RepositoryName, tag: string): Promise<boolean> {
    return this.remove(join(this.repositoryPath(repository), "_manifests/tags", tag));
  }

  /** With all that it names; bytes that no other repository has go later. False when there was none. */
  async removeRepository(repository: RepositoryName): Promise<boolean> {
    return this.remove(this.repositoryPath(repository));
  }

  repositoryPath(repository: RepositoryName): string {
    return join(this.#root, "repositories", repositoryText(repository));
  }

  blobPath(digest: string): string {
    const hex = digest.slice("sha256:".length);
    return join(this.#root, "blobs/sha256", hex.slice(0, 2), hex, "data");
  }

  /** Every blob that there is, as hex digits. */
  async blobs(): Promise<readonly string[]> {
    const base = join(this.#root, "blobs/sha256");
    const found: string[] = [];
    for (const prefix of await listed(base)) found.push(...(await listed(join(base, prefix))).filter((hex) => HEX.test(hex)));
    return found;
  }

  /** At once, then gone: a reader sees a directory whole or not at all. */
  async remove(path: string): Promise<boolean> {
    const grave = join(this.#root, `.removed-${newSecret(6)}`);
    const moved = await ifThere(rename(path, grave).then(() => true));
    await rm(grave, { recursive: true, force: true });
    return moved === true;
  }

  /** What a kill left half removed. */
  async removeGraves(): Promise<void> {
    for (const name of await listed(this.#root))
      if (name.startsWith(".removed-")) await rm(join(this.#root, name), { recursive: true, force: true });
  }

  /** When a file was written last; undefined when there is none. */
  async writtenAt(path: string): Promise<number | undefined> {
    return (await ifThere(stat(path)))?.mtimeMs;
  }

  /** The names in a directory; none when it is not there. */
  list(path: string): Promise<readonly string[]> {
    return listed(path);
  }
}

async function listed(path: string): Promise<readonly string[]> {
  return (await ifThere(readdir(path))) ?? [];
}

async function names(path: string): Promise<readonly string[]> {
  return (await listed(path)).filter((name) => NAME_PATTERN.test(name));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
