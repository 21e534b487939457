import { type Problem, statusOf } from "@plimsoll/contracts";
import { AppError, type ErrorCode } from "@plimsoll/core";
import { z } from "zod";

const TITLES: Record<ErrorCode, string> = {
  invalid: "The input is not valid",
  unauthenticated: "Not logged in",
  forbidden: "Not allowed",
  not_found: "Not found",
  conflict: "Changed meanwhile, or taken",
  gone: "Gone",
  quota_exceeded: "Quota exceeded",
  rate_limited: "Too many requests",
  precondition_failed: "Precondition failed",
  unsupported: "Not supported",
  build_failed: "The build failed",
  unavailable: "Not available now",
  stale_lease: "Another holder took over",
  timeout: "Timed out",
  internal: "Internal error",
};

/** The one translation from an error to an HTTP answer (RFC 9457): what AppError says, and nothing of anything else. */
export function problemResponse(error: AppError, requestId: string): Response {
  const headers: Record<string, string> = { "content-type": "application/problem+json", "x-request-id": requestId };
  if (typeof error.retry === "object") headers["retry-after"] = String(Math.max(1, Math.ceil(error.retry.afterMs / 1_000)));
  if (error.code === "unauthenticated") headers["www-authenticate"] = "Bearer";
  return new Response(JSON.stringify(problemOf(error, requestId)), { status: statusOf(error.code), headers });
}

export function problemOf(error: AppError, requestId?: string): Problem {
  const fields = Fields.safeParse(error.details.fields);
  return {
    type: `https://plimsoll.dev/problems/${error.code}`,
    title: TITLES[error.code],
    status: statusOf(error.code),
    detail: error.message,
    code: error.code,
    ...(requestId === undefined ? {} : { requestId }),
    ...(fields.success ? { fields: fields.data } : {}),
  };
}

const Fields = z.array(z.object({ path: z.string(), message: z.string() }));

/** `invalid`, naming every wrong field in words: what a schema found wrong with an input. The input itself is not repeated. */
export function invalidInput(error: z.ZodError, what: string): AppError {
  const fields = error.issues.slice(0, 20).map((issue) => ({ path: issue.path.join("."), message: issue.message }));
  const [first] = fields;
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : "";
  return new AppError("invalid", `The ${what} is not valid: ${where}${first?.message ?? ""}${more}.`, { details: { fields } });
}
