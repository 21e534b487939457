import { type ImagePackage, MOST_PACKAGE_NOTES, MOST_PACKAGE_PATHS, MOST_PACKAGES, PACKAGE_TYPES, type PackageList } from "@plimsoll/core";
import type { Found, OsRelease } from "./found.ts";
import { packageUrl } from "./purl.ts";
import type { LayerRecord, ToldFile } from "./read-layer.ts";

const LONGEST = { name: 300, version: 200, license: 300, path: 1_200, purl: 2_000, distribution: 300 } as const;

/** Of the list as JSON: names, licences and paths may all be as long as they are let. */
const MOST_LIST_BYTES = 8 * 1024 ** 2;

/** Names with these would be shown as what they are not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * What an image holds, of what its layers tell (bottom first): `isShown(layer, path)` says whether a file of a layer is to be seen
 * through those above. Equal packages are one, with the places where they are. Sorted; equal input, equal list. Pure.
 */
export function listPackages(layers: readonly LayerRecord[], isShown: (layer: number, path: string) => boolean): PackageList {
  const shown = layers.flatMap(({ files }, layer) => files.filter(({ path }) => isShown(layer, path)));
  const os = osOf(shown);
  const packages = new Map<string, { one: Omit<ImagePackage, "paths">; paths: string[]; places: number }>();
  let leftOut = 0;
  let bytes = 0;
  for (const file of shown) {
    for (const found of file.packages) {
      const one = toPackage(found, os);
      if (one === undefined) continue;
      const path = clean(found.inside === undefined ? file.path : `${file.path}!${found.inside}`, LONGEST.path);
      const key = JSON.stringify([one.type, one.name, one.version, one.purl]);
      const known = packages.get(key);
      const full = bytes > MOST_LIST_BYTES;
      if (known === undefined && (full || packages.size === MOST_PACKAGES)) leftOut++;
      else if (known === undefined) {
        packages.set(key, { one, paths: [path], places: 1 });
        bytes += Buffer.byteLength(JSON.stringify(one)) + Buffer.byteLength(path);
      } else if (!known.paths.includes(path)) {
        known.places++;
        if (full || known.paths.length === MOST_PACKAGE_PATHS) continue;
        known.paths.push(path);
        bytes += Buffer.byteLength(path);
      }
    }
  }
  const notes = [...new Set(layers.flatMap((layer) => layer.notes))].map((note) => clean(note, 500));
  if (leftOut > 0) notes.unshift(`It holds more packages than a list may have: ${leftOut.toLocaleString("en-US")} are not listed.`);
  const all = [...packages.values()].map(({ one, paths, places }) => ({
    ...one,
    paths,
    ...(places > paths.length ? { morePaths: places - paths.length } : {}),
  }));
  const distribution = clean(os?.prettyName ?? "", LONGEST.distribution);
  return {
    ...(distribution === "" ? {} : { distribution }),
    packages: all.sort(inOrder),
    notes: notes.slice(0, MOST_PACKAGE_NOTES),
  };
}

/** /etc/os-release is mostly a link to the other; where it is a file, it counts. */
function osOf(files: readonly ToldFile[]): OsRelease | undefined {
  const told = (path: string) => files.findLast((file) => file.path === path)?.os;
  return told("etc/os-release") ?? told("usr/lib/os-release");
}

function toPackage(found: Found, os: OsRelease | undefined): Omit<ImagePackage, "paths"> | undefined {
  const { type, version, license } = found;
  const bare = clean(found.name, LONGEST.name);
  if (bare === "" || bare !== found.name.trim() || version.length > LONGEST.version) return undefined;
  const group = found.group === undefined ? undefined : clean(found.group, LONGEST.name);
  const safe = { ...found, name: bare, version: clean(version, LONGEST.version) };
  const purl = packageUrl(group === undefined ? safe : { ...safe, group }, os);
  const stated = clean(license ?? "", LONGEST.license);
  return {
    type,
    name: group === undefined ? bare : clean(`${group}:${bare}`, LONGEST.name),
    version: safe.version,
    ...(purl === undefined || purl.length > LONGEST.purl ? {} : { purl }),
    ...(stated === "" ? {} : { license: stated }),
  };
}

function clean(text: string, longest: number): string {
  return text.toWellFormed().replace(CONTROL, "").trim().slice(0, longest).toWellFormed();
}

function inOrder(a: ImagePackage, b: ImagePackage): number {
  return (
    PACKAGE_TYPES.indexOf(a.type) - PACKAGE_TYPES.indexOf(b.type) ||
    compare(a.name, b.name) ||
    compare(a.version, b.version) ||
    compare(a.purl ?? "", b.purl ?? "")
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
