import { sealBox } from "@plimsoll/contracts";
import type { Resource } from "@plimsoll/core";
import type { Database } from "@plimsoll/db";

const MAX_KEPT = 2_000;

/** Secrets of releases, sealed to hosts. */
export interface Sealing {
  /** The secret environment of a release for the holder of this key; undefined when the release has no secrets. */
  sealedEnv(release: Resource<"Release">, publicKey: string): Promise<string | undefined>;
}

/**
 * Releases never change, so what was sealed once for a host is kept (sealed): its desired state reads the same as long as it is the
 * same, and costs no cryptography.
 */
export function createSealing(db: Pick<Database, "secrets">): Sealing {
  const kept = new Map<string, string>();
  return {
    async sealedEnv(release, publicKey) {
      const { uid, ownerUid = "", namespaceUid = "" } = release.metadata;
      if (Object.keys(release.spec.secrets).length === 0) return undefined;
      const key = `${uid}/${publicKey}`;
      const before = kept.get(key);
      if (before !== undefined) return before;
      const sealed = sealBox(JSON.stringify(await db.secrets.open(namespaceUid, ownerUid, release.spec.secrets)), publicKey);
      kept.set(key, sealed);
      if (kept.size > MAX_KEPT) for (const oldest of [...kept.keys()].slice(0, MAX_KEPT / 10)) kept.delete(oldest);
      return sealed;
    },
  };
}
