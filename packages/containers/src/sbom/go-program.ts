import { type Bytes, bufferBytes } from "./bytes.ts";
import type { Elf } from "./elf.ts";
import type { Found } from "./found.ts";

/** `\xff Go buildinf:` begins what Go's linker writes; Go's package debug/buildinfo documents by its code what follows. */
const MAGIC = Buffer.from("\xff Go buildinf:", "latin1");
const HEADER_BYTES = 32;
const ALIGNMENT = 16;
/** Without a section of that name it lies near the beginning of the data. */
const SEARCHED_BYTES = 64 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
const INLINE = 2;
/** The list of modules lies between two marks of this length. */
const MARK_BYTES = 16;

/** The modules that a Go program was linked of, with Go's own library; nothing where it is no Go program. */
export function readGoProgram(elf: Elf): readonly Found[] {
  const place = elf.section(".go.buildinfo") ?? elf.writableSegment();
  if (place === undefined) return [];
  const blob = elf.bytes.read(place.offset, Math.min(place.size, SEARCHED_BYTES));
  const start = findAligned(blob);
  if (start === undefined) return [];
  const { version, modules } = isInline(blob, start) ? readInline(elf.bytes, place.offset + start) : readPointers(elf, blob, start);
  const release = /^go(\d\S*)/.exec(version)?.[1];
  const stdlib: readonly Found[] = release === undefined ? [] : [{ type: "golang", name: "stdlib", version: release }];
  return [...stdlib, ...readModules(modules)];
}

interface BuildInfo {
  readonly version: string;
  readonly modules: string;
}

function findAligned(blob: Buffer): number | undefined {
  for (let at = blob.indexOf(MAGIC); at >= 0; at = blob.indexOf(MAGIC, at + 1))
    if (at % ALIGNMENT === 0 && blob.length - at >= HEADER_BYTES) return at;
  return undefined;
}

function isInline(blob: Buffer, start: number): boolean {
  return ((blob[start + 15] ?? 0) & INLINE) !== 0;
}

/** Since Go 1.18: both texts follow the header, each after its length. */
function readInline(bytes: Bytes, start: number): BuildInfo {
  const content = bytes.read(start + HEADER_BYTES, MOST_BYTES);
  const version = lengthPrefixed(content, 0);
  const modules = lengthPrefixed(content, version.end);
  return { version: version.text.toString("utf8"), modules: betweenMarks(modules.text) };
}

function lengthPrefixed(content: Buffer, start: number): { readonly text: Buffer; readonly end: number } {
  let length = 0;
  for (let at = start, shift = 0; at < content.length && shift < 35; at++, shift += 7) {
    const byte = content[at] ?? 0;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { text: content.subarray(at + 1, at + 1 + length), end: at + 1 + length };
  }
  return { text: Buffer.alloc(0), end: content.length };
}

/** Before Go 1.18: two addresses of Go's strings, each an address and a length. */
function readPointers(elf: Elf, blob: Buffer, start: number): BuildInfo {
  const size = blob[start + 14] === 4 ? 4 : 8;
  const text = (at: number): Buffer => {
    const header = contentAt(elf, elf.number(blob, start + at, size), 2 * size);
    if (header === undefined) return Buffer.alloc(0);
    const length = elf.number(header, size, size);
    return length > MOST_BYTES ? Buffer.alloc(0) : (contentAt(elf, elf.number(header, 0, size), length) ?? Buffer.alloc(0));
  };
  return { version: text(MARK_BYTES).toString("utf8"), modules: betweenMarks(text(MARK_BYTES + size)) };
}

function contentAt(elf: Elf, address: number, length: number): Buffer | undefined {
  const offset = elf.offsetOf(address);
  return offset === undefined ? undefined : elf.bytes.read(offset, length);
}

function betweenMarks(text: Buffer): string {
  const marked = text.length > 2 * MARK_BYTES && text[text.length - MARK_BYTES - 1] === 0x0a;
  return marked
    ? bufferBytes(text)
        .read(MARK_BYTES, text.length - 2 * MARK_BYTES)
        .toString("utf8")
    : "";
}

/** Lines of `mod` or `dep`, path, version and sum; `=>` replaces the one before. */
function readModules(text: string): readonly Found[] {
  const modules: Found[] = [];
  for (const line of text.split("\n")) {
    const [kind, name, version = ""] = line.split("\t");
    if (name === undefined || name === "") continue;
    if (kind === "=>") modules.pop();
    else if (kind !== "mod" && kind !== "dep") continue;
    modules.push({ type: "golang", name, version: version === "(devel)" ? "" : version });
  }
  return modules;
}
