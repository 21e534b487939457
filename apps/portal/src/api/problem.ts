import type { Problem } from "@plimsoll/contracts";

/** `network`: no answer, or none that is the API's. Other codes are the API's own. */
export type ProblemCode = Problem["code"] | "network";

/** A request that was refused or got no answer. `detail` is the API's sentence for people, empty where there was no answer. */
export class ProblemError extends Error {
  readonly problem: ShownProblem;
  constructor(problem: ShownProblem, options?: ErrorOptions) {
    super(problem.detail || problem.code, options);
    this.name = "ProblemError";
    this.problem = problem;
  }
  /** The same request would be refused again: no use in trying by itself. */
  get final(): boolean {
    return this.problem.status >= 400 && this.problem.status < 500 && this.problem.status !== 429 && this.problem.status !== 408;
  }
}

/** What the pages show of a problem; plain data, so that it passes between worker and page. */
export interface ShownProblem {
  readonly code: ProblemCode;
  readonly status: number;
  readonly detail: string;
  readonly fields?: readonly { readonly path: string; readonly message: string }[] | undefined;
  readonly requestId?: string | undefined;
}

/** The problem in the data of a stream's `error` event. */
export function problemFromText(text: string): ProblemError {
  try {
    const { code, status, detail, title, requestId }: Partial<Problem> = JSON.parse(text);
    if (typeof code === "string" && typeof status === "number") {
      return new ProblemError({ code, status, detail: detail ?? title ?? "", requestId });
    }
  } catch {
    // Not a problem: the stream broke in the middle.
  }
  return unreachable(text);
}

/** Reads a refusal as problem details; anything else (an ingress page, a proxy) becomes a `network` problem with its status. */
export async function problemOf(response: Response): Promise<ProblemError> {
  if (response.headers.get("content-type")?.includes("json")) {
    const body: Partial<Problem> | null = await response.json().catch(() => null);
    if (body && typeof body.code === "string") {
      return new ProblemError({
        code: body.code,
        status: response.status,
        detail: body.detail ?? body.title ?? "",
        fields: body.fields,
        requestId: body.requestId,
      });
    }
  }
  return new ProblemError({ code: "network", status: response.status, detail: "" });
}

export function unreachable(cause: unknown): ProblemError {
  return new ProblemError({ code: "network", status: 0, detail: "" }, { cause });
}
