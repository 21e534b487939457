import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TAR_END, type TarEntry, TarReader, tarHeader, tarPadding } from "./tar.ts";

const entry = (over: Partial<TarEntry>): TarEntry => ({
  type: "file",
  path: Buffer.from("a"),
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeSeconds: 0,
  linkTarget: Buffer.alloc(0),
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
  ...over,
});

async function readAll(archive: Buffer, chunkBytes: number): Promise<{ entry: TarEntry; content: Buffer }[]> {
  const chunks = Array.from({ length: Math.ceil(archive.length / chunkBytes) }, (_, i) =>
    archive.subarray(i * chunkBytes, (i + 1) * chunkBytes),
  );
  const reader = new TarReader(Readable.from(chunks, { objectMode: true }));
  const all: { entry: TarEntry; content: Buffer }[] = [];
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
    const pieces: Buffer[] = [];
    for await (const piece of reader.content()) pieces.push(Buffer.from(piece));
    all.push({ entry: next, content: Buffer.concat(pieces) });
  }
  return all;
}

describe("tar", () => {
  const names = fc
    .uint8Array({ minLength: 1, maxLength: 300 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f || byte === 0x2e ? 0x61 : byte))));

  it("gives back every entry as it was, bytes of names and attributes too, however the stream is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            path: names,
            content: fc.uint8Array({ maxLength: 1500 }),
            mode: fc.integer({ min: 0, max: 0o7777 }),
            uid: fc.nat(2 ** 31),
            mtimeSeconds: fc.nat(2 ** 33 - 1),
            xattr: fc.uint8Array({ maxLength: 64 }),
          }),
          { maxLength: 6 },
        ),
        fc.integer({ min: 1, max: 3000 }),
        async (files, chunkBytes) => {
          const entries = files.map((file) =>
            entry({ ...file, size: file.content.length, xattrs: new Map([["security.capability", Buffer.from(file.xattr)]]) }),
          );
          const blocks = entries.flatMap((each, index) => {
            const content = Buffer.from(files[index]?.content ?? []);
            return [tarHeader(each), content, tarPadding(content.length)];
          });
          const read = await readAll(Buffer.concat([...blocks, TAR_END]), chunkBytes);
          expect(read.map(({ content }) => content)).toEqual(files.map((file) => Buffer.from(file.content)));
          for (const [index, { entry: got }] of read.entries()) {
            const want = entries[index];
            expect([got.path, got.mode, got.uid, got.mtimeSeconds, got.xattrs]).toEqual([
              want?.path,
              want?.mode,
              want?.uid,
              want?.mtimeSeconds,
              want?.xattrs,
            ]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("says so when the stream is no archive or ends early", async () => {
    await expect(readAll(Buffer.alloc(512, 1), 512)).rejects.toThrow(/not a tar archive/);
    const cut = Buffer.concat([tarHeader(entry({ size: 1000 })), Buffer.alloc(512)]);
    await expect(readAll(cut, 100)).rejects.toThrow(/ends in the middle/);
    const halfHeader = tarHeader(entry({})).subarray(0, 100);
    await expect(readAll(halfHeader, 100)).rejects.toThrow(/ends in the middle/);
  });
});
