import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { TAR_END, type TarEntry, tarHeader, tarPadding } from "../../packages/containers/src/tar.ts";

/** An entry of an archive: a file unless it is said to be something else. */
export function entry(path: string, content: string | Buffer = "", more: Partial<TarEntry> = {}): Buffer {
  const bytes = Buffer.from(content);
  const described: TarEntry = {
    type: "file",
    path: Buffer.from(path),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtimeSeconds: 1_700_000_000,
    linkTarget: Buffer.alloc(0),
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    ...more,
  };
  return Buffer.concat([tarHeader(described), bytes, tarPadding(described.size)]);
}

export function archive(...entries: readonly Buffer[]): Buffer {
  return Buffer.concat([...entries, TAR_END]);
}

export interface OciImage {
  /** skopeo takes it as `oci:<directory>:latest`. */
  readonly directory: string;
  readonly layer: string;
  readonly manifest: string;
}

/** Writes an image of one layer into a directory, in OCI's layout. */
export function writeOciImage(directory: string, entries: readonly Buffer[], cmd: readonly string[]): OciImage {
  const blobs = join(directory, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer) => {
    const digest = digestOf(bytes);
    writeFileSync(join(blobs, digest.slice("sha256:".length)), bytes);
    return { digest, size: bytes.length };
  };
  const tar = archive(...entries);
  const layer = put(gzipSync(tar));
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const rootfs = { type: "layers", diff_ids: [digestOf(tar)] };
  const config = put(Buffer.from(JSON.stringify({ architecture, os: "linux", config: { Cmd: cmd }, rootfs })));
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
        layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...layer }],
      }),
    ),
  );
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const index = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest, annotations };
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [index] }));
  return { directory, layer: layer.digest, manifest: manifest.digest };
}

/** An image with one file, and as many bytes of nothing that can be packed. */
export function ociImage(directory: string, content: string, paddingBytes = 0): OciImage {
  const padding = paddingBytes === 0 ? [] : [entry("padding", randomBytes(paddingBytes))];
  return writeOciImage(directory, [entry("hello", content), ...padding], ["/hello"]);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
