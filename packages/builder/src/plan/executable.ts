import { problemAt, type SourceLocation } from "../problem.ts";
import type { Action } from "./actions.ts";

const SSH =
  "RUN --mount=type=ssh is not executed: builds hold no SSH keys. Fetch over https with a token from --mount=type=secret, or commit what is needed.";

/** Throws BuildProblem `unsupported` for what is understood and not executed here, so that nothing is silently left out. */
export function refuseUnexecutable(action: Action, at: SourceLocation): void {
  if (action.type === "run" && action.mounts.some(({ type }) => type === "ssh")) throw problemAt(at, "unsupported", SSH);
}
