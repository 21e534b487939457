/** One entry of a hostile archive. */
export interface TarPart {
  readonly path: string;
  readonly type?: "file" | "directory" | "symlink" | "hardlink" | "block" | "character";
  readonly content?: Buffer;
  /** Said in the header, whatever the content is. */
  readonly size?: number;
  readonly linkTarget?: string;
  readonly devMajor?: number;
  readonly devMinor?: number;
  readonly xattrs?: ReadonlyMap<string, Buffer>;
}

const FLAGS = { file: "0", hardlink: "1", symlink: "2", character: "3", block: "4", directory: "5" } as const;

/** For tests: an archive with exactly these entries, also such as no tar program would write. */
export function tarOf(parts: readonly TarPart[]): Buffer {
  const blocks: Buffer[] = [];
  for (const part of parts) {
    const records = [...(part.xattrs ?? [])].map(([name, value]) => record(`SCHILY.xattr.${name}`, value));
    if (part.path.length > 100) records.push(record("path", Buffer.from(part.path)));
    if (part.size !== undefined) records.push(record("size", Buffer.from(String(part.size))));
    if (records.length > 0) blocks.push(...entry({ path: "pax", flag: "x", content: Buffer.concat(records) }));
    const content = part.content ?? Buffer.alloc(0);
    blocks.push(...entry({ ...part, flag: FLAGS[part.type ?? "file"], content }));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1_024)]);
}

function entry(part: Omit<TarPart, "type" | "size"> & { readonly flag: string; readonly content: Buffer }): readonly Buffer[] {
  const header = Buffer.alloc(512);
  header.write(part.path.slice(0, 100), 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${part.content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(part.flag, 156);
  header.write((part.linkTarget ?? "").slice(0, 100), 157);
  header.write("ustar\0" + "00", 257);
  header.write(`${(part.devMajor ?? 0).toString(8).padStart(7, "0")}\0`, 329);
  header.write(`${(part.devMinor ?? 0).toString(8).padStart(7, "0")}\0`, 337);
  header.fill(" ", 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  return [header, part.content, Buffer.alloc((512 - (part.content.length % 512)) % 512)];
}

function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
