import type { Found, OsRelease } from "./found.ts";

/** Without an os-release there is no telling whose Debian or Alpine it is. */
const VENDORS: Readonly<Record<string, string>> = { deb: "debian", apk: "alpine" };

/**
 * The package URL, as the specification's rules for its type make it (https://github.com/package-url/purl-spec): undefined where what it
 * requires is not known.
 */
export function packageUrl(found: Found, os: OsRelease | undefined): string | undefined {
  const place = placeOf(found, os);
  if (place === undefined || place.name === "") return undefined;
  const { namespace, name } = place;
  const path = [...namespace.split("/").filter((part) => part !== ""), name].map(encoded).join("/");
  const version = found.version === "" ? "" : `@${encoded(found.version)}`;
  const qualifiers = Object.entries(qualifiersOf(found, os))
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${encoded(value)}`)
    .join("&");
  return `pkg:${found.type}/${path}${version}${qualifiers === "" ? "" : `?${qualifiers}`}`;
}

function placeOf(
  { type, name, group }: Found,
  os: OsRelease | undefined,
): { readonly namespace: string; readonly name: string } | undefined {
  const slash = name.lastIndexOf("/");
  const split = { namespace: name.slice(0, Math.max(slash, 0)), name: name.slice(slash + 1) };
  const lower = { namespace: split.namespace.toLowerCase(), name: split.name.toLowerCase() };
  switch (type) {
    case "deb":
    case "apk":
      return { namespace: (os?.id || VENDORS[type] || "").toLowerCase(), name: name.toLowerCase() };
    case "pypi":
      return { namespace: "", name: name.toLowerCase().replaceAll("_", "-") };
    case "golang":
      return lower;
    case "composer":
      return lower.namespace === "" ? undefined : lower;
    case "maven":
      return group === undefined ? undefined : { namespace: group, name };
    case "npm":
      return split;
    case "gem":
    case "cargo":
      return { namespace: "", name };
  }
}

/** In alphabetical order, as the canonical form has them. */
function qualifiersOf({ type, arch = "" }: Found, os: OsRelease | undefined): Readonly<Record<string, string>> {
  if (type !== "deb" && type !== "apk") return {};
  const distro = os === undefined || os.id === "" || os.versionId === "" ? "" : `${os.id}-${os.versionId}`;
  return { arch, distro };
}

/** Percent-encoded but for letters, digits and `.-_~:`. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
}
