import { type Allowance, type Bytes, OutOfAllowance } from "./bytes.ts";
import { type Found, withLicense } from "./found.ts";
import { BadArchive, openEntry, readDirectory, type ZipEntry } from "./zip.ts";

const MOST_TEXT_BYTES = 256 * 1024;
/** Of an archive that is packed inside another one; one that is stored there is read where it lies. */
const MOST_INNER_BYTES = 64 * 1024 * 1024;
const DEEPEST = 3;
const POM = /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const INNER = /\.(jar|war)$/i;

/**
 * The packages of a Java archive and of those inside it: as Maven's pom.properties name them, where there is none as its manifest does.
 * `fileName` names one that says nothing itself. Throws BadArchive; `onBad` hears of inner ones.
 */
export function readJar(
  bytes: Bytes,
  fileName: string,
  { allowance, onBad }: { readonly allowance: Allowance; readonly onBad: (inner: string, why: string) => void },
  inside = "",
  depth = 0,
): readonly Found[] {
  const entries = readDirectory(bytes);
  // Of an archive in memory nothing else is counted, and its entries may all be one.
  allowance.spend("entries", entries.length);
  const text = (entry: ZipEntry) => {
    const content = openEntry(bytes, entry, MOST_TEXT_BYTES, allowance);
    return content.read(0, MOST_TEXT_BYTES).toString("utf8");
  };
  const own = entries.filter(({ name }) => POM.test(name)).flatMap((entry) => readPomProperties(text(entry)));
  const manifest = entries.find(({ name }) => name === "META-INF/MANIFEST.MF");
  const headers = manifest === undefined ? new Map<string, string>() : readManifest(text(manifest));
  const license = headers.get("bundle-license");
  const found =
    own.length > 0 ? own.map((one) => (own.length === 1 ? withLicense(one, license) : one)) : ofManifest(headers, fileName, license);
  const all: Found[] = found.map((one) => (inside === "" ? one : { ...one, inside }));
  if (depth === DEEPEST) return all;
  for (const entry of entries) {
    if (!INNER.test(entry.name)) continue;
    try {
      const inner = openEntry(bytes, entry, MOST_INNER_BYTES, allowance);
      const path = inside === "" ? entry.name : `${inside}!${entry.name}`;
      all.push(...readJar(inner, entry.name.slice(entry.name.lastIndexOf("/") + 1), { allowance, onBad }, path, depth + 1));
    } catch (error) {
      if (error instanceof OutOfAllowance || !(error instanceof BadArchive)) throw error;
      onBad(entry.name, error.message);
    }
  }
  return all;
}

/** Java's properties, as Maven's archiver writes them. */
function readPomProperties(text: string): readonly Found[] {
  const values = new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const [, name, value] = /^(groupId|artifactId|version)\s*=\s*(.*)$/.exec(line.trim()) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
  const [group, name, version] = ["groupId", "artifactId", "version"].map((key) => values.get(key));
  return group === undefined || name === undefined || version === undefined ? [] : [{ type: "maven", group, name, version }];
}

/** The main section of a manifest (the JAR file specification): names without regard to case, a line that begins with a space goes on. */
function readManifest(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line === "") break;
    const [, name, value = ""] = /^([A-Za-z0-9_-]+):(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      last = name.toLowerCase();
      headers.set(last, value.trim());
    } else if (line.startsWith(" ") && last !== undefined) headers.set(last, `${headers.get(last) ?? ""}${line.slice(1)}`.slice(0, 4_096));
  }
  return headers;
}

function ofManifest(headers: ReadonlyMap<string, string>, fileName: string, license: string | undefined): readonly Found[] {
  const [, namedName, namedVersion] = /^(.+?)-(\d[^/]*)\.(?:jar|war|ear)$/i.exec(fileName) ?? [];
  const symbolic = headers.get("bundle-symbolicname")?.split(";")[0]?.trim();
  const name = namedName ?? symbolic ?? headers.get("implementation-title");
  const version = namedVersion ?? headers.get("bundle-version") ?? headers.get("implementation-version");
  if (name === undefined || version === undefined || name === "") return [];
  const group = headers.get("implementation-vendor-id");
  return [withLicense({ type: "maven", name, version, ...(group === undefined || group === "" ? {} : { group }) }, license)];
}
