/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

/** True for a well-formed sha256 digest (OCI image spec, descriptor digests). */
export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** What a process is started with when the app does not say otherwise: the fields of an OCI image config that we honour. */
export interface ImageConfig {
  readonly architecture: "amd64" | "arm64";
  readonly os: "linux";
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `user`, `user:group`, names or numbers; empty means root. */
  readonly user: string;
  readonly workingDir: string;
  /** `8080/tcp`. */
  readonly exposedPorts: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
  /** Paths, in order of appearance. */
  readonly volumes?: readonly string[];
  readonly healthcheck?: Healthcheck;
  /** What shell forms are given to; absent means `/bin/sh -c`. */
  readonly shell?: readonly string[];
  /** Instructions for builds that stand on this image. */
  readonly onBuild?: readonly string[];
  readonly author?: string;
  /** How it came about, oldest first; as many entries that are not empty as the image has layers. */
  readonly history?: readonly HistoryEntry[];
}

/** One instruction: as it was written, so that no value of an argument and no secret is in it. */
export interface HistoryEntry {
  readonly createdBy: string;
  /** It made no layer. */
  readonly emptyLayer?: true;
}

/** A health check as image configs have it. Absent numbers mean Docker's defaults: 30 s, 30 s, 0 s, 5 s, 3 times. */
export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …argv]` or `["CMD-SHELL", line]`. */
  readonly test: readonly string[];
  readonly intervalNs?: number;
  readonly timeoutNs?: number;
  readonly startPeriodNs?: number;
  readonly startIntervalNs?: number;
  readonly retries?: number;
}

/** One layer of an image: its content, named by the digest of its canonical archive (see the layer store). */
export interface LayerRef {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** An image as hosts exchange it: immutable, named by the digest of its canonical JSON (config and layers, bottom first). */
export interface Image {
  readonly digest: Digest;
  readonly config: ImageConfig;
  readonly layers: readonly LayerRef[];
}
