import { AppError, errorText } from "@plimsoll/core/errors";

/** How plim ends. Scripts rely on these: docs/reference/cli.md has them from here. */
export const EXIT_CODES: readonly { readonly code: number; readonly meaning: string }[] = [
  { code: 0, meaning: "it is done" },
  { code: 1, meaning: "the platform refused, or what was waited for failed; the reason is on standard error" },
  { code: 2, meaning: "the command line is wrong; nothing was asked of the platform" },
  { code: 3, meaning: "not logged in, or not allowed" },
  { code: 4, meaning: "there is no such thing" },
  { code: 5, meaning: "the platform does not answer, or not in time: worth trying again" },
  { code: 130, meaning: "ended by Ctrl-C" },
];

/** The command line is wrong: said with how to see the right one. */
export function usageError(message: string, command?: string): AppError {
  return new AppError("invalid", `${message}\nSee: plim help${command === undefined ? "" : ` ${command}`}`, { details: { usage: true } });
}

/** What a failure ends plim with. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof AppError)) return 1;
  if (error.details.usage === true) return 2;
  switch (error.code) {
    case "unauthenticated":
    case "forbidden":
      return 3;
    case "not_found":
      return 4;
    case "unavailable":
    case "timeout":
    case "rate_limited":
      return 5;
    default:
      return 1;
  }
}

/** A failure as a person reads it: our own sentences as they are, never a stack; PLIM_DEBUG=1 adds it for whoever looks for a defect. */
export function failureText(error: unknown): string {
  const text = error instanceof AppError ? error.message : `Something unexpected went wrong: ${errorText(error)}`;
  const stack = process.env.PLIM_DEBUG === "1" && error instanceof Error ? `\n${error.stack}` : "";
  return `${text}${stack}`;
}
