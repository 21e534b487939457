/** Every way an operation of Plimsoll can be refused or fail. Closed: an edge (HTTP, queue, CLI, git) translates each once. */
export type ErrorCode =
  | "invalid" // the input is wrong; details.fields names the paths
  | "unauthenticated"
  | "forbidden"
  | "not_found" // also: another tenant's object
  | "conflict" // the object changed since it was read, or the name is taken
  | "gone" // a watch version older than the change log keeps
  | "quota_exceeded"
  | "rate_limited"
  | "precondition_failed"
  | "unsupported" // understood and refused: a feature we do not have
  | "build_failed"
  | "unavailable" // something we depend on does not answer; try again
  | "stale_lease" // another holder took over; the caller must stop
  | "timeout"
  | "internal";

/** What a worker may do about an error: never again with the same input, again with growing pauses, or again after a time. */
export type Retry = "never" | "backoff" | { readonly afterMs: number };

export interface AppErrorOptions {
  readonly retry?: Retry;
  /** Facts for the reader and the client; never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error type that crosses package borders. `message` is shown to people as it is, so it says what happened and what to
 * do next. Thrown at the fault, translated once at each edge.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.retry = options.retry ?? defaultRetry(code);
    this.details = options.details ?? {};
  }
}

/** Anything thrown, as an AppError: unknown errors become `internal`, retried with backoff, their text kept as cause only. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError("internal", "Something unexpected went wrong; the platform's log has the details.", { cause: error });
}

/** The text of anything thrown, for logs. */
export function errorText(error: unknown): string {
  if (error instanceof Error) return error.cause === undefined ? error.message : `${error.message} (${errorText(error.cause)})`;
  return String(error);
}

function defaultRetry(code: ErrorCode): Retry {
  switch (code) {
    case "unavailable":
    case "timeout":
    case "internal":
    case "conflict":
      return "backoff";
    case "rate_limited":
      return { afterMs: 1_000 };
    default:
      return "never";
  }
}

/**
 * What was looked for in a file system, or undefined when there is nothing of that name. Any other failure rejects: what cannot be read
 * must not be taken for what was never written, or it would be made anew over it.
 */
export async function ifThere<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}
