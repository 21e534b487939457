import type { SourceLocation } from "../problem.ts";

/** The checks of the field (BuildKit's, docs.docker.com/reference/build-checks), by its names; what each looks for is in the reference. */
export const CHECKS = [
  "ConsistentInstructionCasing",
  "CopyIgnoredFile",
  "DuplicateStageName",
  "ExposeInvalidFormat",
  "ExposeProtoCasing",
  "FromAsCasing",
  "FromPlatformFlagConstDisallowed",
  "InvalidDefaultArgInFrom",
  "InvalidDefinitionDescription",
  "JSONArgsRecommended",
  "LegacyKeyValueFormat",
  "MaintainerDeprecated",
  "MultipleInstructionsDisallowed",
  "NoEmptyContinuation",
  "RedundantTargetPlatform",
  "ReservedStageName",
  "SecretsUsedInArgOrEnv",
  "StageNameCasing",
  "UndefinedArgInFrom",
  "UndefinedVar",
  "WorkdirRelativePath",
] as const;
export type CheckName = (typeof CHECKS)[number];

/** Made only where the Dockerfile asks for them. */
export const EXPERIMENTAL: ReadonlySet<CheckName> = new Set(["InvalidDefinitionDescription"]);

export interface Finding {
  readonly check: CheckName;
  readonly line: number;
  readonly message: string;
}

export function finding(check: CheckName, at: SourceLocation | number, message: string): Finding {
  return { check, line: typeof at === "number" ? at : at.line, message };
}

/** A tenant's text in a sentence: short, on one line. */
export function quoted(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
