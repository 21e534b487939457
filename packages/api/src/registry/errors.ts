import type { AppError, ErrorCode } from "@plimsoll/core";

/** Codes of the distribution specification that clients know, by ours. */
const CODES: Partial<Record<ErrorCode, readonly [number, string]>> = {
  invalid: [400, "UNSUPPORTED"],
  unauthenticated: [401, "UNAUTHORIZED"],
  forbidden: [403, "DENIED"],
  not_found: [404, "MANIFEST_UNKNOWN"],
  quota_exceeded: [403, "DENIED"],
  conflict: [409, "DENIED"],
  rate_limited: [429, "TOOMANYREQUESTS"],
  unsupported: [405, "UNSUPPORTED"],
  precondition_failed: [403, "DENIED"],
};

export interface RegistryRefusal {
  readonly status: number;
  readonly body: string;
  readonly retryAfterS?: number;
}

/** An error in the words of registry clients, which print its sentence. Pure. */
export function registryRefusal(error: AppError): RegistryRefusal {
  const [status, code] = CODES[error.code] ?? [503, "UNAVAILABLE"];
  const message =
    error.code === "internal" ? "Internal error of the platform; its operator finds the reason in the server's log." : error.message;
  const afterMs = typeof error.retry === "object" ? error.retry.afterMs : status === 503 ? 2_000 : undefined;
  return {
    status,
    body: JSON.stringify({ errors: [{ code, message }] }),
    ...(afterMs === undefined ? {} : { retryAfterS: Math.max(1, Math.ceil(afterMs / 1_000)) }),
  };
}
