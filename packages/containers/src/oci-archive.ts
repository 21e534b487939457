import { TAR_END, type TarEntry, TarReader, tarHeader, tarPadding } from "./tar.ts";

const OPAQUE = "trusted.overlay.opaque";
const NOTHING: TarEntry["xattrs"] = new Map();

/**
 * A layer's canonical archive as registries keep layers (OCI image spec, layer.md): what overlayfs marks by 0/0 devices and an attribute is
 * marked by `.wh.` files. Uncompressed; the same bytes for the same layer. Streams: holds one chunk.
 */
export async function* ociArchive(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  const reader = new TarReader(archive);
  for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
    if (entry.type === "character" && entry.devMajor === 0 && entry.devMinor === 0) {
      yield marker(entry, whiteoutOf(entry.path));
      continue;
    }
    const opaque = entry.xattrs.has(OPAQUE);
    yield tarHeader({ ...entry, xattrs: new Map([...entry.xattrs].filter(([name]) => name !== OPAQUE)) });
    if (entry.type === "file" && entry.size > 0) {
      for await (const chunk of reader.content()) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      yield tarPadding(entry.size);
    }
    if (opaque) yield marker(entry, Buffer.concat([entry.path, Buffer.from(entry.path.length === 0 ? ".wh..wh..opq" : "/.wh..wh..opq")]));
  }
  yield TAR_END;
}

function marker(entry: TarEntry, path: Buffer): Buffer {
  return tarHeader({ ...entry, type: "file", path, mode: 0, size: 0, devMajor: 0, devMinor: 0, xattrs: NOTHING });
}

/** `a/b` is hidden by `a/.wh.b`. */
function whiteoutOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf("/");
  return Buffer.concat([path.subarray(0, slash + 1), Buffer.from(".wh."), path.subarray(slash + 1)]);
}
