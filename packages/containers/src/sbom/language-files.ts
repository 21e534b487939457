import { type Found, withLicense } from "./found.ts";

/** package.json of an installed package. What has no name or version is no package of a registry. */
export function readPackageJson(text: string): readonly Found[] {
  const { name, version, license, licenses } = asRecord(JSON.parse(text));
  if (typeof name !== "string" || typeof version !== "string") return [];
  const named = [license, licenses].flat().flatMap((one) => (typeof one === "string" ? one : (asRecord(one).type ?? [])));
  return [withLicense({ type: "npm", name, version }, joined(named))];
}

/** METADATA and PKG-INFO (core metadata of Python's packaging): headers up to an empty line. */
export function readPythonMetadata(text: string): readonly Found[] {
  const headers = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    if (line.trim() === "") break;
    const [, field, value] = /^([A-Za-z-]+):(.*)$/.exec(line.trimEnd()) ?? [];
    if (field !== undefined && value !== undefined)
      headers.set(field.toLowerCase(), [...(headers.get(field.toLowerCase()) ?? []).slice(0, 50), value.trim()]);
  }
  const first = (field: string) => headers.get(field)?.[0];
  const [name, version] = [first("name"), first("version")];
  if (name === undefined || version === undefined) return [];
  // A whole licence text, or its first line, is no name of one.
  const stated = [first("license-expression"), first("license")].find(
    (one) => one !== undefined && one !== "" && one.length < 80 && one !== "UNKNOWN",
  );
  const classified = headers.get("classifier")?.flatMap((one) => /^License :: (?:OSI Approved :: )?([^:]+)$/.exec(one)?.[1] ?? []);
  return [withLicense({ type: "pypi", name, version }, stated ?? joined(classified ?? []))];
}

/** An installed gem's specification, as RubyGems writes it: Ruby, of which only its plain assignments are read. */
export function readGemspec(text: string): readonly Found[] {
  let name: string | undefined;
  let version: string | undefined;
  let licenses: string[] = [];
  for (const line of text.split("\n")) {
    const [, field, value = ""] = /^\s*s\.(name|version|licenses?)\s*=\s*(.*)$/.exec(line) ?? [];
    const words = [...value.matchAll(/"([^"]*)"/g)].map(([, word = ""]) => word);
    if (field === "name") name ??= words[0];
    else if (field === "version") version ??= words[0];
    else if (field !== undefined) licenses = words;
  }
  if (name === undefined || version === undefined) return [];
  return [withLicense({ type: "gem", name, version }, joined(licenses))];
}

/** vendor/composer/installed.json: of Composer 2 an object, before it a list. */
export function readComposerInstalled(text: string): readonly Found[] {
  const parsed: unknown = JSON.parse(text);
  const packages = Array.isArray(parsed) ? parsed : asRecord(parsed).packages;
  return (Array.isArray(packages) ? packages : []).flatMap((one) => {
    const { name, version, license } = asRecord(one);
    if (typeof name !== "string" || typeof version !== "string") return [];
    return [withLicense({ type: "composer", name, version }, joined([license].flat()))];
  });
}

/** The list that cargo-auditable writes into a program (its FORMAT.md). What only built it is not in it. */
export function readCargoList(text: string): readonly Found[] {
  const { packages } = asRecord(JSON.parse(text));
  return (Array.isArray(packages) ? packages : []).flatMap((one) => {
    const { name, version, kind } = asRecord(one);
    return typeof name === "string" && typeof version === "string" && kind !== "build" ? [{ type: "cargo", name, version }] : [];
  });
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function joined(licenses: readonly unknown[]): string | undefined {
  const named = licenses.filter((one) => typeof one === "string").slice(0, 8);
  return named.length === 0 ? undefined : named.join(" OR ");
}
