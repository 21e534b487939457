import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { ifThere } from "@plimsoll/core/errors";
import type { DebianPackage } from "./debian-packages.ts";
import { zip } from "./zip.ts";

const MODULES = "usr/lib/python3/dist-packages";
/** Debian has these as wheels already. */
const READY = "usr/share/python-wheels";

export interface Wheel {
  readonly name: string;
  readonly content: Buffer;
}

export interface WheelParts {
  /** `NAME-VERSION`. */
  readonly stem: string;
  /** What it runs on: `py3-none-any`. */
  readonly tag: string;
  readonly isPure: boolean;
  readonly metadata: string;
  readonly files: Readonly<Record<string, Buffer>>;
}

/** Packs what Debian's packages have for Python as wheels (PyPA's binary distribution format), as an index has them. Answers their names. */
export async function makeWheels(packages: readonly DebianPackage[], directory: string): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const made: string[] = [];
  const names = new Map<string, string>();
  for (const { name, root } of packages) {
    const info = await infoOf(join(root, MODULES));
    const called = info === undefined ? undefined : /^Name: (\S+)/m.exec(await metadataOf(join(root, MODULES, info)))?.[1];
    if (called !== undefined) names.set(name, called);
  }
  for (const { root, depends } of packages) {
    for (const name of (await ifThere(readdir(join(root, READY)))) ?? []) {
      await writeFile(join(directory, name), await readFile(join(root, READY, name)));
      made.push(name);
    }
    const packed = await pack(
      join(root, MODULES),
      depends.flatMap((name) => names.get(name) ?? []),
    );
    if (packed === undefined) continue;
    await writeFile(join(directory, packed.name), packed.content);
    made.push(packed.name);
  }
  return made;
}

/** `depends`: what Debian says that it needs, for packages of which Python's own lists were left out. */
async function pack(modules: string, depends: readonly string[]): Promise<Wheel | undefined> {
  const info = await infoOf(modules);
  if (info === undefined) return undefined;
  const said = await metadataOf(join(modules, info));
  const lines = /^Requires-Dist:/m.test(said) ? [] : depends.map((name) => `Requires-Dist: ${name}\n`);
  const metadata = said.replace(/^Version: .*\n/m, (version) => version + lines.join(""));
  const [, name, version] = /^Name: (\S+)[\s\S]*?^Version: (\S+)/m.exec(orderedHead(metadata)) ?? [];
  if (name === undefined || version === undefined) throw new Error(`${info} has no name or version`);
  const stem = `${name.replaceAll(/[-_.]+/g, "_")}-${version}`;
  const files: Record<string, Buffer> = {};
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true })) {
    const path = relative(modules, join(entry.parentPath, entry.name));
    if (path.split("/")[0] === info || path.includes("__pycache__") || entry.isDirectory()) continue;
    // Links lead to files of the package as it is installed.
    const content = await ifThere(readFile(join(modules, path)));
    if (content !== undefined) files[path] = content;
  }
  const isPure = !Object.keys(files).some((path) => path.endsWith(".so"));
  const programs = await ifThere(readFile(join(modules, info, "entry_points.txt")));
  if (programs !== undefined) files[`${stem}.dist-info/entry_points.txt`] = programs;
  return wheel({ stem, tag: isPure ? "py3-none-any" : "cp313-cp313-linux_x86_64", isPure, metadata, files });
}

/** A wheel of files by their paths in it; what is under `STEM.data/scripts` are programs. */
export function wheel({ stem, tag, isPure, metadata, files }: WheelParts): Wheel {
  const about: Record<string, Buffer> = {
    ...files,
    [`${stem}.dist-info/METADATA`]: Buffer.from(metadata),
    [`${stem}.dist-info/WHEEL`]: Buffer.from(`Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: ${isPure}\nTag: ${tag}\n`),
  };
  const record = Object.entries(about).map(
    ([path, content]) => `${path},sha256=${createHash("sha256").update(content).digest("base64url")},${content.length}`,
  );
  about[`${stem}.dist-info/RECORD`] = Buffer.from(`${[...record, `${stem}.dist-info/RECORD,,`].join("\n")}\n`);
  return { name: `${stem}-${tag}.whl`, content: zip(about, (path) => path.startsWith(`${stem}.data/scripts/`)) };
}

async function infoOf(modules: string): Promise<string | undefined> {
  return ((await ifThere(readdir(modules))) ?? []).find((name) => /\.(dist|egg)-info$/.test(name));
}

/** METADATA; an egg's requires.txt as lines of it. */
async function metadataOf(info: string): Promise<string> {
  const metadata = await ifThere(readFile(join(info, "METADATA"), "utf8"));
  if (metadata !== undefined) return metadata;
  const text = await readFile(join(info, "PKG-INFO"), "utf8");
  const requires = (await ifThere(readFile(join(info, "requires.txt"), "utf8"))) ?? "";
  let marker = "";
  const lines = requires.split("\n").flatMap((line) => {
    const section = /^\[([^:\]]*):?(.*)\]$/.exec(line.trim());
    if (section !== null)
      marker = [section[1] === "" ? "" : `extra == "${section[1]}"`, section[2] ?? ""].filter((one) => one !== "").join(" and ");
    return section !== null || line.trim() === "" ? [] : [`Requires-Dist: ${line.trim()}${marker === "" ? "" : `; ${marker}`}`];
  });
  const [head = "", ...body] = text.split("\n\n");
  const had = head.includes("Requires-Dist:") ? [] : lines;
  return [[head.trimEnd(), ...had].join("\n"), ...body].join("\n\n");
}

/** Name before Version, whichever comes first. */
function orderedHead(metadata: string): string {
  const name = /^Name: .*$/m.exec(metadata)?.[0] ?? "";
  return `${name}\n${/^Version: .*$/m.exec(metadata)?.[0] ?? ""}\n`;
}
