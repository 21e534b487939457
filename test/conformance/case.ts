/** A file of a case's context. Contexts come from git: a file is 0644 or 0755, a directory is there by what is in it. */
export type CaseFile =
  | string
  | { readonly content: string | Uint8Array; readonly mode?: "644" | "755" }
  /** A symbolic link to this target. */
  | { readonly link: string };

/**
 * What a build came to. The tree holds what differs from the image `base` (all of it where `base` is not part of the image), in the form of
 * snapshot.ts; a file of `base` that is gone is `gone`.
 */
export type Outcome =
  | { readonly tree: Readonly<Record<string, string>>; readonly config: Config }
  /** The message, for people: only that it failed is compared. */
  | { readonly error: string };

/** The image config, empty fields left out. Ports, volumes and labels in order of their names. */
export interface Config {
  readonly env?: readonly string[];
  readonly cmd?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthcheck?: Healthcheck;
  readonly stopSignal?: string;
  readonly shell?: readonly string[];
  readonly onbuild?: readonly string[];
  /** Of MAINTAINER. */
  readonly author?: string;
}

/** Durations in milliseconds; what the Dockerfile does not say is left out. */
export interface Healthcheck {
  readonly test: readonly string[];
  readonly intervalMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly startPeriodMs?: number | undefined;
  readonly startIntervalMs?: number | undefined;
  readonly retries?: number | undefined;
}

/** One Dockerfile with its context, to be built by the Docker engine and by our builder. */
export interface Case {
  /** Unique; also its key in the records. */
  readonly name: string;
  /** Instructions, flags and rules it is about, as counted: `COPY --chmod`, `expansion :-`. */
  readonly features: readonly string[];
  readonly dockerfile: string;
  readonly files?: Readonly<Record<string, CaseFile>>;
  readonly args?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Where the Dockerfile lies in the context. */
  readonly path?: string;
  /** Set where the engine's BuildKit is too old for the feature: what the reference says comes out. The engine is not asked. */
  readonly reference?: Outcome;
  /** Directories that this engine leaves as mount points of a step; later ones take them away again, as ours does. */
  readonly stubs?: readonly string[];
  /** Set where ours differs on purpose: why, and what ours does instead. */
  readonly differs?: { readonly why: string; readonly ours: Outcome };
  /** For an error: the line that ours must name. */
  readonly line?: number;
}

export function isError(outcome: Outcome): outcome is { readonly error: string } {
  return "error" in outcome;
}
