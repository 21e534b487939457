import type { ErrorCode } from "@plimsoll/core";
import { z } from "zod";

/** RFC 9457 problem details, as every refused request answers (`application/problem+json`). */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** What happened and what to do next, for people. */
  detail: z.string(),
  code: z.string(),
  requestId: z.string().optional(),
  /** For `invalid`: one entry per wrong field. */
  fields: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;

/** HTTP status of each error code: translated here and nowhere else. */
export function statusOf(code: ErrorCode): number {
  switch (code) {
    case "invalid":
      return 422;
    case "unauthenticated":
      return 401;
    case "forbidden":
      return 403;
    case "not_found":
      return 404;
    case "conflict":
      return 409;
    case "gone":
      return 410;
    case "quota_exceeded":
      return 403;
    case "rate_limited":
      return 429;
    case "precondition_failed":
      return 412;
    case "unsupported":
      return 422;
    case "build_failed":
      return 422;
    case "stale_lease":
      return 409;
    case "unavailable":
      return 503;
    case "timeout":
      return 504;
    case "internal":
      return 500;
  }
}
