import type { PackageType } from "@plimsoll/core";

/** A package as a file of an image tells of it; nothing about it has been checked. */
export interface Found {
  readonly type: PackageType;
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  /** Debian's and Alpine's. */
  readonly arch?: string;
  /** Maven's. */
  readonly group?: string;
  /** Below the file that was read, where that is an archive: `BOOT-INF/lib/a.jar`. */
  readonly inside?: string;
}

/** What os-release says, of all of it. */
export interface OsRelease {
  readonly id: string;
  readonly versionId: string;
  readonly prettyName: string;
}

/** Optional fields that are there: absent ones are left out, as exactOptionalPropertyTypes wants it. */
export function withLicense(found: Found, license: string | undefined): Found {
  const text = license?.trim();
  return text === undefined || text === "" ? found : { ...found, license: text };
}
