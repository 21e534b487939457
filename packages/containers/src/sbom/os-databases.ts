import { type Found, type OsRelease, withLicense } from "./found.ts";

/**
 * dpkg's database: stanzas of `Field: value` (deb-control(5)). A package counts whose files are there: one that was removed stays in the
 * database with its configuration only. The files of status.d, as distroless images have them, have no status.
 */
export function readDpkgStatus(text: string): readonly Found[] {
  return stanzas(text, ": ").flatMap((fields) => {
    const [name, version, arch, status] = ["Package", "Version", "Architecture", "Status"].map((field) => fields.get(field));
    const state = status?.split(" ")[2];
    if (name === undefined || version === undefined || state === "not-installed" || state === "config-files") return [];
    return [{ type: "deb", name, version, ...(arch === undefined ? {} : { arch }) }];
  });
}

/** apk's database: stanzas of `P:name` (apk-package-format; upper and lower case differ). */
export function readApkInstalled(text: string): readonly Found[] {
  return stanzas(text, ":").flatMap((fields) => {
    const [name, version, arch, license] = ["P", "V", "A", "L"].map((field) => fields.get(field));
    if (name === undefined || version === undefined) return [];
    return [withLicense({ type: "apk", name, version, ...(arch === undefined ? {} : { arch }) }, license)];
  });
}

/** os-release(5): shell assignments. */
export function readOsRelease(text: string): OsRelease {
  const values = new Map(
    text.split("\n").flatMap((line) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line.trim()) ?? [];
      return name === undefined || value === undefined ? [] : [[name, unquoted(value)] as const];
    }),
  );
  return { id: values.get("ID") ?? "", versionId: values.get("VERSION_ID") ?? "", prettyName: values.get("PRETTY_NAME") ?? "" };
}

function unquoted(value: string): string {
  const quote = value[0];
  return (quote === '"' || quote === "'") && value.length > 1 && value.endsWith(quote) ? value.slice(1, -1) : value;
}

/** The first of each field counts; continuation lines belong to fields that nobody here asks for. */
function stanzas(text: string, separator: string): readonly ReadonlyMap<string, string>[] {
  const all: Map<string, string>[] = [];
  let fields = new Map<string, string>();
  const end = () => {
    if (fields.size > 0) all.push(fields);
    fields = new Map();
  };
  for (const line of text.split("\n")) {
    if (line.trim() === "") end();
    else if (!/^\s/.test(line)) {
      const at = line.indexOf(separator);
      const field = line.slice(0, Math.max(at, 0));
      if (WANTED.has(field) && !fields.has(field)) fields.set(field, line.slice(at + separator.length).trim());
    }
  }
  end();
  return all;
}

const WANTED: ReadonlySet<string> = new Set(["Package", "Version", "Architecture", "Status", "P", "V", "A", "L"]);
