import { type RegistryAccess, type RegistryCredential, readMirror } from "@plimsoll/core";
import type { ImageReference } from "./reference.ts";

/** Whose access to registries is used, and what it is. */
export interface Puller {
  readonly namespaceUid: string;
  readonly registries: RegistryAccess;
}

/** A place that may have the image: the registry that the reference names, or a mirror of it. */
export interface ImageSource {
  /** Host of the registry that is asked. */
  readonly registry: string;
  /** `registry/path/name`, without tag and digest. */
  readonly repository: string;
  /** `:tag` or `@sha256:…`. */
  readonly suffix: string;
  readonly isMirror: boolean;
  readonly credential?: RegistryCredential;
  /**
   * Only this namespace may use what comes from here: it took credentials, or it comes from where only this namespace says that such an
   * image is to be had.
   */
  readonly isPrivate: boolean;
}

/** Mirrors of the whole platform, by registry. */
export type MirrorTable = Readonly<Record<string, readonly string[]>>;

/**
 * Where to ask for an image, in order: the namespace's own mirrors, the platform's, the registry itself. A credential goes with the
 * registry that it was set for and with no other. Pure.
 */
export function imageSources(reference: ImageReference, puller: Puller | undefined, platform: MirrorTable): readonly ImageSource[] {
  const { registry, name, suffix } = reference;
  const access = puller?.registries ?? {};
  const at = (host: string, repository: string, isMirror: boolean, isOwn: boolean): ImageSource => {
    const credential = own(access, host)?.credential;
    const place = { registry: host, repository, suffix, isMirror };
    return credential === undefined ? { ...place, isPrivate: isOwn } : { ...place, credential, isPrivate: true };
  };
  const mirrored = (mirror: string, isOwn: boolean) => {
    const { host, path } = readMirror(mirror);
    return at(host, `${host}${path}/${name}`, true, isOwn);
  };
  return [
    ...(own(access, registry)?.mirrors ?? []).map((mirror) => mirrored(mirror, true)),
    ...(own(platform, registry) ?? []).map((mirror) => mirrored(mirror, false)),
    at(registry, `${registry}/${name}`, false, false),
  ];
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
