import { gzipSync, zstdCompressSync } from "node:zlib";

interface TarEntry {
  readonly name: string;
  readonly content?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** `0` a file, `1` a hard link, `2` a link, `5` a directory. */
  readonly type?: "0" | "1" | "2" | "5";
  readonly target?: string;
}

/** A ustar archive of these entries, with a fixed time: the same bytes always. */
function tar(entries: readonly TarEntry[]): Uint8Array {
  const blocks: Buffer[] = [];
  for (const { name, content = "", mode = 0o644, uid = 0, gid = 0, type = "0", target = "" } of entries) {
    const header = Buffer.alloc(512);
    const body = Buffer.from(content);
    const octal = (value: number, at: number, length: number) => header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
    header.write(name, 0);
    octal(mode, 100, 8);
    octal(uid, 108, 8);
    octal(gid, 116, 8);
    octal(body.length, 124, 12);
    octal(1_700_000_000, 136, 12);
    header.fill(" ", 148, 156);
    header.write(type, 156);
    header.write(target, 157);
    header.write("ustar\u000000", 257, "latin1");
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    header[155] = 0x20;
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const PLAIN = tar([
  { name: "top/", type: "5", mode: 0o755 },
  { name: "top/file", content: "in archive\n", mode: 0o640, uid: 1000, gid: 1001 },
  { name: "top/run", content: "#!/bin/sh\n", mode: 0o755 },
  { name: "top/hard", type: "1", target: "top/file", mode: 0o640, uid: 1000, gid: 1001 },
  { name: "top/link", type: "2", target: "file" },
  { name: "top/secret/", type: "5", mode: 0o700, uid: 5, gid: 6 },
  { name: "top/secret/setuid", content: "s", mode: 0o4755, uid: 5, gid: 6 },
]);

/** Without entries for its directories. */
const DEEP = tar([{ name: "a/b/c", content: "deep\n" }]);

/** What cases put into their contexts and the web server has. */
export const ARCHIVES = {
  "plain.tar": PLAIN,
  "plain.tar.gz": gzipSync(PLAIN),
  "plain.tar.zst": zstdCompressSync(PLAIN),
  "deep.tar": DEEP,
} as const;

/** A gzip file that is no archive. */
export const GZIP_OF_TEXT: Uint8Array = gzipSync("only text\n");
/** An archive that writes through a link out of the destination. */
export const ESCAPING: Uint8Array = tar([
  { name: "out", type: "2", target: "../../../../etc" },
  { name: "out/planted", content: "planted" },
]);
/** An archive with a name that climbs. */
export const CLIMBING: Uint8Array = tar([{ name: "../../climbed", content: "climbed" }]);
